/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/type/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RECORD_SIZE_MAX (UINT64_C(1) << 40)
#define ALIGNMENT_MAX (UINT64_C(1) << 20)

/* A type name that may be put between parentheses: no second declaration or statement. */
static bool is_plain(const char *spelling)
{
    int depth = 0;
    for (const char *c = spelling; *c; c++) {
        if (strchr(";{}\"'\\#", *c))
            return false;
        if (*c == '(' || *c == '[')
            depth++;
        if ((*c == ')' || *c == ']') && --depth < 0)
            return false;
    }
    return *spelling && depth == 0 && !strstr(spelling, "(unnamed") &&
           !strstr(spelling, "(anonymous") && !strstr(spelling, "__va_list_tag");
}

/* Streams are passed by name or not at all, so nobody needs to look inside. */
static bool is_stream(const char *spelling)
{
    size_t skip = strncmp(spelling, "const ", 6) == 0 ? 6 : 0;
    return strcmp(spelling + skip, "FILE") == 0 ||
           strcmp(spelling + skip, "struct _IO_FILE") == 0;
}

static bool has_layout(const struct type *type)
{
    return type_is_record(type) && !type->is_incomplete && type->n_fields &&
           is_plain(type->spelling) && !is_stream(type->spelling);
}

static bool is_reached(const struct type_field *field)
{
    return *field->name && field->bits < 0;
}

static bool is_accessed(const struct type_field *field)
{
    return *field->name && field->bits >= 0;
}

/* The spelling without a leading const, so that members can be assigned; NULL when the
 * const is inside a typedef. */
static const char *without_const(const struct type *type)
{
    if (!type->is_const)
        return type->spelling;
    return strncmp(type->spelling, "const ", 6) == 0 ? type->spelling + 6 : NULL;
}

static void emit_getter(const struct type *type, uint32_t symbol_id, struct buffer *out)
{
    buffer_format(out,
                  "long long achar_get_%u(const void *object, unsigned field)\n"
                  "{\n    typedef __typeof__(%s) achar_T;\n    switch (field) {\n",
                  symbol_id, type->spelling);
    for (size_t i = 0; i < type->n_fields; i++)
        if (is_accessed(&type->fields[i]))
            buffer_format(out,
                          "    case %zu: return (long long)((achar_T *)object)->%s;\n", i,
                          type->fields[i].name);
    buffer_add_string(out, "    }\n    return 0;\n}\n");
}

static void emit_setter(const struct types *types, const struct type *type,
                        uint32_t symbol_id, struct buffer *out)
{
    const char *spelling = without_const(type);
    if (!spelling)
        return;
    buffer_format(out,
                  "void achar_set_%u(void *object, unsigned field, long long value)\n"
                  "{\n    typedef __typeof__(%s) achar_T;\n    switch (field) {\n",
                  symbol_id, spelling);
    for (size_t i = 0; i < type->n_fields; i++)
        if (is_accessed(&type->fields[i]) &&
            !types_get(types, type->fields[i].type)->is_const)
            buffer_format(out, "    case %zu: ((achar_T *)object)->%s = value; return;\n",
                          i, type->fields[i].name);
    buffer_add_string(out, "    }\n}\n");
}

/* A flexible array has none. */
static bool has_size(const struct types *types, const struct type_field *field)
{
    return is_reached(field) && types_size(types, field->type) > 0;
}

static void emit(const struct types *types, uint32_t id, uint32_t symbol_id,
                 bool with_sizes, struct buffer *out)
{
    const struct type *type = types_get(types, id);
    if (!has_layout(type))
        return;
    bool has_bits = false;
    buffer_format(
        out,
        "void achar_layout_%u(unsigned long long *table)\n"
        "{\n    typedef __typeof__(%s) achar_T;\n"
        "    table[0] = sizeof(achar_T);\n    table[1] = __alignof__(achar_T);\n",
        symbol_id, type->spelling);
    for (size_t i = 0; i < type->n_fields; i++) {
        has_bits |= is_accessed(&type->fields[i]);
        if (is_reached(&type->fields[i]))
            buffer_format(out,
                          "    table[%zu] = (unsigned long long)(unsigned long)"
                          "&((achar_T *)0)->%s;\n",
                          i + 2, type->fields[i].name);
        if (with_sizes && has_size(types, &type->fields[i]))
            buffer_format(out, "    table[%zu] = sizeof(((achar_T *)0)->%s);\n",
                          i + 2 + type->n_fields, type->fields[i].name);
    }
    buffer_add_string(out, "}\n");
    if (has_bits) {
        emit_getter(type, symbol_id, out);
        emit_setter(types, type, symbol_id, out);
    }
}

void layout_emit(const struct types *types, uint32_t id, uint32_t symbol_id,
                 struct buffer *out)
{
    emit(types, id, symbol_id, false, out);
}

void layout_emit_with_sizes(const struct types *types, uint32_t id, uint32_t symbol_id,
                            struct buffer *out)
{
    emit(types, id, symbol_id, true, out);
}

/* Depth-first walk with the types on the way kept on a stack. */
struct walk {
    struct walk_level {
        uint32_t id, next;
    } *stack;
    size_t n_stack, capacity;
    bool *is_seen; /* by id */
};

static void enter(struct walk *walk, const struct types *types, uint32_t id)
{
    if (id >= types->n || walk->is_seen[id])
        return;
    walk->is_seen[id] = true;
    GROW(walk->stack, walk->n_stack, walk->capacity);
    walk->stack[walk->n_stack++] = (struct walk_level){.id = id};
}

