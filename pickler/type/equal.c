/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether two types are the same, and tables brought together. Types may be recursive
 * through pointers, so equality is co-inductive: a pair that is being compared counts as
 * equal until a difference is found anywhere. */
#include "pickler/type/type.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pickler/base/map.h"
#include "pickler/type/index.h"

struct pair {
    uint32_t a, b;
    const struct type *record; /* whose field the pair is; NULL for none */
    size_t field;
};

struct comparison {
    const struct types *a, *b;
    const char *there;
    char **ret_why;
    bool tags_stand_for_all; /* in `b` */
    struct map seen;
    struct pair *todo;
    size_t n_todo, capacity;
};

static void push(struct comparison *c, struct pair pair)
{
    bool is_new;
    map_at(&c->seen, (uint64_t)pair.a << 32 | pair.b, &is_new);
    if (!is_new)
        return;
    GROW(c->todo, c->n_todo, c->capacity);
    c->todo[c->n_todo++] = pair;
}

__attribute__((format(printf, 2, 3))) static bool differ(struct comparison *c,
                                                         const char *format, ...)
{
    if (!c->ret_why)
        return false;
    va_list args;
    va_start(args, format);
    CLEANUP(freep) char *head = must_vformat(format, args);
    va_end(args);
    *c->ret_why = must_format("%s %s", head, c->there);
    return false;
}

/* What a reader is told a type is: its spelling, or its kind where spellings agree. */
static bool differ_whole(struct comparison *c, const struct pair *pair,
                         const struct type *a, const struct type *b)
{
    bool by_kind = strcmp(a->spelling, b->spelling) == 0;
    const char *a_name = by_kind ? type_kind_name(a->kind) : a->spelling;
    const char *b_name = by_kind ? type_kind_name(b->kind) : b->spelling;
    if (pair->record && pair->record->kind != TYPE_FUNCTION)
        return differ(c, "field '%s' of '%s' is '%s' here and '%s'",
                      pair->record->fields[pair->field].name, pair->record->spelling,
                      a_name, b_name);
    if (by_kind)
        return differ(c, "'%s' is '%s' here and '%s'", a->spelling, a_name, b_name);
    return differ(c, "the type is '%s' here and '%s'", a_name, b_name);
}

static bool has_field(const struct type *type, const char *name)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return true;
    return false;
}

static bool same_field_names(struct comparison *c, const struct type *a,
                             const struct type *b)
{
    size_t n = a->n_fields > b->n_fields ? a->n_fields : b->n_fields;
    for (size_t i = 0; i < n; i++) {
        const char *a_name = i < a->n_fields ? a->fields[i].name : NULL;
        const char *b_name = i < b->n_fields ? b->fields[i].name : NULL;
        if (a_name && b_name && strcmp(a_name, b_name) == 0)
            continue;
        if (a_name && !has_field(b, a_name))
            return differ(c, "field '%s' of '%s' is missing", a_name, a->spelling);
        if (b_name && !has_field(a, b_name))
            return differ(c, "'%s' has no field '%s' here, as it has", a->spelling,
                          b_name);
        return differ(c, "the fields of '%s' have another order", a->spelling);
    }
    return true;
}

static bool same_fields(struct comparison *c, const struct type *a, const struct type *b)
{
    if (a->kind == TYPE_FUNCTION) {
        if (a->n_fields != b->n_fields)
            return differ(c, "'%s' has %zu parameters here and %zu", a->spelling,
                          a->n_fields, b->n_fields);
        return true;
    }
    if (!same_field_names(c, a, b))
        return false;
    for (size_t i = 0; i < a->n_fields; i++) {
        const struct type_field *x = &a->fields[i], *y = &b->fields[i];
        if ((x->bits < 0) != (y->bits < 0))
            return differ(c, "field '%s' of '%s' is %s here, as it is%s", x->name,
                          a->spelling, x->bits < 0 ? "no bit-field" : "a bit-field",
                          x->bits < 0 ? "" : " not");
        if (x->bits != y->bits)
            return differ(c, "field '%s' of '%s' has %d bits here and %d", x->name,
                          a->spelling, (int)x->bits, (int)y->bits);
        if ((x->overlay || y->overlay) && x->overlay != y->overlay)
            return differ(c, "field '%s' of '%s' is in another anonymous union", x->name,
                          a->spelling);
    }
    return true;
}

static bool same_enumerators(struct comparison *c, const struct type *a,
                             const struct type *b)
{
    for (size_t i = 0; i < a->n_enumerators && i < b->n_enumerators; i++) {
        const struct type_enumerator *x = &a->enumerators[i], *y = &b->enumerators[i];
        if (strcmp(x->name, y->name) != 0)
            return differ(c, "enumerator '%s' of '%s' is '%s'", x->name, a->spelling,
                          y->name);
        if (x->value != y->value)
            return differ(c, "enumerator '%s' of '%s' is %" PRId64 " here and %" PRId64,
                          x->name, a->spelling, x->value, y->value);
    }
    if (a->n_enumerators != b->n_enumerators)
        return differ(c, "'%s' has %zu enumerators here and %zu", a->spelling,
                      a->n_enumerators, b->n_enumerators);
    return true;
}

/* A tag is part of what a type is; other spellings may be a typedef's name for the same.
 */
static bool same_name(const struct type *a, const struct type *b)
{
    bool has_tag = type_is_record(a) || a->kind == TYPE_ENUM || a->kind == TYPE_OTHER;
    return !has_tag || strcmp(a->spelling, b->spelling) == 0;
}

