/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The types of blocks whose allocation site does not tell: what the pointers to their
 * start agree on. Blocks are decided in rounds, all that have a vote at once, so that the
 * order of the walk plays no part; when later pointers change the outcome to a type that
 * begins with the old one the block is read again, else it is refused. */
#include <inttypes.h>
#include <string.h>

#include "pickler/value/dump.h"

static bool is_byte_type(const struct type *type)
{
    return type->kind == TYPE_CHAR || type->kind == TYPE_SCHAR ||
           type->kind == TYPE_UCHAR;
}

void dump_vote(struct dump *dump, uint32_t id, uint32_t type, uint64_t offset)
{
    struct block *block = block_at(&dump->blocks, id);
    struct block_extra *extra = block_extra(&dump->blocks, block);
    uint64_t count = 1;
    if (offset || !extra || extra->kind != BLOCK_HEAP || !extra->size)
        return;
    if (!programs_flatten(dump->world->types, &type, &count))
        return;
    type = programs_plain(&dump->programs, type);
    const struct type *entry = types_get(dump->world->types, type);
    if (entry->kind == TYPE_VOID || programs_get(&dump->programs, type)->refusal)
        return;
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next)
        if (dump->votes[i - 1].type == type)
            return;
    GROW(dump->votes, dump->n_votes, dump->votes_capacity);
    dump->votes[dump->n_votes++] = (struct vote){type, extra->votes};
    extra->votes = (uint32_t)dump->n_votes;
    if (is_byte_type(entry) || extra->is_queued)
        return;
    extra->is_queued = true;
    GROW(dump->ready, dump->n_ready, dump->ready_capacity);
    dump->ready[dump->n_ready++] = id;
}

/* The same members at the same places: a tag and a typedef of it, say. */
static bool same_view(const struct types *types, uint32_t a, uint32_t b)
{
    const struct type *x = types_get(types, a), *y = types_get(types, b);
    if (a == b)
        return true;
    if (!type_is_record(x) || !type_is_record(y))
        return x->kind == y->kind && types_size(types, a) == types_size(types, b);
    if (x->kind != y->kind || x->n_fields != y->n_fields ||
        x->layout.size != y->layout.size)
        return false;
    for (size_t i = 0; i < x->n_fields; i++)
        if (strcmp(x->fields[i].name, y->fields[i].name) != 0 ||
            x->layout.offsets[i] != y->layout.offsets[i])
            return false;
    return true;
}

/* True when an object of type `outer` starts with one of type `inner`. */
static bool starts_with(const struct types *types, uint32_t outer, uint32_t inner)
{
    for (int depth = 0; depth < PATH_MAX_STEPS; depth++) {
        if (same_view(types, outer, inner))
            return true;
        const struct type *type = types_get(types, outer);
        if (type->kind == TYPE_ARRAY)
            outer = type->target;
        else if (type_is_record(type) && type->n_fields && type->layout.is_known &&
                 type->fields[0].bits < 0)
            outer = type->fields[0].type;
        else
            return false;
    }
    return false;
}

/* Of equal views the name that sorts first, so that ids play no part. */
static bool is_better(const struct types *types, uint32_t a, uint32_t b)
{
    return !b || strcmp(types_get(types, a)->spelling, types_get(types, b)->spelling) < 0;
}

struct outcome {
    uint32_t type;  /* 0: none */
    uint32_t other; /* a vote that disagrees */
};

static bool fits(struct dump *dump, uint32_t type, uint64_t size)
{
    uint64_t count, tail;
    return program_fits(programs_get(&dump->programs, type), size, &count, &tail);
}

/* True when the type starts with everything else that was voted for. */
static bool holds_all(struct dump *dump, const struct block_extra *extra, uint32_t type)
{
    const struct types *types = dump->world->types;
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next) {
        uint32_t other = dump->votes[i - 1].type;
        if (!is_byte_type(types_get(types, other)) && !starts_with(types, type, other))
            return false;
    }
    return true;
}

/* The best type among the votes for which `only_fitting` holds or all others are parts.
 */
