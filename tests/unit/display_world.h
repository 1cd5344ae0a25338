/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Types made by hand and a small world, for the tests of what values look like. */
#ifndef ACHAR_TESTS_DISPLAY_WORLD_H
#define ACHAR_TESTS_DISPLAY_WORLD_H

#include "kernel/display/value.h"
#include "tests/unit/check.h"

static struct types types;

/* --- types by hand --- */

static inline uint32_t make(enum type_kind kind, const char *spelling, uint32_t target)
{
    struct type type = {
        .kind = kind, .spelling = must_strdup(spelling), .target = target};
    return types_add(&types, &type);
}

static inline uint32_t pointer_to(uint32_t target, const char *spelling)
{
    return make(TYPE_POINTER, spelling, target);
}

static inline uint32_t array_of(uint32_t element, uint64_t count)
{
    struct type type = {.kind = TYPE_ARRAY,
                        .spelling = must_strdup("T[]"),
                        .target = element,
                        .count = count,
                        .is_incomplete = !count};
    return types_add(&types, &type);
}

static inline void add_field(uint32_t record, const char *name, uint32_t type,
                             uint64_t offset, int32_t bits)
{
    struct type *t = types_edit(&types, record);
    size_t n = t->n_fields + 1;
    t->fields = must_realloc(t->fields, n, sizeof(*t->fields));
    t->layout.offsets = must_realloc(t->layout.offsets, n, sizeof(uint64_t));
    t->fields[n - 1] =
        (struct type_field){.name = must_strdup(name), .type = type, .bits = bits};
    t->layout.offsets[n - 1] = offset;
    t->n_fields = n;
}

static inline void set_size(uint32_t record, uint64_t size)
{
    struct type *t = types_edit(&types, record);
    t->layout.is_known = true;
    t->layout.size = size;
    t->layout.alignment = 8;
}

/* --- a world: one block, one variable, one function --- */

#define TABLE_SIZE (4 * sizeof(int)) /* what stands behind it is nobody's */
static int counter = 5, table[5] = {1, 2, 3, 4};
static uint32_t int_type, table_type;
static struct value_block the_block;

static int square(int n)
{
    return n * n;
}

static bool find_block(void *context, const void *address, struct value_block *ret)
{
    const char *at = address;
    if (!the_block.start || at < the_block.start || at > the_block.start + the_block.size)
        return false;
    *ret = the_block;
    return true;
}

static bool find_variable(void *context, const void *address, struct value_variable *ret)
{
    const char *at = address;
    if (at == (char *)&counter) {
        *ret = (struct value_variable){
            "counter", (char *)&counter, sizeof(int), int_type, false, false};
        return true;
    }
    if (at >= (char *)table && at <= (char *)table + TABLE_SIZE) {
        *ret = (struct value_variable){"table",    (char *)table, TABLE_SIZE,
                                       table_type, false,         false};
        return true;
    }
    return false;
}

static const char *find_function(void *context, const void *address, bool *ret_is_library)
{
    *ret_is_library = false;
    return address == (const void *)square ? "square" : NULL;
}

static const struct value_world world = {.find_block = find_block,
                                         .find_variable = find_variable,
                                         .find_function = find_function};

static void check_display(uint32_t type, const void *address, const char *expected,
                          int line)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    int r = display_value(&world, &types, type, address, NULL, &out);
    if (r != 0 || strcmp(buffer_string(&out), expected) != 0) {
        fprintf(stderr, "line %d: ", line);
        CHECK_STRING(buffer_string(&out), expected);
    }
}

#define SHOWS(type, object, text) check_display(type, &(object), text, __LINE__)

#endif
