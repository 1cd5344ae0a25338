/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/type/type.h"

#include <assert.h>
#include <string.h>

#include "pickler/type/index.h"

static char void_spelling[] = "void";
static const struct type void_type = {.kind = TYPE_VOID, .spelling = void_spelling};
static char no_spelling[] = "";
static struct type empty_type = {.kind = TYPE_VOID, .spelling = no_spelling};

void types_init(struct types *types)
{
    *types = (struct types){.index = must_alloc(sizeof(*types->index))};
    struct type entry = {.kind = TYPE_VOID, .spelling = must_strdup("void")};
    types_add(types, &entry);
}

static void type_free(struct type *type)
{
    if (!type || type == &empty_type)
        return;
    for (size_t i = 0; i < type->n_fields; i++)
        free(type->fields[i].name);
    for (size_t i = 0; i < type->n_enumerators; i++)
        free(type->enumerators[i].name);
    free(type->fields);
    free(type->enumerators);
    free(type->layout.offsets);
    free(type->spelling);
    free(type);
}

void types_clear(struct types *types)
{
    for (size_t i = 0; i < types->n; i++)
        type_free(types->at[i]);
    free(types->at);
    types_index_free(types->index);
    *types = (struct types){0};
}

void types_truncate(struct types *types, size_t n)
{
    if (n >= types->n)
        return;
    types_index_forget(types->index, n);
    while (types->n > n) {
        struct type *last = types->at[--types->n];
        types->n_empty -= last == &empty_type;
        type_free(last);
    }
}

const struct type *types_get(const struct types *types, uint32_t id)
{
    return id < types->n ? types->at[id] : &void_type;
}

struct type *types_edit(struct types *types, uint32_t id)
{
    assert(id > 0 && id < types->n && types->at[id] != &empty_type);
    types_index_forget(types->index, types->n);
    return types->at[id];
}

uint32_t types_add(struct types *types, struct type *type)
{
    if (!types->index)
        types_init(types);
    assert(types->n < UINT32_MAX);
    GROW(types->at, types->n, types->capacity);
    struct type *entry = must_alloc(sizeof(*entry));
    *entry = *type;
    if (!entry->spelling)
        entry->spelling = must_strdup("");
    types->at[types->n] = entry;
    *type = (struct type){0};
    return (uint32_t)types->n++;
}

void types_add_empty(struct types *types)
{
    GROW(types->at, types->n, types->capacity);
    types->at[types->n++] = &empty_type;
    types->n_empty++;
}

static void reach(bool *is_kept, uint32_t *todo, size_t *n, uint32_t id)
{
    if (is_kept[id])
        return;
    is_kept[id] = true;
    todo[(*n)++] = id;
}

void types_reach(const struct types *types, bool *is_kept)
{
    CLEANUP(freep) uint32_t *todo = must_alloc((types->n + 1) * sizeof(*todo));
    size_t n = 0;
    for (uint32_t i = 0; i < types->n; i++)
        if (is_kept[i])
            todo[n++] = i;
    while (n) {
        const struct type *type = types->at[todo[--n]];
        reach(is_kept, todo, &n, type->target);
        for (size_t i = 0; i < type->n_fields; i++)
            reach(is_kept, todo, &n, type->fields[i].type);
    }
}

void types_empty(struct types *types, const bool *is_kept)
{
    types_index_forget(types->index, 0);
    for (size_t i = 1; i < types->n; i++) {
        if (is_kept[i] || types->at[i] == &empty_type)
            continue;
        type_free(types->at[i]);
        types->at[i] = &empty_type;
        types->n_empty++;
    }
}

size_t types_count(const struct types *types)
{
    return types->n - types->n_empty;
}

const char *type_kind_name(enum type_kind kind)
{
    static const char *const names[] = {
        [TYPE_VOID] = "void",
        [TYPE_BOOL] = "_Bool",
        [TYPE_CHAR] = "char",
        [TYPE_SCHAR] = "signed char",
        [TYPE_UCHAR] = "unsigned char",
        [TYPE_SHORT] = "short",
        [TYPE_USHORT] = "unsigned short",
        [TYPE_INT] = "int",
        [TYPE_UINT] = "unsigned int",
        [TYPE_LONG] = "long",
        [TYPE_ULONG] = "unsigned long",
        [TYPE_LLONG] = "long long",
        [TYPE_ULLONG] = "unsigned long long",
        [TYPE_INT128] = "__int128",
        [TYPE_UINT128] = "unsigned __int128",
        [TYPE_FLOAT] = "float",
        [TYPE_DOUBLE] = "double",
        [TYPE_LDOUBLE] = "long double",
        [TYPE_COMPLEX] = "complex number",
        [TYPE_ENUM] = "enum",
        [TYPE_POINTER] = "pointer",
        [TYPE_ARRAY] = "array",
        [TYPE_STRUCT] = "struct",
        [TYPE_UNION] = "union",
        [TYPE_FUNCTION] = "function",
        [TYPE_OTHER] = "type of another kind",
    };
    return (unsigned)kind < TYPE_KIND_COUNT ? names[kind] : "?";
}

