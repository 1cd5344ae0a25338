/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables of types as bytes. What is read may come from anywhere: every id, count, name
 * and nesting is checked before the table is touched by anything else. */
#include <errno.h>
#include <string.h>

#include "pickler/type/index.h"

#define SPELLING_MAX 65536
#define COUNT_MAX (UINT64_C(1) << 48)

enum { IS_CONST = 1, IS_INCOMPLETE = 2, IS_VARIADIC = 4, ALL_FLAGS = 7 };

static void pack_type(struct buffer *out, const struct type *type)
{
    pack_u64(out, type->kind);
    pack_string(out, type->spelling);
    pack_u64(out, (type->is_const ? IS_CONST : 0) |
                      (type->is_incomplete ? IS_INCOMPLETE : 0) |
                      (type->is_variadic ? IS_VARIADIC : 0));
    pack_u64(out, type->target);
    pack_u64(out, type->count);
    pack_u64(out, type->definition);
    pack_u64(out, type->n_fields);
    for (size_t i = 0; i < type->n_fields; i++) {
        pack_string(out, type->fields[i].name ? type->fields[i].name : "");
        pack_u64(out, type->fields[i].type);
        pack_u64(out, (uint64_t)(type->fields[i].bits + 1));
        pack_u64(out, type->fields[i].overlay);
    }
    pack_u64(out, type->n_enumerators);
    for (size_t i = 0; i < type->n_enumerators; i++) {
        pack_string(out, type->enumerators[i].name);
        pack_i64(out, type->enumerators[i].value);
    }
}

void types_pack(const struct types *types, size_t from, struct buffer *out)
{
    if (from == 0)
        from = 1; /* void is in every table */
    size_t n = types->n > from ? types->n - from : 0;
    pack_u64(out, from);
    pack_u64(out, n);
    for (size_t i = from; i < from + n; i++)
        pack_type(out, types->at[i]);
}

void types_pack_kept(const struct types *types, const bool *is_kept, struct buffer *out)
{
    size_t n = 0, last = 0;
    for (size_t i = 1; i < types->n; i++)
        n += is_kept[i];
    pack_u64(out, types->n);
    pack_u64(out, n);
    for (size_t i = 1; i < types->n; i++) {
        if (!is_kept[i])
            continue;
        pack_u64(out, i - last);
        last = i;
    }
}

bool types_unpack_kept(struct unpack *in, const struct types *types, bool *ret_is_kept)
{
    uint64_t end = unpack_max(in, types->n), id = 0;
    size_t n = unpack_count(in);
    for (size_t i = 0; i < n && !in->failed; i++) {
        id += unpack_max(in, end);
        if (id < end)
            ret_is_kept[id] = true;
        else
            in->failed = true;
    }
    for (uint64_t i = end; i < types->n; i++)
        ret_is_kept[i] = true;
    return !in->failed;
}

static bool is_spelling(const char *text)
{
    if (!text || strlen(text) > SPELLING_MAX)
        return false;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return true;
}

/* Names end up in generated C text. */
static bool is_name(const char *text)
{
    if (!text || strlen(text) > SPELLING_MAX || (*text >= '0' && *text <= '9'))
        return false;
    for (const char *c = text; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9') || *c == '_' || *c == '$' || (*c & 0x80)))
            return false;
    return true;
}

/* A count of things that take at least `size` bytes each. */
static size_t unpack_things(struct unpack *in, size_t size)
{
    return (size_t)unpack_max(in, (uint64_t)(in->end - in->at) / size);
}

static void unpack_fields(struct unpack *in, struct type *type, size_t end)
{
    type->n_fields = unpack_things(in, 4);
    type->fields = must_alloc(type->n_fields * sizeof(*type->fields));
    for (size_t i = 0; i < type->n_fields && !in->failed; i++) {
        struct type_field *field = &type->fields[i];
        field->name = unpack_string(in);
        field->type = (uint32_t)unpack_max(in, end - 1);
        field->bits = (int32_t)unpack_max(in, TYPE_BITS_MAX + 1) - 1;
        field->overlay = (uint32_t)unpack_max(in, UINT32_MAX);
        if (!is_name(field->name))
            in->failed = true;
    }
}

static void unpack_enumerators(struct unpack *in, struct type *type)
{
    type->n_enumerators = unpack_things(in, 2);
    type->enumerators = must_alloc(type->n_enumerators * sizeof(*type->enumerators));
    for (size_t i = 0; i < type->n_enumerators && !in->failed; i++) {
        type->enumerators[i].name = unpack_string(in);
        type->enumerators[i].value = unpack_i64(in);
        if (!is_name(type->enumerators[i].name) || !*type->enumerators[i].name)
            in->failed = true;
    }
}

/* `end` is the first id that the table will not have. */
static void unpack_type(struct unpack *in, struct types *types, size_t end)
{
    struct type type = {.kind = (enum type_kind)unpack_max(in, TYPE_KIND_COUNT - 1)};
    type.spelling = unpack_string(in);
    if (!is_spelling(type.spelling))
        in->failed = true;
    uint64_t flags = unpack_max(in, ALL_FLAGS);
    type.is_const = flags & IS_CONST;
    type.is_incomplete = flags & IS_INCOMPLETE;
    type.is_variadic = flags & IS_VARIADIC;
    type.target = (uint32_t)unpack_max(in, end - 1);
    type.count = unpack_max(in, COUNT_MAX);
    type.definition = (uint32_t)unpack_max(in, UINT32_MAX);
    unpack_fields(in, &type, end);
    unpack_enumerators(in, &type);
    bool is_empty = type.kind == TYPE_VOID && type.spelling && !*type.spelling;
    if (is_empty && !type.n_fields && !type.n_enumerators) {
        free(type.spelling);
        free(type.fields);
        free(type.enumerators);
        types_add_empty(types);
    } else {
        types_add(types, &type);
    }
}

static bool has_fields(enum type_kind kind)
{
    return kind == TYPE_STRUCT || kind == TYPE_UNION || kind == TYPE_FUNCTION;
}

static bool is_shaped(const struct types *types, const struct type *type)
{
    const struct type *target = types_get(types, type->target);
    if (type->n_fields && !has_fields(type->kind))
        return false;
    if (type->n_enumerators && type->kind != TYPE_ENUM)
        return false;
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].bits >= 0 &&
            !type_is_integer(types_get(types, type->fields[i].type)))
            return false;
    if (type->kind == TYPE_COMPLEX)
        return target->kind >= TYPE_FLOAT && target->kind <= TYPE_LDOUBLE;
    if (type->kind == TYPE_ENUM)
        return target->kind >= TYPE_BOOL && target->kind <= TYPE_UINT128;
    return true;
}