/* The i-th type that a value of this type holds or points to. */
static bool child_of(const struct types *types, uint32_t id, uint32_t i, uint32_t *ret)
{
    const struct type *type = types_get(types, id);
    bool is_one = type->kind == TYPE_POINTER || type->kind == TYPE_ARRAY;
    if (i >= (is_one ? 1 : has_layout(type) ? type->n_fields : 0))
        return false;
    *ret = is_one ? type->target : type->fields[i].type;
    return true;
}

/* What lies inside a record by value comes before it. */
static void walk_values(struct walk *walk, const struct types *types, uint32_t id,
                        uint32_t **list, size_t *n, size_t *capacity)
{
    enter(walk, types, id);
    while (walk->n_stack) {
        struct walk_level *top = &walk->stack[walk->n_stack - 1];
        const struct type *type = types_get(types, top->id);
        uint32_t child;
        if (type->kind != TYPE_POINTER && child_of(types, top->id, top->next, &child)) {
            top->next++;
            enter(walk, types, child);
            continue;
        }
        if (has_layout(type)) {
            GROW(*list, *n, *capacity);
            (*list)[(*n)++] = top->id;
        }
        walk->n_stack--;
    }
}

void layout_needed(const struct types *types, uint32_t id, uint32_t **list, size_t *n,
                   size_t *capacity)
{
    struct walk walk = {.is_seen = must_alloc(types->n)};
    bool *is_queued = must_alloc(types->n);
    for (size_t i = 0; i < *n; i++)
        walk.is_seen[(*list)[i]] = is_queued[(*list)[i]] = true;
    uint32_t *todo = NULL;
    size_t n_todo = 0, todo_capacity = 0;
    GROW(todo, n_todo, todo_capacity);
    todo[n_todo++] = id;
    for (size_t i = 0; i < n_todo; i++) {
        walk_values(&walk, types, todo[i], list, n, capacity);
        uint32_t child;
        for (uint32_t k = 0; child_of(types, todo[i], k, &child); k++)
            if (child < types->n && !is_queued[child]) {
                is_queued[child] = true;
                GROW(todo, n_todo, todo_capacity);
                todo[n_todo++] = child;
            }
    }
    free(todo);
    free(is_queued);
    free(walk.stack);
    free(walk.is_seen);
}

static void *find_symbol(void *(*symbol)(void *context, const char *name), void *context,
                         const char *what, uint32_t symbol_id)
{
    char *name = must_format("achar_%s_%u", what, symbol_id);
    void *address = symbol(context, name);
    free(name);
    return address;
}

static int check_table(const struct types *types, const struct type *type,
                       const unsigned long long *table, struct error *err)
{
    uint64_t size = table[0], alignment = table[1];
    bool is_good = size <= RECORD_SIZE_MAX && alignment && alignment <= ALIGNMENT_MAX &&
                   (alignment & (alignment - 1)) == 0;
    for (size_t i = 0; is_good && i < type->n_fields; i++) {
        if (!is_reached(&type->fields[i]))
            continue;
        uint64_t offset = table[i + 2];
        uint64_t field_size = types_size(types, type->fields[i].type);
        uint64_t told = table[i + 2 + type->n_fields];
        if (told && told != field_size)
            return error_set(
                err, -EINVAL,
                "'%s' is another type on this machine: field '%s' has %" PRIu64
                " bytes here, and %" PRIu64 " where it comes from",
                type->spelling, type->fields[i].name, told, field_size);
        is_good = offset <= size && field_size <= size - offset;
        if (!is_good)
            return error_set(
                err, -EINVAL,
                "the layout of '%s' cannot be right: field '%s' ends behind it",
                type->spelling, type->fields[i].name);
    }
    if (!is_good)
        return error_set(err, -EINVAL, "the layout of '%s' cannot be right",
                         type->spelling);
    return 0;
}

static bool needs_accessors(const struct type *type)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (is_accessed(&type->fields[i]))
            return true;
    return false;
}

int layout_read(struct types *types, uint32_t id, uint32_t symbol_id,
                void *(*symbol)(void *context, const char *name), void *context,
                struct error *err)
{
    const struct type *type = types_get(types, id);
    if (!has_layout(type))
        return 0;
    void (*fill)(unsigned long long *) =
        (void (*)(unsigned long long *))find_symbol(symbol, context, "layout", symbol_id);
    if (!fill)
        return error_set(err, -ENOENT, "the layout of '%s' is missing", type->spelling);
    struct type_layout layout = {.is_known = true};
    if (needs_accessors(type)) {
        layout.get_bits = (int64_t (*)(const void *, unsigned))find_symbol(
            symbol, context, "get", symbol_id);
        layout.set_bits = (void (*)(void *, unsigned, int64_t))find_symbol(
            symbol, context, "set", symbol_id);
        if (!layout.get_bits || (!layout.set_bits && without_const(type)))
            return error_set(err, -ENOENT, "the bit-fields of '%s' cannot be reached",
                             type->spelling);
    }
    CLEANUP(freep)
    unsigned long long *table = must_alloc((2 * type->n_fields + 2) * sizeof(*table));
    fill(table);
    int result = check_table(types, type, table, err);
    if (result < 0)
        return result;
    layout.size = table[0];
    layout.alignment = table[1];
    layout.offsets = must_alloc(type->n_fields * sizeof(*layout.offsets));
    for (size_t i = 0; i < type->n_fields; i++)
        layout.offsets[i] = is_reached(&type->fields[i]) ? table[i + 2] : 0;
    struct type *entry = types_edit(types, id);
    free(entry->layout.offsets);
    entry->layout = layout;
    return 0;
}