bool type_is_record(const struct type *type)
{
    return type->kind == TYPE_STRUCT || type->kind == TYPE_UNION;
}

bool type_is_integer(const struct type *type)
{
    return (type->kind >= TYPE_BOOL && type->kind <= TYPE_UINT128) ||
           type->kind == TYPE_ENUM;
}

bool type_is_arithmetic(const struct type *type)
{
    return (type->kind >= TYPE_BOOL && type->kind <= TYPE_LDOUBLE) ||
           type->kind == TYPE_ENUM;
}

bool type_is_scalar(const struct type *type)
{
    return type->kind >= TYPE_BOOL && type->kind <= TYPE_POINTER;
}

static uint64_t scalar_size(enum type_kind kind)
{
    static const uint8_t sizes[TYPE_KIND_COUNT] = {
        [TYPE_BOOL] = sizeof(_Bool),
        [TYPE_CHAR] = 1,
        [TYPE_SCHAR] = 1,
        [TYPE_UCHAR] = 1,
        [TYPE_SHORT] = sizeof(short),
        [TYPE_USHORT] = sizeof(short),
        [TYPE_INT] = sizeof(int),
        [TYPE_UINT] = sizeof(int),
        [TYPE_LONG] = sizeof(long),
        [TYPE_ULONG] = sizeof(long),
        [TYPE_LLONG] = sizeof(long long),
        [TYPE_ULLONG] = sizeof(long long),
        [TYPE_INT128] = 16,
        [TYPE_UINT128] = 16,
        [TYPE_FLOAT] = sizeof(float),
        [TYPE_DOUBLE] = sizeof(double),
        [TYPE_LDOUBLE] = sizeof(long double),
        [TYPE_POINTER] = sizeof(void *),
    };
    return sizes[kind];
}

uint64_t types_size(const struct types *types, uint32_t id)
{
    uint64_t count = 1;
    for (size_t depth = 0; depth <= types->n; depth++) {
        const struct type *type = types_get(types, id);
        uint64_t factor = 1, size = 0;
        bool is_last = false;
        if (type->kind == TYPE_ARRAY)
            factor = type->is_incomplete ? 0 : type->count;
        else if (type->kind == TYPE_COMPLEX)
            factor = 2;
        else if (type->kind != TYPE_ENUM) {
            size = type_is_record(type) ? type->layout.size : scalar_size(type->kind);
            factor = size;
            is_last = true;
        }
        if (__builtin_mul_overflow(count, factor, &count) || !count)
            return 0;
        if (is_last)
            return count;
        id = type->target;
    }
    return 0;
}

static bool find_flat(const struct types *types, uint32_t id)
{
    uint8_t *known = &types->index->flat[id];
    if (*known != FLAT_UNKNOWN)
        return *known == FLAT_YES;
    *known = FLAT_BUSY; /* a record that holds itself is not flat: there are none in C */
    const struct type *type = types_get(types, id);
    bool is_flat = type->kind != TYPE_POINTER && type->kind != TYPE_OTHER &&
                   type->kind != TYPE_FUNCTION;
    if (type->kind == TYPE_ARRAY)
        is_flat = type->target < types->n && find_flat(types, type->target);
    for (size_t i = 0; is_flat && type_is_record(type) && i < type->n_fields; i++)
        is_flat =
            type->fields[i].type < types->n && find_flat(types, type->fields[i].type);
    *known = is_flat ? FLAT_YES : FLAT_NO;
    return is_flat;
}

bool types_is_flat(const struct types *types, uint32_t id)
{
    struct types_index *index = types->index;
    if (!index || id >= types->n)
        return true;
    if (index->n_flat < types->n) {
        index->flat = must_realloc(index->flat, types->n, 1);
        memset(index->flat, FLAT_UNKNOWN, types->n);
        index->n_flat = types->n;
    }
    return find_flat(types, id);
}
