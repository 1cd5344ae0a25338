/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Types for unit tests, built in a line each: what the analyser would make of a C type.
 */
#ifndef ACHAR_TESTS_TYPES_H
#define ACHAR_TESTS_TYPES_H

#include "pickler/base/memory.h"
#include "pickler/type/type.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct test_field {
    const char *name;
    uint32_t type;
    int bits; /* 0: an ordinary member */
    uint32_t overlay;
};

static inline uint32_t test_scalar(struct types *types, enum type_kind kind)
{
    struct type type = {.kind = kind, .spelling = must_strdup(type_kind_name(kind))};
    uint32_t id = 0;
    if (types_find_next(types, kind, type.spelling, &id)) {
        free(type.spelling);
        return id;
    }
    return types_add(types, &type);
}

static inline uint32_t test_pointer(struct types *types, uint32_t target)
{
    const char *name = types_get(types, target)->spelling;
    struct type type = {.kind = TYPE_POINTER, .target = target};
    type.spelling = must_format("%s *", name);
    return types_add(types, &type);
}

static inline uint32_t test_array(struct types *types, uint32_t target, uint64_t count)
{
    struct type type = {.kind = TYPE_ARRAY, .target = target, .count = count};
    type.is_incomplete = count == 0;
    type.spelling = count ? must_format("%s[%llu]", types_get(types, target)->spelling,
                                        (unsigned long long)count)
                          : must_format("%s[]", types_get(types, target)->spelling);
    return types_add(types, &type);
}

/* An incomplete tag; test_fields() completes it. */
static inline uint32_t test_tag(struct types *types, enum type_kind kind,
                                const char *spelling)
{
    struct type type = {.kind = kind, .spelling = must_strdup(spelling)};
    type.is_incomplete = true;
    return types_add(types, &type);
}

static inline void test_fields(struct types *types, uint32_t id,
                               const struct test_field *fields, size_t n)
{
    struct type *type = types_edit(types, id);
    type->is_incomplete = false;
    type->n_fields = n;
    type->fields = must_alloc(n * sizeof(*type->fields));
    for (size_t i = 0; i < n; i++) {
        type->fields[i].name = must_strdup(fields[i].name);
        type->fields[i].type = fields[i].type;
        type->fields[i].bits = fields[i].bits ? fields[i].bits : -1;
        type->fields[i].overlay = fields[i].overlay;
    }
}

#define TEST_FIELDS(types, id, ...)                                                      \
    test_fields((types), (id), (const struct test_field[]){__VA_ARGS__},                 \
                sizeof((const struct test_field[]){__VA_ARGS__}) /                       \
                    sizeof(struct test_field))

#define TEST_RECORD(types, kind, spelling, ...)                                          \
    ({                                                                                   \
        uint32_t record_ = test_tag((types), (kind), (spelling));                        \
        TEST_FIELDS((types), record_, __VA_ARGS__);                                      \
        record_;                                                                         \
    })

#endif
