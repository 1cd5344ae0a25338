/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In this order, so that nothing has changed when it fails: all objects that variables
 * reach are found; those that move get their new places; then they are converted, the
 * pointers of all others are set, and the old blocks are freed. */
#include "pickler/value/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pickler/type/index.h"
#include "pickler/value/migrate_state.h"

#define STOP_INTERVAL 4096  /* objects between two questions whether to stop */
#define SMALL_ADDRESS 65536 /* what is below is a mark, not a pointer */
#define HIGH_ADDRESS (UINT64_C(1) << 47)

void migrate_note(struct migrate *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vformat(format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < m->n_notes; i++)
        if (m->n_notes >= MIGRATE_NOTES_MAX || !strcmp(m->notes[i], text)) {
            free(text);
            return;
        }
    GROW(m->notes, m->n_notes, m->notes_capacity);
    m->notes[m->n_notes++] = text;
}

/* ---- which types are replaced
 * ------------------------------------------------------------ */

static bool is_replaceable(const struct type *type)
{
    return (type_is_record(type) || type->kind == TYPE_ENUM) && !type->is_incomplete &&
           type->definition;
}

static bool replaces(const struct types *types, uint32_t newer, uint32_t older)
{
    const struct type *a = types_get(types, newer), *b = types_get(types, older);
    return is_replaceable(a) && is_replaceable(b) && a->is_const == b->is_const &&
           a->definition != b->definition;
}

bool value_types_changed(const struct types *types, size_t types_from)
{
    for (uint32_t i = (uint32_t)types_from; i < types->n; i++) {
        const struct type *type = types_get(types, i);
        uint32_t id = 0;
        while (is_replaceable(type) &&
               types_find_next(types, type->kind, type->spelling, &id) && id < types_from)
            if (replaces(types, i, id))
                return true;
    }
    return false;
}

static void map_records(struct migrate *m)
{
    const struct types *types = m->types;
    for (uint32_t i = 0; i < types->n; i++)
        m->newest[i] = i;
    for (uint32_t i = (uint32_t)m->given->types_from; i < types->n; i++) {
        const struct type *type = types_get(types, i);
        uint32_t id = 0;
        while (is_replaceable(type) &&
               types_find_next(types, type->kind, type->spelling, &id) && id < i)
            if (id < m->given->types_from && replaces(types, i, id))
                m->newest[id] = i;
    }
}

/* Pointers to what is replaced are other types, too, where the table has them. */
static void map_pointers(struct migrate *m)
{
    const struct types *types = m->types;
    uint32_t from = (uint32_t)m->given->types_from;
    CLEANUP(freep)
    uint32_t *pointers =
        must_alloc((2 * types->n + 2) * sizeof(*pointers)); /* by target */
    for (uint32_t id = from; id < types->n; id++) {
        const struct type *type = types_get(types, id);
        if (type->kind == TYPE_POINTER)
            pointers[2 * type->target + type->is_const] = id;
    }
    bool is_more = true;
    for (int round = 0; is_more && round < MIGRATE_DEPTH_MAX; round++) {
        is_more = false;
        for (uint32_t id = 1; id < from; id++) {
            const struct type *type = types_get(types, id);
            if (type->kind != TYPE_POINTER || m->newest[id] != id ||
                m->newest[type->target] == type->target)
                continue;
            uint32_t now = pointers[2 * m->newest[type->target] + type->is_const];
            if (now && strcmp(types_get(types, now)->spelling, type->spelling) == 0) {
                m->newest[id] = now;
                is_more = true;
            }
        }
    }
}

/* ---- objects
 * ----------------------------------------------------------------------------- */

static bool flatten(const struct types *types, uint32_t *type, uint64_t *count)
{
    for (int i = 0; i < MIGRATE_DEPTH_MAX; i++) {
        const struct type *at = types_get(types, *type);
        if (at->kind != TYPE_ARRAY)
            return true;
        if (at->is_incomplete || __builtin_mul_overflow(*count, at->count, count))
            return false;
        *type = at->target;
    }
    return false;
}

static struct object *add_object(struct migrate *m, const struct object *object)
{
    GROW(m->objects, m->n_objects, m->capacity);
    m->objects[m->n_objects++] = *object;
    *map_at(&m->by_start, (uintptr_t)object->start, NULL) = m->n_objects;
    GROW(m->todo, m->n_todo, m->todo_capacity);
    m->todo[m->n_todo++] = (uint32_t)(m->n_objects - 1);
    return &m->objects[m->n_objects - 1];
}

