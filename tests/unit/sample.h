/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of the value graph share: structs of every kind of member, their types,
 * variables of them, and a world that knows these. */
#ifndef ACHAR_TESTS_SAMPLE_H
#define ACHAR_TESTS_SAMPLE_H

#include <stddef.h>
#include <stdio.h>

#include "tests/unit/check.h"
#include "tests/unit/world.h"

#pragma GCC diagnostic ignored "-Wunused-function"

struct node {
    long value;
    struct node *next;
};

struct tree {
    int key;
    struct tree *left, *right, *parent;
};

enum colour { RED = -1, GREEN = 5 };

struct inner {
    char tag;
    long number;
};

struct mixed {
    char c;
    short s;
    unsigned u;
    long l;
    float f;
    double d;
    long double wide;
    _Bool yes;
    enum colour colour;
    unsigned small : 3;
    int negative : 9;
    char name[12];
    int grid[2][3];
    union {
        int as_int;
        float as_float;
    };
    union choice {
        char bytes[7];
        double number;
    } choice;
    struct inner inner[2];
    int (*function)(int);
    size_t (*library)(const char *);
    char *text, *middle;
    void *any;
    FILE *stream;
    int *inside, *end;
    struct mixed *self;
};

struct packet {
    int n;
    struct node *nodes[];
};

struct ids {
    uint32_t integer, character, node, node_p, tree_p, mixed, char_p, void_p, packet_p,
        list_p;
    uint32_t int_p, inner;
};

static struct node *head;
static struct tree *root;
static struct mixed mixed;
static struct packet *packet;
static int numbers[10];
static char *text;
static void *any;
static int *cursor;

static int twice(int x)
{
    return 2 * x;
}

static int64_t get_bits(const void *object, unsigned field)
{
    const struct mixed *it = object;
    return field == 9 ? (int64_t)it->small : it->negative;
}

static void set_bits(void *object, unsigned field, int64_t value)
{
    struct mixed *it = object;
    if (field == 9)
        it->small = (unsigned)value;
    else
        it->negative = (int)value;
}

static uint32_t add_mixed(struct types *t, struct ids *ids)
{
    uint32_t i = ids->integer, f = test_scalar(t, TYPE_FLOAT),
             d = test_scalar(t, TYPE_DOUBLE);
    struct type colour = {
        .kind = TYPE_ENUM, .spelling = must_strdup("enum colour"), .target = i};
    uint32_t colour_id = types_add(t, &colour);
    uint32_t choice =
        TEST_RECORD(t, TYPE_UNION, "union choice",
                    {"bytes", test_array(t, ids->character, 7)}, {"number", d});
    WORLD_LAYOUT(t, choice, union choice, 0, 0);
    ids->inner = TEST_RECORD(t, TYPE_STRUCT, "struct inner", {"tag", ids->character},
                             {"number", test_scalar(t, TYPE_LONG)});
    WORLD_LAYOUT(t, ids->inner, struct inner, 0, offsetof(struct inner, number));
    struct type function = {.kind = TYPE_FUNCTION, .spelling = must_strdup("int (int)")};
    function.target = i;
    function.n_fields = 1;
    function.fields = must_alloc(sizeof(*function.fields));
    function.fields[0] = (struct type_field){must_strdup("x"), i, -1, 0};
    uint32_t function_p = test_pointer(t, types_add(t, &function));
    uint32_t stream_p = test_pointer(t, test_tag(t, TYPE_STRUCT, "FILE"));
    uint32_t id = test_tag(t, TYPE_STRUCT, "struct mixed");
    TEST_FIELDS(t, id, {"c", ids->character}, {"s", test_scalar(t, TYPE_SHORT)},
                {"u", test_scalar(t, TYPE_UINT)}, {"l", test_scalar(t, TYPE_LONG)},
                {"f", f}, {"d", d}, {"wide", test_scalar(t, TYPE_LDOUBLE)},
                {"yes", test_scalar(t, TYPE_BOOL)}, {"colour", colour_id},
                {"small", test_scalar(t, TYPE_UINT), 3}, {"negative", i, 9},
                {"name", test_array(t, ids->character, 12)},
                {"grid", test_array(t, test_array(t, i, 3), 2)}, {"as_int", i, 0, 1},
                {"as_float", f, 0, 1}, {"choice", choice},
                {"inner", test_array(t, ids->inner, 2)}, {"function", function_p},
                {"library", function_p}, {"text", ids->char_p}, {"middle", ids->char_p},
                {"any", ids->void_p}, {"stream", stream_p}, {"inside", ids->int_p},
                {"end", ids->int_p}, {"self", test_pointer(t, id)});
#define AT(member) offsetof(struct mixed, member)
    WORLD_LAYOUT(t, id, struct mixed, AT(c), AT(s), AT(u), AT(l), AT(f), AT(d), AT(wide),
                 AT(yes), AT(colour), 0, 0, AT(name), AT(grid), AT(as_int), AT(as_float),
                 AT(choice), AT(inner), AT(function), AT(library), AT(text), AT(middle),
                 AT(any), AT(stream), AT(inside), AT(end), AT(self));
    types_edit(t, id)->layout.get_bits = get_bits;
    types_edit(t, id)->layout.set_bits = set_bits;
    return id;
}

