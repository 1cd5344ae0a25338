/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STOP_INTERVAL 65536 /* blocks between two questions whether to stop */

bool load_fail(struct load *load, int code, const char *format, ...)
{
    if (load->result < 0)
        return false;
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    load->result = error_set(load->err, code, "%s", text);
    return false;
}

bool load_damaged(struct load *load)
{
    return load_fail(load, -EBADMSG, "the values are damaged");
}

bool load_number(struct load *load, uint64_t *ret)
{
    const uint8_t *at = load->at, *end = load->end;
    if (at < end && *at < 0x80) {
        *ret = *at;
        load->at++;
        return true;
    }
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < end; shift += 7, at++) {
        uint64_t part = *at & 0x7f;
        if (shift == 63 && part > 1)
            break;
        value |= part << shift;
        if (*at & 0x80)
            continue;
        if (!part) /* not the shortest form */
            break;
        load->at = at + 1;
        *ret = value;
        return true;
    }
    return load_damaged(load);
}

bool load_max(struct load *load, uint64_t max, uint64_t *ret)
{
    if (!load_number(load, ret))
        return false;
    return *ret <= max || load_damaged(load);
}

const uint8_t *load_bytes(struct load *load, uint64_t size)
{
    if (size > (uint64_t)(load->end - load->at)) {
        load_damaged(load);
        return NULL;
    }
    const uint8_t *at = load->at;
    load->at += size;
    return at;
}

/* The memory of a block, or where its bytes wait. */
static char *memory_of(struct load *load, const struct block *block)
{
    const struct block_extra *extra = block_extra(&load->blocks, block);
    return extra && extra->staging ? extra->staging : block->start;
}

static bool read_block(struct load *load, uint32_t id)
{
    struct block block = (*block_at(&load->blocks, id));
    enum block_kind kind = block_kind(&load->blocks, &block);
    if (kind != BLOCK_HEAP && kind != BLOCK_VARIABLE)
        return true;
    char *to = memory_of(load, &block);
    const struct program *program = block.program;
    uint64_t tail = block_tail(&load->blocks, &block);
    bool is_zero =
        kind == BLOCK_VARIABLE ? to != block.start : load_is_zeroed(program, block.count);
    load->current = id;
    if (++load->steps % STOP_INTERVAL == 0 && load->world->should_stop &&
        load->world->should_stop(load->world->context))
        return load_fail(load, -EINTR, "interrupted while values were loaded");
    if (!load_elements(load, program, block.count, to, 0, is_zero))
        return false;
    return !program->has_tail || block.count != 1 ||
           load_elements(load, program->tail, tail, to + program->tail_offset,
                         program->tail_offset, is_zero);
}

static bool read_all(struct load *load)
{
    uint32_t next = (uint32_t)load->index.n_roots;
    for (size_t i = 0; i < load->index.n_roots; i++) {
        const uint8_t *before = load->at;
        const struct block *root = block_at(&load->blocks, i);
        uint64_t tail;
        if (root->program->has_tail && root->count == 1 &&
            !load_max(load, block_tail(&load->blocks, root), &tail))
            return false;
        if (root->program->has_tail && root->count == 1)
            load->blocks.extras[root->extra - 1].tail = tail;
        if (!read_block(load, (uint32_t)i))
            return false;
        for (; next < load->blocks.n; next++)
            if (!read_block(load, next))
                return false;
        if ((uint64_t)(load->at - before) != load->index.roots[i].bytes)
            return load_damaged(load);
    }
    return load->at == load->end || load_damaged(load);
}

/* What is equal is left alone: constants may be in memory that cannot be written. */
static void commit(struct load *load)
{
    for (size_t i = 0; i < load->blocks.n; i++) {
        struct block *block = block_at(&load->blocks, i);
        struct block_extra *extra = block_extra(&load->blocks, block);
        if (!extra || !extra->staging)
            continue;
        uint64_t size = block_size(&load->blocks, block);
        if (size && memcmp(block->start, extra->staging, size) != 0)
            memcpy(block->start, extra->staging, size);
    }
}

static void release_heap(struct load *load)
{
    for (size_t i = load->index.n_roots; i < load->blocks.n; i++)
        if (block_kind(&load->blocks, block_at(&load->blocks, i)) == BLOCK_HEAP)
            load->world->release(load->world->context, block_at(&load->blocks, i)->start);
}

int value_load(const struct value_world *world, const void *data, size_t size,
               const struct value_root *at, struct error *err)
{
    struct load load = {.world = world, .err = err};
    int result = value_index_read(data, size, &load.index, err);
    if (result < 0)
        return result;
    load.at = load.index.content;
    load.end = load.index.content_end;
    programs_init(&load.programs, world->types);
    load.by_id = must_alloc(load.index.types.n * sizeof(*load.by_id));
    if (load_roots(&load, at) && read_all(&load))
        commit(&load);
    else
        release_heap(&load);
    for (size_t i = 0; i < load.blocks.n_extras; i++)
        free(load.blocks.extras[i].staging);
    for (size_t i = 0; i < load.n_names; i++)
        free(load.names[i]);
    free(load.names);
    free(load.by_id);
    blocks_clear(&load.blocks);
    programs_clear(&load.programs);
    value_index_clear(&load.index);
    return load.result;
}