/* Gives a block of unknown type the one that a pointer to it has; false: it does not fit.
 */
static bool set_type(struct migrate *m, struct object *object, uint32_t type)
{
    uint64_t count = 1, offset = 0;
    uint32_t element = 0;
    if (!type || !flatten(m->types, &type, &count))
        return false;
    uint64_t size = types_size(m->types, type);
    enum type_kind kind = types_get(m->types, type)->kind;
    if (!size || kind == TYPE_VOID || kind == TYPE_FUNCTION || object->size < size)
        return false;
    if (migrate_tail(m->types, type, &offset, &element)) {
        object->count = 1;
        object->tail = (object->size - offset) / types_size(m->types, element);
    } else if (object->size % size) {
        return false;
    } else {
        object->count = object->size / size;
    }
    object->type = type;
    return true;
}

static const struct value_move *find_move(const struct migrate *m, const char *address,
                                          bool at_end)
{
    for (size_t i = 0; i < m->given->n_moves; i++) {
        const struct value_move *move = &m->given->moves[i];
        uint64_t distance = (uint64_t)(address - move->from);
        if (address >= move->from &&
            (distance < move->from_size || (at_end && distance == move->from_size)))
            return move;
    }
    return NULL;
}

static struct object *known(const struct migrate *m, const char *start)
{
    const uint64_t *index = map_find(&m->by_start, (uintptr_t)start);
    return index ? &m->objects[*index - 1] : NULL;
}

struct object *migrate_find(struct migrate *m, const char *address)
{
    const struct value_world *world = m->given->world;
    const struct value_move *move = find_move(m, address, false);
    struct value_block block;
    struct value_variable variable;
    if (!move && world->find_block(world->context, address, &block))
        return block.is_freed ? NULL : known(m, block.start);
    if (!move && world->find_variable(world->context, address, &variable) &&
        !variable.is_literal)
        return known(m, variable.start);
    if (!move)
        move = find_move(m, address, true);
    return move ? known(m, move->from) : NULL;
}

/* The block that a pointer leads to, found for the first time or known without a type. */
static void found_pointer(struct migrate *m, char *at, uint32_t target, bool is_weak)
{
    const struct value_world *world = m->given->world;
    struct value_block block;
    char *pointer;
    memcpy(&pointer, at, sizeof(pointer));
    if ((uintptr_t)pointer < SMALL_ADDRESS || find_move(m, pointer, false) ||
        !world->find_block(world->context, pointer, &block) || block.is_freed)
        return;
    struct object *object = known(m, block.start);
    if (object && object->type)
        return;
    struct object fresh = {.start = block.start, .size = block.size, .is_heap = true};
    bool is_start = pointer == block.start && !is_weak;
    bool is_typed = set_type(m, object ? object : &fresh, block.type) ||
                    (is_start && set_type(m, object ? object : &fresh, target));
    if (!object) {
        add_object(m, &fresh);
    } else if (is_typed) {
        GROW(m->todo, m->n_todo, m->todo_capacity);
        m->todo[m->n_todo++] = (uint32_t)(object - m->objects);
    }
}

static void walk_object(struct migrate *m, const struct object *object,
                        migrate_found found)
{
    uint64_t step = types_size(m->types, object->type), offset;
    uint32_t element;
    if (!object->type) { /* whatever looks like a pointer */
        uintptr_t start = ((uintptr_t)object->start + 7) & ~(uintptr_t)7;
        char *end = object->start + object->size;
        for (char *at = (char *)start; at + sizeof(char *) <= end; at += sizeof(char *))
            found(m, at, 0, true);
        return;
    }
    if (!types_is_flat(m->types, object->type))
        for (uint64_t i = 0; i < object->count; i++)
            migrate_walk(m, object->type, object->start + i * step, false, 0, found);
    if (object->tail && migrate_tail(m->types, object->type, &offset, &element))
        for (uint64_t i = 0; i < object->tail; i++)
            migrate_walk(m, element,
                         object->start + offset + i * types_size(m->types, element),
                         false, 0, found);
}