/* A type whose parts are being looked at. */
struct level {
    uint32_t id, next_part, depth; /* depth: of the deepest part so far */
};

/* Depth of what lies inside an object of each new type; 0 while it is not known. */
struct nesting {
    const struct types *types;
    size_t from;
    uint32_t *depths; /* UINT32_MAX: it is on the stack */
    struct level *stack;
    size_t n_stack, capacity;
};

static uint32_t n_parts(const struct type *type)
{
    if (type->kind == TYPE_ARRAY)
        return 1;
    return type_is_record(type) ? (uint32_t)type->n_fields : 0;
}

static uint32_t part_of(const struct type *type, uint32_t i)
{
    return type->kind == TYPE_ARRAY ? type->target : type->fields[i].type;
}

static void enter(struct nesting *nesting, uint32_t id)
{
    GROW(nesting->stack, nesting->n_stack, nesting->capacity);
    nesting->stack[nesting->n_stack++] = (struct level){.id = id};
    nesting->depths[id - nesting->from] = UINT32_MAX;
}

/* Looks at the next part of the type on top of the stack; false when it holds itself. */
static bool step(struct nesting *nesting)
{
    struct level *top = &nesting->stack[nesting->n_stack - 1];
    const struct type *type = types_get(nesting->types, top->id);
    if (top->next_part == n_parts(type)) {
        nesting->depths[top->id - nesting->from] = top->depth + 1;
        nesting->n_stack--;
        return top->depth < TYPES_DEPTH_MAX;
    }
    uint32_t part = part_of(type, top->next_part);
    uint32_t known = part < nesting->from ? 1 : nesting->depths[part - nesting->from];
    if (known == UINT32_MAX)
        return false;
    if (known == 0) {
        enter(nesting, part);
        return true;
    }
    top->depth = known > top->depth ? known : top->depth;
    top->next_part++;
    return true;
}

static bool find_depth(struct nesting *nesting, uint32_t id)
{
    enter(nesting, id);
    while (nesting->n_stack)
        if (!step(nesting))
            return false;
    return true;
}

static bool is_nested_well(const struct types *types, size_t from)
{
    struct nesting nesting = {.types = types, .from = from};
    nesting.depths = must_alloc((types->n - from) * sizeof(*nesting.depths));
    bool is_well = true;
    for (size_t i = from; is_well && i < types->n; i++)
        if (nesting.depths[i - from] == 0)
            is_well = find_depth(&nesting, (uint32_t)i);
    free(nesting.depths);
    free(nesting.stack);
    return is_well;
}

int types_unpack(struct types *types, struct unpack *in, struct error *err)
{
    if (!types->index)
        types_init(types);
    uint64_t from = unpack_u64(in);
    size_t n = unpack_count(in);
    if (in->failed || n > TYPES_MAX || from > TYPES_MAX - n)
        return error_set(err, -EBADMSG, "the table of types is damaged");
    if (from != types->n)
        return error_set(err, -EBADMSG,
                         "the table of types continues at %llu, but %zu types are known",
                         (unsigned long long)from, types->n);
    struct types added;
    types_init(&added);
    for (size_t i = 0; i < n && !in->failed; i++)
        unpack_type(in, &added, from + n);
    bool is_good = !in->failed;
    for (size_t i = 1; is_good && i < added.n; i++) {
        GROW(types->at, types->n, types->capacity);
        types->at[types->n++] = TAKE(added.at[i]);
    }
    if (is_good)
        types->n_empty += added.n_empty;
    types_clear(&added);
    for (size_t i = from; is_good && i < types->n; i++)
        is_good = is_shaped(types, types->at[i]);
    if (is_good && is_nested_well(types, from))
        return 0;
    in->failed = true;
    types_truncate(types, from);
    return error_set(err, -EBADMSG, "the table of types is damaged");
}