static struct ids add_types(struct types *t)
{
    struct ids ids = {.integer = test_scalar(t, TYPE_INT),
                      .character = test_scalar(t, TYPE_CHAR)};
    ids.char_p = test_pointer(t, ids.character);
    ids.void_p = test_pointer(t, 0);
    ids.int_p = test_pointer(t, ids.integer);
    ids.node = test_tag(t, TYPE_STRUCT, "struct node");
    ids.node_p = test_pointer(t, ids.node);
    TEST_FIELDS(t, ids.node, {"value", test_scalar(t, TYPE_LONG)}, {"next", ids.node_p});
    WORLD_LAYOUT(t, ids.node, struct node, 0, offsetof(struct node, next));
    uint32_t tree = test_tag(t, TYPE_STRUCT, "struct tree");
    ids.tree_p = test_pointer(t, tree);
    TEST_FIELDS(t, tree, {"key", ids.integer}, {"left", ids.tree_p},
                {"right", ids.tree_p}, {"parent", ids.tree_p});
    WORLD_LAYOUT(t, tree, struct tree, 0, offsetof(struct tree, left),
                 offsetof(struct tree, right), offsetof(struct tree, parent));
    uint32_t packet_id = TEST_RECORD(t, TYPE_STRUCT, "struct packet", {"n", ids.integer},
                                     {"nodes", test_array(t, ids.node_p, 0)});
    WORLD_LAYOUT(t, packet_id, struct packet, 0, offsetof(struct packet, nodes));
    ids.packet_p = test_pointer(t, packet_id);
    ids.mixed = add_mixed(t, &ids);
    return ids;
}

static struct ids open_world(struct world *world)
{
    world_init(world);
    struct ids ids = add_types(&world->types);
    WORLD_VARIABLE(world, head, ids.node_p);
    WORLD_VARIABLE(world, root, ids.tree_p);
    WORLD_VARIABLE(world, mixed, ids.mixed);
    WORLD_VARIABLE(world, packet, ids.packet_p);
    WORLD_VARIABLE(world, numbers, test_array(&world->types, ids.integer, 10));
    WORLD_VARIABLE(world, text, ids.char_p);
    WORLD_VARIABLE(world, any, ids.void_p);
    WORLD_VARIABLE(world, cursor, ids.int_p);
    world->functions[0] = (struct world_function){"twice", (void *)twice, false};
    world->functions[1] = (struct world_function){"strlen", (void *)strlen, true};
    world->n_functions = 2;
    return ids;
}

static struct buffer dump_all(struct world *world, const char *const *names, size_t n,
                              struct value_dump *ret)
{
    struct value_root roots[16];
    struct value_variable variable = {0};
    struct error err = {0};
    for (size_t i = 0; i < n; i++) {
        CHECK(world_variable(world, names[i], &variable));
        roots[i] = (struct value_root){names[i], variable.start, variable.type, 1};
    }
    *ret = (struct value_dump){0};
    CHECK_OK(value_dump(&world->callbacks, roots, n, ret, &err), err);
    return ret->bytes;
}

/* Bytes of one variable; everything must be able to travel. */
static struct buffer dump_one(struct world *world, const char *name)
{
    struct value_dump dump;
    dump_all(world, &name, 1, &dump);
    for (size_t i = 0; i < dump.n_blockers; i++) {
        fprintf(stderr, "blocker: %s: %s\n", dump.blockers[i].path,
                dump.blockers[i].reason);
        check_failures++;
    }
    struct buffer bytes = dump.bytes;
    dump.bytes = (struct buffer){0};
    value_dump_clear(&dump);
    return bytes;
}

static bool load(struct world *world, const struct buffer *bytes)
{
    struct error err = {0};
    return CHECK_OK(value_load(&world->callbacks, bytes->data, bytes->size, NULL, &err),
                    err);
}

static bool same_bytes(const struct buffer *a, const struct buffer *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static struct node *new_node(struct world *world, uint32_t type, long value)
{
    struct node *node = world_allocate(world, sizeof(*node), type);
    node->value = value;
    node->next = NULL;
    return node;
}

static void make_list(struct world *world, uint32_t type, long n)
{
    struct node **link = &head;
    for (long i = 0; i < n; i++) {
        *link = new_node(world, type, i);
        link = &(*link)->next;
    }
    *link = NULL;
}

static char literal[] = "a literal";

static void fill_mixed(struct world *world, const struct ids *ids)
{
    memset(&mixed, 0x55, sizeof(mixed)); /* padding must not matter */
    mixed.c = 'x', mixed.s = -300, mixed.u = 4000000000u, mixed.l = -5000000000L;
    mixed.f = 1.5f, mixed.d = -0.1, mixed.wide = 3.14159265358979323846L;
    mixed.yes = 1, mixed.colour = RED, mixed.small = 6, mixed.negative = -200;
    memcpy(mixed.name, "hello world", 12);
    for (int i = 0; i < 6; i++)
        mixed.grid[i / 3][i % 3] = i * 1000 - 2500;
    mixed.as_float = 2.25f;
    mixed.choice.number = 6.5;
    for (int i = 0; i < 2; i++)
        mixed.inner[i].tag = (char)('a' + i), mixed.inner[i].number = i - 1;
    mixed.function = twice, mixed.library = strlen;
    mixed.text = literal, mixed.middle = literal + 2;
    int *array = world_allocate(world, 100 * sizeof(int), ids->integer);
    for (int i = 0; i < 100; i++)
        array[i] = i % 10 ? 0 : i;
    mixed.any = array, mixed.inside = &array[42], mixed.end = array + 100;
    mixed.stream = stderr;
    mixed.self = &mixed;
}

#endif
