/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layout functions: emitted, compiled by libtcc, called, and compared with what this
 * program's own compiler says about the same structs. */
#include "pickler/type/layout.h"

#include <libtcc.h>
#include <stddef.h>

#include "tests/unit/check.h"
#include "tests/unit/types.h"

#define SOURCE                                                                           \
    struct inner {                                                                       \
        char c;                                                                          \
        long double wide;                                                                \
    };                                                                                   \
    struct sample {                                                                      \
        unsigned small : 3;                                                              \
        int negative : 9;                                                                \
        struct inner inner[2];                                                           \
        union {                                                                          \
            float f;                                                                     \
            struct {                                                                     \
                short a, b;                                                              \
            };                                                                           \
        };                                                                               \
        struct sample *next;                                                             \
        int tail[];                                                                      \
    };
#define TEXT(...) TEXT_(__VA_ARGS__)
#define TEXT_(...) #__VA_ARGS__

SOURCE

static void *symbol(void *context, const char *name)
{
    return tcc_get_symbol(context, name);
}

static uint32_t build(struct types *types)
{
    uint32_t inner = TEST_RECORD(types, TYPE_STRUCT, "struct inner",
                                 {"c", test_scalar(types, TYPE_CHAR)},
                                 {"wide", test_scalar(types, TYPE_LDOUBLE)});
    uint32_t sample = test_tag(types, TYPE_STRUCT, "struct sample");
    uint32_t s = test_scalar(types, TYPE_SHORT), i = test_scalar(types, TYPE_INT);
    TEST_FIELDS(types, sample, {"small", test_scalar(types, TYPE_UINT), 3},
                {"negative", i, 9}, {"inner", test_array(types, inner, 2)},
                {"f", test_scalar(types, TYPE_FLOAT), 0, 1}, {"a", s, 0, 1},
                {"b", s, 0, 1}, {"next", test_pointer(types, sample)},
                {"tail", test_array(types, i, 0)});
    return sample;
}

static void check_sample(const struct types *types, uint32_t id)
{
    const struct type_layout *layout = &types_get(types, id)->layout;
    if (!CHECK(layout->is_known && layout->get_bits && layout->set_bits))
        return;
    CHECK_INT(layout->size, sizeof(struct sample));
    CHECK_INT(layout->alignment, _Alignof(struct sample));
    CHECK_INT(layout->offsets[2], offsetof(struct sample, inner));
    CHECK_INT(layout->offsets[3], offsetof(struct sample, f));
    CHECK_INT(layout->offsets[5], offsetof(struct sample, b));
    CHECK_INT(layout->offsets[7], offsetof(struct sample, tail));
    struct sample sample = {.small = 5, .negative = -200};
    CHECK_INT(layout->get_bits(&sample, 0), 5);
    CHECK_INT(layout->get_bits(&sample, 1), -200);
    layout->set_bits(&sample, 1, 77);
    CHECK_INT(sample.negative, 77);
    CHECK_INT(sample.small, 5);
}

static void test_read(struct types *types, uint32_t sample, const uint32_t *list,
                      size_t n)
{
    struct buffer text = {0};
    buffer_add_string(&text, TEXT(SOURCE) "\n");
    for (size_t i = 0; i < n; i++)
        layout_emit(types, list[i], 100 + list[i], &text);
    TCCState *tcc = tcc_new();
    tcc_set_options(tcc, "-nostdlib");
    tcc_set_output_type(tcc, TCC_OUTPUT_MEMORY);
    if (CHECK(tcc_compile_string(tcc, buffer_string(&text)) == 0) &&
        CHECK(tcc_relocate(tcc, TCC_RELOCATE_AUTO) == 0)) {
        struct error err = {0};
        for (size_t i = 0; i < n; i++)
            CHECK_OK(layout_read(types, list[i], 100 + list[i], symbol, tcc, &err), err);
        check_sample(types, sample);
        CHECK(layout_read(types, sample, 1, symbol, tcc, &err) < 0);
        CHECK_STRING(err.text, "the layout of 'struct sample' is missing");
    }
    tcc_delete(tcc);
    buffer_clear(&text);
}

static void fill_wrong(unsigned long long *table)
{
    for (int i = 0; i < 4; i++)
        table[i] = 8; /* the second member would end at 16 of 8 */
}

static void *wrong_symbol(void *context, const char *name)
{
    return (void *)fill_wrong;
}

static void test_refusals(void)
{
    struct types types;
    types_init(&types);
    struct buffer text = {0};
    uint32_t l = test_scalar(&types, TYPE_LONG);
    uint32_t tag = test_tag(&types, TYPE_STRUCT, "struct opaque");
    uint32_t evil = TEST_RECORD(&types, TYPE_STRUCT, "int); } void f(void) {", {"x", l});
    layout_emit(&types, tag, 1, &text);
    layout_emit(&types, evil, 2, &text);
    CHECK_STRING(buffer_string(&text), "");
    uint32_t wrong = TEST_RECORD(&types, TYPE_STRUCT, "struct w", {"x", l}, {"y", l});
    struct error err = {0};
    CHECK(layout_read(&types, wrong, 1, wrong_symbol, NULL, &err) < 0);
    CHECK_STRING(err.text,
                 "the layout of 'struct w' cannot be right: field 'x' ends behind it");
    CHECK(!types_get(&types, wrong)->layout.is_known);
    types_clear(&types);
}

int main(void)
{
    struct types types;
    types_init(&types);
    uint32_t sample = build(&types), *list = NULL;
    size_t n = 0, capacity = 0;
    uint32_t pointer = test_pointer(&types, sample);
    layout_needed(&types, pointer, &list, &n, &capacity);
    layout_needed(&types, sample, &list, &n, &capacity);
    if (CHECK_INT(n, 2)) {
        CHECK_STRING(types_get(&types, list[0])->spelling, "struct inner");
        CHECK_INT(list[1], sample);
        test_read(&types, sample, list, n);
    }
    free(list);
    types_clear(&types);
    test_refusals();
    return check_status();
}
