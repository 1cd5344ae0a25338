/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The index of a value graph: its types, numbered by first use, and its roots. A record
 * that no block holds, because only pointers that are NULL mention it, and a function's
 * parameters, are left out: a tag stands for them. */
#include <string.h>

#include "pickler/value/dump.h"

struct closure {
    const struct types *types;
    struct map ids;  /* type id: id in the table; shared with the dump */
    uint32_t *order; /* by id in the table, from 1 */
    bool *is_whole;  /* the same: its parts are in the table */
    size_t n, capacity, whole_capacity;
    uint32_t *todo;
    size_t n_todo, todo_capacity;
};

static uint32_t enter(struct closure *closure, uint32_t type, bool is_whole)
{
    uint32_t found;
    if (types_find(closure->types, closure->types, type, &found))
        type = found;
    if (!type)
        return 0;
    bool is_new;
    uint64_t *id = map_at(&closure->ids, type, &is_new);
    if (is_new) {
        GROW(closure->is_whole, closure->n, closure->whole_capacity);
        if (closure->capacity < closure->whole_capacity) {
            closure->capacity = closure->whole_capacity;
            closure->order =
                must_realloc(closure->order, closure->capacity, sizeof(*closure->order));
        }
        closure->order[closure->n] = type;
        closure->is_whole[closure->n] = false;
        *id = ++closure->n;
    }
    size_t index = (size_t)*id - 1;
    if (is_whole && !closure->is_whole[index]) {
        closure->is_whole[index] = true;
        GROW(closure->todo, closure->n_todo, closure->todo_capacity);
        closure->todo[closure->n_todo++] = type;
    }
    return (uint32_t)(index + 1);
}

static bool is_tag_enough(const struct type *type)
{
    return type_is_record(type) || type->kind == TYPE_FUNCTION;
}

static void enter_parts(struct closure *closure, uint32_t id)
{
    const struct type *type = types_get(closure->types, id);
    if (type->kind == TYPE_FUNCTION || type->kind == TYPE_OTHER)
        return;
    const struct type *target = types_get(closure->types, type->target);
    enter(closure, type->target, type->kind != TYPE_POINTER || !is_tag_enough(target));
    for (size_t i = 0; i < type->n_fields; i++)
        enter(closure, type->fields[i].type, true);
}

static uint32_t id_of(struct closure *closure, uint32_t type)
{
    return enter(closure, type, false);
}

static struct type copy_tag(const struct type *type)
{
    return (struct type){.kind = type->kind,
                         .spelling = must_strdup(type->spelling),
                         .is_const = type->is_const,
                         .is_incomplete = type_is_record(type) || type->is_incomplete};
}

static struct type copy_whole(struct closure *closure, const struct type *type)
{
    struct type copy = copy_tag(type);
    copy.is_incomplete = type->is_incomplete;
    copy.is_variadic = type->is_variadic;
    copy.count = type->count;
    copy.target = id_of(closure, type->target);
    copy.n_fields = type->n_fields;
    copy.fields = must_alloc(type->n_fields * sizeof(*copy.fields));
    for (size_t i = 0; i < type->n_fields; i++) {
        copy.fields[i] = type->fields[i];
        copy.fields[i].name = must_strdup(type->fields[i].name);
        copy.fields[i].type = id_of(closure, type->fields[i].type);
    }
    copy.n_enumerators = type->n_enumerators;
    copy.enumerators = must_alloc(type->n_enumerators * sizeof(*copy.enumerators));
    for (size_t i = 0; i < type->n_enumerators; i++) {
        copy.enumerators[i] = type->enumerators[i];
        copy.enumerators[i].name = must_strdup(type->enumerators[i].name);
    }
    return copy;
}

static void build(struct closure *closure, const uint32_t *used, size_t n_used,
                  struct types *ret)
{
    for (size_t i = 0; i < n_used; i++)
        enter(closure, used[i], true);
    for (size_t i = 0; i < closure->n_todo; i++)
        enter_parts(closure, closure->todo[i]);
    for (size_t i = 0; i < closure->n; i++) {
        const struct type *type = types_get(closure->types, closure->order[i]);
        bool is_tag = !closure->is_whole[i] || type->kind == TYPE_FUNCTION ||
                      type->kind == TYPE_OTHER;
        struct type copy = is_tag ? copy_tag(type) : copy_whole(closure, type);
        types_add(ret, &copy);
    }
    free(closure->order);
    free(closure->is_whole);
    free(closure->todo);
    map_clear(&closure->ids);
}

void dump_write_index(struct dump *dump)
{
    struct closure closure = {.types = dump->world->types};
    struct types table;
    types_init(&table);
    for (size_t i = 0; i < dump->n_roots; i++) {
        uint32_t type = block_at(&dump->blocks, i)->program->type;
        bool is_new;
        uint64_t *id = map_at(&dump->type_ids, type, &is_new);
        if (is_new) {
            GROW(dump->used, dump->n_used, dump->used_capacity);
            dump->used[dump->n_used++] = type;
            *id = dump->n_used;
        }
    }
    build(&closure, dump->used, dump->n_used, &table);
    types_pack(&table, 1, &dump->out);
    pack_u64(&dump->out, dump->n_roots);
    for (size_t i = 0; i < dump->n_roots; i++) {
        const struct block *block = block_at(&dump->blocks, i);
        pack_string(&dump->out, dump->roots[i].name);
        pack_u64(&dump->out, *map_find(&dump->type_ids, block->program->type));
        pack_u64(&dump->out, block->count);
        pack_u64(&dump->out, dump->root_bytes[i]);
    }
    types_clear(&table);
}
