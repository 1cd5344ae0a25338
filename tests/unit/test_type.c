/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables of types: equality of recursive types and what differs, import, packing, and
 * damaged bytes. */
#include "pickler/type/type.h"

#include <stdlib.h>

#include "tests/unit/check.h"
#include "tests/unit/types.h"

/* struct node { VALUE value; struct node *next; struct pair *other; } and back. */
static uint32_t add_node(struct types *types, enum type_kind value)
{
    uint32_t node = test_tag(types, TYPE_STRUCT, "struct node");
    uint32_t pair = test_tag(types, TYPE_STRUCT, "struct pair");
    uint32_t node_p = test_pointer(types, node), pair_p = test_pointer(types, pair);
    TEST_FIELDS(types, node, {"value", test_scalar(types, TYPE_INT)}, {"next", node_p},
                {"other", pair_p});
    TEST_FIELDS(types, pair, {"left", node_p}, {"weight", test_scalar(types, value)});
    return node;
}

static void test_equal(void)
{
    struct types a, b, c;
    types_init(&a);
    types_init(&b);
    types_init(&c);
    test_scalar(&b, TYPE_DOUBLE); /* other ids */
    uint32_t in_a = add_node(&a, TYPE_LONG), in_b = add_node(&b, TYPE_LONG);
    uint32_t in_c = add_node(&c, TYPE_INT);
    char *why = NULL;
    CHECK(in_a != in_b);
    CHECK(types_equal(&a, in_a, &b, in_b, &why));
    CHECK(why == NULL);
    CHECK(!types_equal(&a, in_a, &c, in_c, &why));
    CHECK_STRING(why, "field 'weight' of 'struct pair' is 'long' here and 'int' there");
    free(why);
    CHECK(!types_match(&a, in_a, &c, in_c, "in the data", NULL));
    types_clear(&a);
    types_clear(&b);
    types_clear(&c);
}

static char *difference(const struct types *types, uint32_t a, uint32_t b)
{
    char *why = NULL;
    CHECK(!types_equal(types, a, types, b, &why));
    return why;
}

#define CHECK_DIFFERENCE(types, a, b, text)                                              \
    do {                                                                                 \
        char *why_ = difference(types, a, b);                                            \
        CHECK_STRING(why_, text);                                                        \
        free(why_);                                                                      \
    } while (0)

static void test_differences(void)
{
    struct types t;
    types_init(&t);
    uint32_t i = test_scalar(&t, TYPE_INT);
    uint32_t s1 = TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"x", i}, {"y", i});
    uint32_t s2 = TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"x", i});
    uint32_t s3 = TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"y", i}, {"x", i});
    uint32_t s4 = TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"x", i, 3}, {"y", i});
    uint32_t s5 = test_tag(&t, TYPE_STRUCT, "struct s");
    CHECK_DIFFERENCE(&t, s1, s2, "field 'y' of 'struct s' is missing there");
    CHECK_DIFFERENCE(&t, s2, s1, "'struct s' has no field 'y' here, as it has there");
    CHECK_DIFFERENCE(&t, s1, s3, "the fields of 'struct s' have another order there");
    CHECK_DIFFERENCE(&t, s1, s4,
                     "field 'x' of 'struct s' is no bit-field here, as it is there");
    CHECK_DIFFERENCE(&t, s1, s5, "'struct s' is complete here but not there");
    CHECK_DIFFERENCE(&t, i, s1, "the type is 'int' here and 'struct s' there");
    types_clear(&t);
}