static void add_variable(struct migrate *m, const struct object *like, uint32_t type,
                         uint64_t size)
{
    struct object object = *like;
    object.count = 1;
    object.type = type;
    object.size = size;
    if (!flatten(m->types, &object.type, &object.count) ||
        !types_size(m->types, object.type))
        object.type = 0;
    add_object(m, &object);
}

/* A variable that has been defined anew is still the same to pointers when its type is.
 */
static bool is_followed(const struct migrate *m, uint32_t from, uint32_t to)
{
    uint64_t count = 1;
    return flatten(m->types, &from, &count) && to && m->newest[from] == to;
}

static int find_all(struct migrate *m, struct error *err)
{
    const struct migration *given = m->given;
    for (size_t i = 0; i < given->n_moves; i++) {
        const struct value_move *move = &given->moves[i];
        struct object object = {.start = move->from,
                                .to = move->to,
                                .to_type = move->to_type,
                                .to_size = move->to_size,
                                .to_count = 1,
                                .is_carried = move->is_carried};
        if (!flatten(m->types, &object.to_type, &object.to_count))
            object.to_type = 0;
        if (move->is_carried || is_followed(m, move->from_type, object.to_type))
            add_variable(m, &object, move->from_type, move->from_size);
    }
    for (size_t i = 0; i < given->n_others; i++) {
        const struct value_root *other = &given->others[i];
        struct object object = {.start = other->address};
        add_variable(m, &object, other->type, types_size(m->types, other->type));
    }
    while (m->n_todo) {
        struct object object = m->objects[m->todo[--m->n_todo]];
        walk_object(m, &object, found_pointer);
        if (++m->steps % STOP_INTERVAL == 0 && given->world->should_stop &&
            given->world->should_stop(given->world->context))
            return error_set(err, -EINTR, "interrupted while values were collected");
    }
    return 0;
}

/* ---- new places
 * -------------------------------------------------------------------------- */

static bool place(struct migrate *m, struct object *object)
{
    const struct value_world *world = m->given->world;
    uint64_t offset;
    uint32_t element;
    object->to_type = m->newest[object->type];
    object->to_count = object->count;
    uint64_t size = types_size(m->types, object->to_type);
    if (__builtin_mul_overflow(size, object->count, &size))
        return false;
    if (object->tail && migrate_tail(m->types, object->to_type, &offset, &element)) {
        uint64_t end = offset + object->tail * types_size(m->types, element);
        size = end > size ? end : size;
    }
    object->to_size = size;
    object->to = world->allocate(world->context, size ? size : 1, object->to_type);
    if (object->to)
        memset(object->to, 0, size);
    object->is_carried = true;
    return object->to != NULL;
}

static int place_all(struct migrate *m, struct error *err)
{
    const struct value_world *world = m->given->world;
    for (size_t i = 0; i < m->n_objects; i++) {
        struct object *object = &m->objects[i];
        bool moves = object->is_heap && object->type &&
                     m->newest[object->type] != object->type &&
                     types_size(m->types, m->newest[object->type]);
        if (!moves || place(m, object))
            continue;
        for (size_t k = 0; k < i; k++)
            if (m->objects[k].is_heap && m->objects[k].to)
                world->release(world->context, m->objects[k].to);
        return error_set(err, -ENOMEM, "there is no memory for the values");
    }
    return 0;
}

/* ---- pointers
 * ---------------------------------------------------------------------------- */

static char *lost(struct migrate *m, char *pointer, uint32_t target, bool is_weak,
                  const char *where, const char *why)
{
    bool is_mark = (uintptr_t)pointer < SMALL_ADDRESS ||
                   (uint64_t)(uintptr_t)pointer >= HIGH_ADDRESS;
    if (is_weak || is_mark || m->newest[target] == target)
        return pointer;
    migrate_note(m, "'%s' %s; it is NULL now", where, why);
    return NULL;
}