static struct outcome choose(struct dump *dump, const struct block_extra *extra,
                             bool only_fitting)
{
    const struct types *types = dump->world->types;
    struct outcome outcome = {0, 0};
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next) {
        uint32_t type = dump->votes[i - 1].type;
        if (is_byte_type(types_get(types, type)) ||
            !(only_fitting ? fits(dump, type, extra->size)
                           : holds_all(dump, extra, type)))
            continue;
        if (outcome.type && !same_view(types, type, outcome.type))
            outcome.other = type;
        else if (is_better(types, type, outcome.type))
            outcome.type = type;
    }
    return outcome;
}

/* The type of the block by the votes so far; 0 when they disagree or there are none. */
static uint32_t decide(struct dump *dump, const struct block_extra *extra)
{
    struct outcome outcome = choose(dump, extra, false);
    if (outcome.type && !outcome.other)
        return outcome.type;
    outcome = choose(dump, extra, true);
    return outcome.other ? 0 : outcome.type;
}

static uint32_t decide_bytes(struct dump *dump, const struct block_extra *extra)
{
    uint32_t best = 0;
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next)
        if (is_better(dump->world->types, dump->votes[i - 1].type, best))
            best = dump->votes[i - 1].type;
    return best;
}

bool dump_decide_ready(struct dump *dump, uint32_t **ret, size_t *ret_n)
{
    *ret = dump->ready;
    *ret_n = 0;
    size_t n = dump->n_ready;
    dump->ready = NULL;
    dump->n_ready = dump->ready_capacity = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (*ret)[i];
        struct block_extra *extra =
            block_extra(&dump->blocks, block_at(&dump->blocks, id));
        uint32_t type = decide(dump, extra);
        extra->is_queued = false;
        char *reason = type ? dump_set_type(dump, id, type, extra->size) : NULL;
        if (type && !reason)
            (*ret)[(*ret_n)++] = id;
        free(reason);
    }
    return n > 0;
}

static char *disagreement(struct dump *dump, const struct block_extra *extra)
{
    const struct types *types = dump->world->types;
    uint32_t first = 0, second = 0;
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next) {
        uint32_t type = dump->votes[i - 1].type;
        if (is_byte_type(types_get(types, type)))
            continue;
        if (is_better(types, type, first)) {
            second = first;
            first = type;
        } else if (is_better(types, type, second)) {
            second = type;
        }
    }
    return must_format("points to memory that is used as '%s' and as '%s'",
                       types_get(types, first)->spelling,
                       types_get(types, second)->spelling);
}

static void note(struct dump *dump, const struct block *block, uint32_t type,
                 char *reason)
{
    uint64_t *decision = map_at(&dump->decisions, (uintptr_t)block->start, NULL);
    *decision = (uint64_t)type * 2 + 1;
    if (!reason)
        return;
    *decision = dump->n_reasons * 2;
    GROW(dump->reasons, dump->n_reasons, dump->reasons_capacity);
    dump->reasons[dump->n_reasons++] = reason;
}

static bool is_only_bytes(struct dump *dump, const struct block_extra *extra)
{
    for (uint32_t i = extra->votes; i; i = dump->votes[i - 1].next)
        if (!is_byte_type(types_get(dump->world->types, dump->votes[i - 1].type)))
            return false;
    return true;
}

static void decide_at_last(struct dump *dump, uint32_t id)
{
    struct block *block = block_at(&dump->blocks, id);
    struct block_extra *extra = block_extra(&dump->blocks, block);
    bool is_bytes = is_only_bytes(dump, extra);
    uint32_t type = is_bytes ? decide_bytes(dump, extra) : decide(dump, extra);
    if (type)
        note(dump, block, type, dump_set_type(dump, id, type, extra->size));
    else if (is_bytes)
        note(dump, block, 0, must_strdup("points to memory whose type is not known"));
    else
        note(dump, block, 0, disagreement(dump, extra));
}

void dump_decide_rest(struct dump *dump)
{
    for (uint32_t id = 0; id < dump->blocks.n; id++) {
        const struct block_extra *extra =
            block_extra(&dump->blocks, block_at(&dump->blocks, id));
        if (extra && extra->kind == BLOCK_HEAP && extra->size)
            decide_at_last(dump, id);
    }
}