static bool compare_pair(struct comparison *c, const struct pair *pair)
{
    const struct type *a = types_get(c->a, pair->a), *b = types_get(c->b, pair->b);
    if (a->kind != b->kind || !same_name(a, b) || a->is_const != b->is_const)
        return differ_whole(c, pair, a, b);
    bool is_tag = (type_is_record(b) && b->is_incomplete) ||
                  (b->kind == TYPE_FUNCTION && !b->n_fields && !b->target);
    if (c->tags_stand_for_all && is_tag)
        return true;
    if (a->is_incomplete != b->is_incomplete)
        return differ(c, "'%s' is %s here but not", a->spelling,
                      a->is_incomplete ? "incomplete" : "complete");
    if (a->count != b->count)
        return differ(c, "'%s' has %" PRIu64 " elements here and %" PRIu64, a->spelling,
                      a->count, b->count);
    if (a->is_variadic != b->is_variadic)
        return differ(c, "'%s' is %svariadic here but not", a->spelling,
                      a->is_variadic ? "" : "not ");
    if (!same_fields(c, a, b) || !same_enumerators(c, a, b))
        return false;
    push(c, (struct pair){a->target, b->target, NULL, 0});
    for (size_t i = 0; i < a->n_fields; i++)
        push(c, (struct pair){a->fields[i].type, b->fields[i].type, a, i});
    return true;
}

static bool compare(struct comparison *c, uint32_t a_id, uint32_t b_id)
{
    push(c, (struct pair){a_id, b_id, NULL, 0});
    bool is_equal = true;
    for (size_t i = 0; is_equal && i < c->n_todo; i++) {
        struct pair pair = c->todo[i];
        is_equal = compare_pair(c, &pair);
    }
    free(c->todo);
    map_clear(&c->seen);
    return is_equal;
}

bool types_match(const struct types *a, uint32_t a_id, const struct types *b,
                 uint32_t b_id, const char *there, char **ret_why)
{
    struct comparison c = {.a = a, .b = b, .there = there, .ret_why = ret_why};
    c.tags_stand_for_all = true;
    return compare(&c, a_id, b_id);
}

bool types_equal(const struct types *a, uint32_t a_id, const struct types *b,
                 uint32_t b_id, char **ret_why)
{
    if (a == b && a_id == b_id)
        return true;
    struct comparison c = {.a = a, .b = b, .there = "there", .ret_why = ret_why};
    return compare(&c, a_id, b_id);
}

bool types_find_next(const struct types *types, enum type_kind kind, const char *spelling,
                     uint32_t *ret)
{
    uint32_t id = types_index_next(types, kind, spelling, *ret);
    if (id)
        *ret = id;
    return id != 0;
}

/* Only entries below `limit` are looked at: those above it are not whole yet. */
static bool find_below(const struct types *types, size_t limit, const struct types *from,
                       uint32_t id, uint32_t *ret)
{
    const struct type *type = types_get(from, id);
    if (id == 0 || (type->kind == TYPE_VOID && strcmp(type->spelling, "void") == 0)) {
        *ret = 0;
        return true;
    }
    uint32_t found = 0;
    while (types_find_next(types, type->kind, type->spelling, &found) && found < limit)
        if (types_equal(types, found, from, id, NULL)) {
            *ret = found;
            return true;
        }
    return false;
}

bool types_find(const struct types *types, const struct types *from, uint32_t id,
                uint32_t *ret)
{
    return find_below(types, types->n, from, id, ret);
}

static struct type copy_of(const struct type *type)
{
    struct type copy = *type;
    copy.layout = (struct type_layout){0};
    copy.spelling = must_strdup(type->spelling);
    copy.fields = must_alloc(type->n_fields * sizeof(*copy.fields));
    for (size_t i = 0; i < type->n_fields; i++) {
        copy.fields[i] = type->fields[i];
        copy.fields[i].name = must_strdup(type->fields[i].name);
    }
    copy.enumerators = must_alloc(type->n_enumerators * sizeof(*copy.enumerators));
    for (size_t i = 0; i < type->n_enumerators; i++) {
        copy.enumerators[i] = type->enumerators[i];
        copy.enumerators[i].name = must_strdup(type->enumerators[i].name);
    }
    return copy;
}

struct import {
    struct types *types;
    const struct types *from;
    size_t limit;
    struct map ids; /* id in `from`: id in `types` */
    uint32_t *todo;
    size_t n_todo, capacity;
};

static void import_push(struct import *import, uint32_t id)
{
    if (map_find(&import->ids, id))
        return;
    GROW(import->todo, import->n_todo, import->capacity);
    import->todo[import->n_todo++] = id;
}

static void import_one(struct import *import, uint32_t id)
{
    if (map_find(&import->ids, id))
        return;
    uint32_t there;
    const struct type *type = types_get(import->from, id);
    bool is_known = find_below(import->types, import->limit, import->from, id, &there);
    if (!is_known) {
        struct type copy = copy_of(type);
        there = types_add(import->types, &copy);
    }
    *map_at(&import->ids, id, NULL) = there;
    if (is_known)
        return;
    import_push(import, type->target);
    for (size_t i = 0; i < type->n_fields; i++)
        import_push(import, type->fields[i].type);
}

uint32_t types_import(struct types *types, const struct types *from, uint32_t id)
{
    if (types == from)
        return id;
    if (!types->index)
        types_init(types);
    struct import import = {.types = types, .from = from, .limit = types->n};
    import_push(&import, id);
    while (import.n_todo)
        import_one(&import, import.todo[--import.n_todo]);
    for (size_t i = import.limit; i < types->n; i++) {
        struct type *type = types->at[i];
        type->target = (uint32_t)*map_find(&import.ids, type->target);
        for (size_t k = 0; k < type->n_fields; k++)
            type->fields[k].type = (uint32_t)*map_find(&import.ids, type->fields[k].type);
    }
    uint32_t there = (uint32_t)*map_find(&import.ids, id);
    free(import.todo);
    map_clear(&import.ids);
    return there;
}