char *migrate_pointer(struct migrate *m, char *pointer, uint32_t target, bool is_weak,
                      const char *where)
{
    if (!pointer)
        return NULL;
    const struct object *object = migrate_find(m, pointer);
    if (!object || !object->to)
        return lost(m, pointer, target, is_weak, where,
                    "points to memory that does not follow its type");
    uint64_t offset = (uint64_t)(pointer - object->start), to;
    uint64_t step = types_size(m->types, object->type);
    uint64_t to_step = types_size(m->types, object->to_type);
    uint64_t index = step ? offset / step : 0, from_tail, to_tail;
    uint32_t element, to_element;
    if (offset == object->size && !object->tail)
        return object->to + object->to_size;
    if (object->tail && migrate_tail(m->types, object->type, &from_tail, &element) &&
        offset >= from_tail &&
        migrate_tail(m->types, object->to_type, &to_tail, &to_element)) {
        uint64_t size = types_size(m->types, element), in = offset - from_tail;
        if (migrate_offset(m, element, to_element, in % size, target, &to, 0))
            return object->to + to_tail + in / size * types_size(m->types, to_element) +
                   to;
    } else if (object->type && object->to_type && index < object->to_count &&
               migrate_offset(m, object->type, object->to_type, offset - index * step,
                              target, &to, 0)) {
        return object->to + index * to_step + to;
    }
    if (is_weak)
        return pointer;
    migrate_note(m, "'%s' points to what is gone; it is NULL now", where);
    return NULL;
}

/* In objects that stay. */
static void set_pointer(struct migrate *m, char *at, uint32_t target, bool is_weak)
{
    char *pointer, *now;
    memcpy(&pointer, at, sizeof(pointer));
    if (!pointer)
        return;
    now = migrate_pointer(m, pointer, target, is_weak,
                          types_get(m->types, target)->spelling);
    if (now != pointer)
        memcpy(at, &now, sizeof(now));
}

static const char *name_of(const struct migrate *m, const struct object *object)
{
    for (size_t i = 0; i < m->given->n_moves; i++)
        if (m->given->moves[i].from == object->start)
            return m->given->moves[i].name;
    return types_get(m->types, object->type)->spelling;
}

static void convert(struct migrate *m, const struct object *object)
{
    uint64_t step = types_size(m->types, object->type), from_tail, to_tail;
    uint64_t to_step = types_size(m->types, object->to_type);
    uint32_t element, to_element;
    const char *name = name_of(m, object);
    uint64_t n = object->count < object->to_count ? object->count : object->to_count;
    memset(object->to, 0, object->to_size);
    if (!object->type || !object->to_type)
        n = 0;
    if (n < object->count)
        migrate_note(m, "'%s' keeps %" PRIu64 " of %" PRIu64 " elements", name, n,
                     object->count);
    for (uint64_t i = 0; i < n; i++)
        migrate_convert(m, object->type, object->start + i * step, object->to_type,
                        object->to + i * to_step, name, 0);
    if (!object->tail || !migrate_tail(m->types, object->type, &from_tail, &element) ||
        !migrate_tail(m->types, object->to_type, &to_tail, &to_element))
        return;
    for (uint64_t i = 0; i < object->tail; i++)
        migrate_convert(
            m, element, object->start + from_tail + i * types_size(m->types, element),
            to_element, object->to + to_tail + i * types_size(m->types, to_element), name,
            0);
}

static void apply(struct migrate *m)
{
    const struct value_world *world = m->given->world;
    for (size_t i = 0; i < m->n_objects; i++) {
        struct object object = m->objects[i];
        if (object.to && object.is_carried)
            convert(m, &object);
        else if (!object.to)
            walk_object(m, &object, set_pointer);
    }
    for (size_t i = 0; i < m->n_objects && !m->given->keeps_blocks; i++)
        if (m->objects[i].is_heap && m->objects[i].to)
            world->release(world->context, m->objects[i].start);
}

int value_migrate(const struct migration *migration, struct buffer *note,
                  struct error *err)
{
    struct types *types = migration->world->types;
    struct migrate m = {.given = migration, .types = types};
    m.newest = must_alloc((types->n + 1) * sizeof(*m.newest));
    map_records(&m);
    map_pointers(&m);
    int r = find_all(&m, err);
    if (r == 0)
        r = place_all(&m, err);
    if (r == 0)
        apply(&m);
    for (size_t i = 0; i < m.n_notes; i++) {
        buffer_format(note, "%s%s", i ? "; " : "", m.notes[i]);
        free(m.notes[i]);
    }
    free(m.notes);
    free(m.newest);
    free(m.objects);
    free(m.todo);
    map_clear(&m.by_start);
    map_clear(&m.noted);
    return r;
}