static void test_import(void)
{
    struct types from, to;
    types_init(&from);
    types_init(&to);
    uint32_t node = add_node(&from, TYPE_LONG);
    size_t n = to.n;
    uint32_t first = types_import(&to, &from, node);
    CHECK(types_equal(&from, node, &to, first, NULL));
    CHECK_INT(to.n - n, 6);
    CHECK_INT(types_import(&to, &from, node), first);
    CHECK_INT(to.n - n, 6);
    uint32_t pointer = test_pointer(&from, node);
    uint32_t second = types_import(&to, &from, pointer);
    CHECK_INT(types_get(&to, second)->target, first);
    CHECK_INT(types_import(&to, &from, 0), 0);
    struct types other;
    types_init(&other);
    uint32_t changed = types_import(&to, &other, add_node(&other, TYPE_INT));
    CHECK(changed != first);
    types_clear(&other);
    types_clear(&from);
    types_clear(&to);
}

static void test_sizes(void)
{
    struct types t;
    types_init(&t);
    uint32_t i = test_scalar(&t, TYPE_INT), array = test_array(&t, i, 10);
    CHECK_INT(types_size(&t, i), sizeof(int));
    CHECK_INT(types_size(&t, array), 10 * sizeof(int));
    CHECK_INT(types_size(&t, test_array(&t, array, UINT64_MAX / 8)), 0);
    CHECK_INT(types_size(&t, 0), 0);
    CHECK_INT(types_size(&t, test_scalar(&t, TYPE_LDOUBLE)), sizeof(long double));
    CHECK(types_is_flat(&t, array));
    CHECK(!types_is_flat(&t, test_array(&t, test_pointer(&t, i), 2)));
    CHECK(!types_is_flat(&t, add_node(&t, TYPE_LONG)));
    types_clear(&t);
}

static void pack_sample(struct buffer *out)
{
    struct types t;
    types_init(&t);
    uint32_t node = add_node(&t, TYPE_LONG);
    uint32_t i = test_scalar(&t, TYPE_INT);
    struct type colour = {.kind = TYPE_ENUM, .spelling = must_strdup("enum colour")};
    colour.target = i;
    colour.n_enumerators = 2;
    colour.enumerators = must_alloc(2 * sizeof(*colour.enumerators));
    colour.enumerators[0] = (struct type_enumerator){must_strdup("RED"), -1};
    colour.enumerators[1] = (struct type_enumerator){must_strdup("GREEN"), 1LL << 40};
    uint32_t id = types_add(&t, &colour);
    TEST_RECORD(&t, TYPE_UNION, "union u", {"c", id}, {"bits", i, 5}, {"n", node},
                {"grid", test_array(&t, test_array(&t, i, 3), 4)});
    types_pack(&t, 1, out);
    types_clear(&t);
}

static void test_pack(void)
{
    struct buffer bytes = {0}, again = {0};
    pack_sample(&bytes);
    struct types t;
    types_init(&t);
    struct error err = {0};
    struct unpack in = unpack_init(bytes.data, bytes.size);
    CHECK_OK(types_unpack(&t, &in, &err), err);
    CHECK(unpack_done(&in));
    types_pack(&t, 1, &again);
    CHECK(again.size == bytes.size && memcmp(again.data, bytes.data, bytes.size) == 0);
    in = unpack_init(bytes.data, bytes.size);
    CHECK(types_unpack(&t, &in, &err) < 0); /* continues at 1, but more are known */
    types_clear(&t);
    buffer_clear(&bytes);
    buffer_clear(&again);
}

/* Whatever a damaged table gives, it must be whole enough to be walked. */
static void try_bytes(const void *data, size_t size)
{
    struct types t;
    types_init(&t);
    struct unpack in = unpack_init(data, size);
    if (types_unpack(&t, &in, NULL) == 0)
        for (size_t i = 0; i < t.n; i++) {
            types_is_flat(&t, (uint32_t)i);
            types_size(&t, (uint32_t)i);
            CHECK(types_equal(&t, (uint32_t)i, &t, (uint32_t)i, NULL));
        }
    else
        CHECK_INT(t.n, 1);
    types_clear(&t);
}

