/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/dump.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STOP_INTERVAL 65536 /* blocks between two questions whether to stop */

void dump_grow(struct dump *dump, size_t size)
{
    struct buffer *out = &dump->out;
    out->size = (size_t)(dump->at - (uint8_t *)out->data);
    buffer_reserve(out, size + out->size / 2);
    dump->at = (uint8_t *)out->data + out->size;
    dump->limit = (uint8_t *)out->data + out->capacity - 1;
}

/* Where the next byte is in the whole. */
static uint64_t position(const struct dump *dump)
{
    return (uint64_t)(dump->at - (uint8_t *)dump->out.data) + dump->shared;
}

bool dump_share(struct dump *dump, const void *from, uint64_t size)
{
    struct value_dump *ret = dump->ret;
    bool is_same = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__; /* here and in the bytes */
    if (!dump->may_share || !is_same || size < SHARE_MIN)
        return false;
    GROW(ret->shares, ret->n_shares, ret->shares_capacity);
    ret->shares[ret->n_shares++] =
        (struct value_share){.at = (size_t)(dump->at - (uint8_t *)dump->out.data),
                             .from = from,
                             .size = (size_t)size};
    dump->shared += size;
    return true;
}

static void put_string(struct dump *dump, const char *text)
{
    size_t size = strlen(text);
    dump_put(dump, size + 1);
    dump_ensure(dump, size);
    memcpy(dump->at, text, size);
    dump->at += size;
}

static uint32_t type_id(struct dump *dump, uint32_t type)
{
    bool is_new;
    uint64_t *id = map_at(&dump->type_ids, type, &is_new);
    if (is_new) {
        GROW(dump->used, dump->n_used, dump->used_capacity);
        dump->used[dump->n_used++] = type;
        *id = dump->n_used;
    }
    return (uint32_t)*id;
}

static void put_path(struct dump *dump, const struct block *block, uint64_t offset)
{
    struct value_path path;
    bool is_found = path_find(dump->world->types, &dump->blocks, block, offset, &path);
    assert(is_found);
    dump_put(dump, path.n);
    for (size_t i = 0; i < path.n; i++)
        dump_put(dump, path.steps[i]);
    dump_put(dump, path.rest);
}

static int stream_number(const char *start)
{
    return start == (const char *)stdin ? 0 : start == (const char *)stdout ? 1 : 2;
}

static void put_block(struct dump *dump, const struct block *block)
{
    enum block_kind kind = block_kind(&dump->blocks, block);
    const struct block_extra *extra = block_extra(&dump->blocks, block);
    dump_put(dump, kind);
    if (kind == BLOCK_STREAM)
        dump_put(dump, (uint64_t)stream_number(block->start));
    else if (kind != BLOCK_HEAP)
        put_string(dump, extra->name);
    if (kind == BLOCK_HEAP || kind == BLOCK_VARIABLE) {
        dump_put(dump, type_id(dump, block->program->type));
        dump_put(dump, block->count);
        if (block->program->has_tail && block->count == 1)
            dump_put(dump, block_tail(&dump->blocks, block));
    }
}

static void put_new(struct dump *dump, const struct target *target)
{
    const struct block *block = block_at(&dump->blocks, target->id);
    const struct block *current = block_at(&dump->blocks, dump->current);
    bool is_same = !block->extra && block->program == current->program &&
                   block->count == current->count && !block->program->has_tail;
    if (is_same && !target->offset) {
        dump_put(dump, CODE_NEW_SAME);
        return;
    }
    dump_put(dump, target->offset ? CODE_NEW_PATH : CODE_NEW);
    put_block(dump, block);
    if (target->offset)
        put_path(dump, block, target->offset);
}

static void put_ref(struct dump *dump, uint32_t id, uint64_t offset)
{
    uint64_t distance = zigzag((int64_t)dump->current - (int64_t)id);
    dump_put(dump, CODE_FIRST_REF + distance * 2 + (offset != 0));
    if (offset)
        put_path(dump, block_at(&dump->blocks, id), offset);
}