static void test_damage(void)
{
    struct buffer bytes = {0};
    pack_sample(&bytes);
    for (size_t size = 0; size < bytes.size; size++)
        try_bytes(bytes.data, size);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t at = (size_t)rand() % bytes.size;
        char old = bytes.data[at];
        bytes.data[at] = (char)rand();
        try_bytes(bytes.data, bytes.size);
        bytes.data[at] = old;
    }
    buffer_clear(&bytes);
}

/* struct a { struct a inner; } and arrays of themselves are no C types. */
static void test_endless(void)
{
    struct types t;
    types_init(&t);
    uint32_t a = test_tag(&t, TYPE_STRUCT, "struct a");
    TEST_FIELDS(&t, a, {"inner", test_array(&t, a, 2)});
    struct buffer bytes = {0};
    types_pack(&t, 1, &bytes);
    types_clear(&t);
    types_init(&t);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    struct error err = {0};
    CHECK(types_unpack(&t, &in, &err) < 0);
    CHECK_STRING(err.text, "the table of types is damaged");
    types_clear(&t);
    buffer_clear(&bytes);
}

static void test_many(void)
{
    struct types from, to;
    types_init(&from);
    types_init(&to);
    uint32_t last = test_scalar(&from, TYPE_INT);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "struct s%d", i);
        last = TEST_RECORD(&from, TYPE_STRUCT, name,
                           {"previous", test_pointer(&from, last)});
    }
    uint32_t id = types_import(&to, &from, last);
    CHECK(types_equal(&from, last, &to, id, NULL));
    for (int i = 0; i < 100; i++)
        CHECK_INT(types_import(&to, &from, last), id);
    types_clear(&from);
    types_clear(&to);
}

/* What nothing kept leads to is emptied, ids stay, and a reader sees the same. */
static void test_empty(void)
{
    struct types t, copy;
    types_init(&t);
    types_init(&copy);
    uint32_t old =
        TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"a", test_scalar(&t, TYPE_INT)});
    uint32_t number = test_scalar(&t, TYPE_LONG), found;
    uint32_t now = TEST_RECORD(&t, TYPE_STRUCT, "struct s", {"a", number});
    uint32_t to_now = test_pointer(&t, now);
    bool is_kept[16] = {[0] = false};
    is_kept[to_now] = true;
    types_reach(&t, is_kept);
    CHECK(is_kept[now] && is_kept[number] && !is_kept[old]);
    struct buffer list = {0}, table = {0};
    types_pack_kept(&t, is_kept, &list);
    types_empty(&t, is_kept);
    size_t n = t.n;
    CHECK_INT(types_count(&t), n - 2); /* the old record, and int */
    CHECK_STRING(types_get(&t, old)->spelling, "");
    CHECK(types_find(&t, &t, now, &found) && found == now);
    types_pack(&t, 1, &table);
    struct unpack in = unpack_init(table.data, table.size);
    struct error err = {0};
    CHECK_OK(types_unpack(&copy, &in, &err), err);
    CHECK_INT(copy.n, n);
    CHECK_INT(types_count(&copy), n - 2);
    CHECK(types_equal(&t, to_now, &copy, to_now, NULL));
    uint32_t later = test_scalar(&copy, TYPE_DOUBLE); /* newer than the list: it stays */
    bool is_read[16] = {[0] = false};
    in = unpack_init(list.data, list.size);
    CHECK(types_unpack_kept(&in, &copy, is_read) && unpack_done(&in));
    CHECK(is_read[later] && is_read[now] && !is_read[old]);
    types_truncate(&copy, n - 1);
    CHECK_INT(types_count(&copy), n - 3);
    list.data[0] = 99; /* more entries than there are */
    in = unpack_init(list.data, list.size);
    CHECK(!types_unpack_kept(&in, &copy, is_read));
    buffer_clear(&list);
    buffer_clear(&table);
    types_clear(&t);
    types_clear(&copy);
}

int main(void)
{
    test_empty();
    test_equal();
    test_differences();
    test_import();
    test_sizes();
    test_pack();
    test_damage();
    test_endless();
    test_many();
    return check_status();
}