static void write_new_pointer(struct dump *dump, const struct op *op, const char *pointer,
                              uint64_t offset)
{
    struct target target;
    struct value_path path;
    if (!dump_resolve(dump, pointer, op, offset, &target) || dump->needs_types ||
        dump->is_collecting) {
        dump_put(dump, CODE_NULL);
        return;
    }
    const struct block *block = block_at(&dump->blocks, target.id);
    if (target.offset &&
        !path_find(dump->world->types, &dump->blocks, block, target.offset, &path)) {
        dump_block(dump, dump->current, offset,
                   must_strdup("points too deep into an object"), NULL);
        dump_put(dump, CODE_NULL);
        return;
    }
    if (target.is_new)
        put_new(dump, &target);
    else
        put_ref(dump, target.id, target.offset);
}

/* Most pointers are NULL, new, or lead to the start of a block that is known. */
void dump_pointer(struct dump *dump, const struct op *op, const char *at, uint64_t offset)
{
    const char *pointer;
    memcpy(&pointer, at, sizeof(pointer));
    if (!pointer) {
        dump_ensure(dump, 1);
        *dump->at++ = CODE_NULL;
        return;
    }
    uint32_t known = *blocks_slot(&dump->blocks, pointer);
    bool is_special = op->is_code || op->kind == OP_STREAM || dump->is_collecting;
    if (!known || is_special) {
        write_new_pointer(dump, op, pointer, offset);
        return;
    }
    const struct program *program = block_at(&dump->blocks, known - 1)->program;
    if (program && program->is_byte && !op->is_flat_target)
        write_new_pointer(dump, op, pointer, offset); /* it says why not */
    else
        put_ref(dump, known - 1, 0);
}

static void add_cut(struct value_dump *ret, uint64_t at)
{
    if (ret->n_cuts && ret->cuts[ret->n_cuts - 1] == at)
        return;
    GROW(ret->cuts, ret->n_cuts, ret->cuts_capacity);
    ret->cuts[ret->n_cuts++] = at;
}

static void write_content(struct dump *dump, const struct block *block)
{
    uint64_t before = position(dump);
    dump_elements(dump, block->program, block->count, block->start, 0);
    if (block->program->has_tail && block->count == 1)
        dump_elements(dump, block->program->tail, block_tail(&dump->blocks, block),
                      block->start + block->program->tail_offset,
                      block->program->tail_offset);
    uint64_t after = position(dump);
    if (after - before < VALUE_CUT_MIN)
        return;
    add_cut(dump->ret, before);
    add_cut(dump->ret, after);
}

static void write_block(struct dump *dump, uint32_t id)
{
    struct block block = (*block_at(&dump->blocks, id));
    enum block_kind kind = block_kind(&dump->blocks, &block);
    if (!block.program || (kind != BLOCK_HEAP && kind != BLOCK_VARIABLE))
        return;
    dump->current = id;
    write_content(dump, &block);
    if (dump->is_collecting) /* only what was reached counts */
        dump->at = (uint8_t *)dump->out.data + VALUE_HEADER_SIZE;
    if (++dump->steps % STOP_INTERVAL == 0 && dump->world->should_stop)
        dump->is_stopped |= dump->world->should_stop(dump->world->context);
}

/* Roots in order, and after each what was reached from it and not before. */
static void walk(struct dump *dump)
{
    uint32_t next = (uint32_t)dump->n_roots;
    for (size_t i = 0; i < dump->n_roots; i++) {
        uint64_t before = position(dump);
        const struct block *root = block_at(&dump->blocks, i);
        if (root->program && root->program->has_tail && root->count == 1)
            dump_put(dump, block_tail(&dump->blocks, root));
        write_block(dump, (uint32_t)i);
        for (; next < dump->blocks.n; next++) {
            if (dump->is_stopped || dump->needs_types)
                return;
            write_block(dump, next);
        }
        dump->root_bytes[i] = position(dump) - before;
    }
}

static void clear_walk(struct dump *dump)
{
    blocks_clear(&dump->blocks);
    map_clear(&dump->type_ids);
    map_clear(&dump->partial);
    dump->n_used = dump->n_loose = dump->n_votes = dump->n_ready = 0;
    for (size_t i = 0; i < dump->ret->n_blockers; i++) {
        free(dump->ret->blockers[i].path);
        free(dump->ret->blockers[i].reason);
        free(dump->ret->blockers[i].hint);
    }
    dump->ret->n_blockers = dump->ret->n_cuts = dump->ret->n_shares = 0;
    dump->shared = 0;
    buffer_clear(&dump->out);
    dump->at = dump->limit = NULL;
}

static int start_walk(struct dump *dump, struct error *err)
{
    clear_walk(dump);
    buffer_reserve(&dump->out, 4096);
    dump->at = (uint8_t *)dump->out.data + VALUE_HEADER_SIZE;
    dump->limit = (uint8_t *)dump->out.data + dump->out.capacity - 1;
    add_cut(dump->ret, VALUE_HEADER_SIZE);
    return dump_add_roots(dump, err);
}

static int collect(struct dump *dump, struct error *err)
{
    dump->needs_types = false;
    dump->is_collecting = true;
    int result = start_walk(dump, err);
    if (result < 0)
        return result;
    walk(dump);
    size_t next = dump->blocks.n, n;
    uint32_t *decided = NULL;
    while (!dump->is_stopped && dump_decide_ready(dump, &decided, &n)) {
        for (size_t i = 0; i < n; i++)
            write_block(dump, decided[i]);
        free(TAKE(decided));
        for (; next < dump->blocks.n && !dump->is_stopped; next++)
            write_block(dump, (uint32_t)next);
    }
    free(decided);
    dump_decide_rest(dump);
    dump->is_collecting = false;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_names(char **names, size_t *n)
{
    size_t unique = 0;
    if (*n)
        qsort(names, *n, sizeof(*names), compare_names);
    for (size_t i = 0; i < *n; i++) {
        if (unique && strcmp(names[unique - 1], names[i]) == 0)
            free(names[i]);
        else
            names[unique++] = names[i];
    }
    *n = unique;
}

static void list_names(struct dump *dump)
{
    struct value_dump *ret = dump->ret;
    size_t functions_capacity = 0, variables_capacity = 0;
    for (size_t i = dump->n_roots; i < dump->blocks.n; i++) {
        const struct block_extra *extra =
            block_extra(&dump->blocks, block_at(&dump->blocks, i));
        if (!extra)
            continue;
        if (extra->kind == BLOCK_FUNCTION) {
            GROW(ret->functions, ret->n_functions, functions_capacity);
            ret->functions[ret->n_functions++] = must_strdup(extra->name);
        } else if (extra->kind == BLOCK_VARIABLE) {
            GROW(ret->variables, ret->n_variables, variables_capacity);
            ret->variables[ret->n_variables++] = must_strdup(extra->name);
        }
    }
    sort_names(ret->functions, &ret->n_functions);
    sort_names(ret->variables, &ret->n_variables);
}

static void write_header(struct dump *dump)
{
    struct value_machine here = value_machine_here();
    dump->out.size = (size_t)(dump->at - (uint8_t *)dump->out.data);
    uint64_t end = position(dump);
    add_cut(dump->ret, end);
    uint8_t *header = (uint8_t *)dump->out.data;
    memcpy(header, VALUE_MAGIC, 4);
    header[4] = VALUE_VERSION;
    header[5] = here.long_size;
    header[6] = here.pointer_size;
    header[7] = (uint8_t)(here.is_char_signed | here.ldouble << MACHINE_LDOUBLE_SHIFT);
    for (int i = 0; i < 8; i++)
        header[8 + i] = (uint8_t)(end >> (8 * i));
}

static int run(struct dump *dump, struct error *err)
{
    int result = start_walk(dump, err);
    if (result < 0)
        return result;
    walk(dump);
    if (dump->needs_types && !dump->is_stopped) {
        result = collect(dump, err);
        if (result < 0)
            return result;
        result = start_walk(dump, err);
        if (result < 0)
            return result;
        walk(dump);
    }
    if (dump->is_stopped)
        return error_set(err, -EINTR, "interrupted while values were collected");
    assert(!dump->needs_types);
    if (dump->ret->n_blockers)
        return 0;
    write_header(dump);
    dump_write_index(dump);
    list_names(dump);
    dump->ret->size = dump->out.size + (size_t)dump->shared;
    dump->ret->bytes = dump->out;
    dump->out = (struct buffer){0};
    return 0;
}

static int dump_values(const struct value_world *world, const struct value_root *roots,
                       size_t n_roots, bool may_share, struct value_dump *ret,
                       struct error *err)
{
    struct value_dump result = {0};
    struct dump dump = {.world = world,
                        .roots = roots,
                        .n_roots = n_roots,
                        .ret = &result,
                        .may_share = may_share};
    programs_init(&dump.programs, world->types);
    dump.root_bytes = must_alloc(n_roots * sizeof(*dump.root_bytes));
    int status = run(&dump, err);
    programs_clear(&dump.programs);
    blocks_clear(&dump.blocks);
    buffer_clear(&dump.out);
    map_clear(&dump.type_ids);
    map_clear(&dump.partial);
    map_clear(&dump.decisions);
    for (size_t i = 0; i < dump.n_reasons; i++)
        free(dump.reasons[i]);
    free(dump.reasons);
    free(dump.votes);
    free(dump.ready);
    free(dump.loose);
    free(dump.used);
    free(dump.root_bytes);
    if (status < 0) {
        value_dump_clear(&result);
        return status;
    }
    *ret = result;
    return 0;
}

int value_dump(const struct value_world *world, const struct value_root *roots,
               size_t n_roots, struct value_dump *ret, struct error *err)
{
    return dump_values(world, roots, n_roots, false, ret, err);
}

int value_dump_shared(const struct value_world *world, const struct value_root *roots,
                      size_t n_roots, struct value_dump *ret, struct error *err)
{
    return dump_values(world, roots, n_roots, true, ret, err);
}

struct iovec *value_dump_parts(const struct value_dump *dump, size_t *ret_n)
{
    struct iovec *parts = must_alloc((2 * dump->n_shares + 1) * sizeof(*parts));
    size_t n = 0, at = 0;
    for (size_t i = 0; i < dump->n_shares; i++) {
        const struct value_share *share = &dump->shares[i];
        parts[n++] = (struct iovec){dump->bytes.data + at, share->at - at};
        parts[n++] = (struct iovec){(void *)share->from, share->size};
        at = share->at;
    }
    parts[n++] = (struct iovec){dump->bytes.data + at, dump->bytes.size - at};
    *ret_n = n;
    return parts;
}

void value_dump_clear(struct value_dump *dump)
{
    buffer_clear(&dump->bytes);
    for (size_t i = 0; i < dump->n_functions; i++)
        free(dump->functions[i]);
    for (size_t i = 0; i < dump->n_variables; i++)
        free(dump->variables[i]);
    for (size_t i = 0; i < dump->n_blockers; i++) {
        free(dump->blockers[i].path);
        free(dump->blockers[i].reason);
        free(dump->blockers[i].hint);
    }
    free(dump->functions);
    free(dump->variables);
    free(dump->blockers);
    free(dump->cuts);
    free(dump->shares);
    *dump = (struct value_dump){0};
}
