/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Value graphs of this program's own structs: what travels arrives the same, and the same
 * state gives the same bytes wherever it lies. */
#include "tests/unit/sample.h"

#define LIST_LENGTH 1000000

static void check_list(long n)
{
    long i = 0;
    for (const struct node *node = head; node && node->value == i; node = node->next)
        i++;
    CHECK_INT(i, n);
}

static void test_list(uint32_t (*site)(const struct ids *), long n)
{
    struct world world;
    struct ids ids = open_world(&world);
    make_list(&world, site(&ids), n);
    struct buffer bytes = dump_one(&world, "head");
    CHECK(bytes.size < 12 * (size_t)n);
    head = NULL;
    world_empty(&world);
    world_allocate(&world, 100, 0); /* other addresses than before */
    load(&world, &bytes);
    check_list(n);
    struct buffer again = dump_one(&world, "head");
    CHECK(same_bytes(&bytes, &again));
    buffer_clear(&bytes);
    buffer_clear(&again);
    world_clear(&world);
}

static uint32_t site_known(const struct ids *ids)
{
    return ids->node;
}

static uint32_t site_unknown(const struct ids *ids)
{
    return 0;
}

static struct tree *make_tree(struct world *world, uint32_t type, int depth, int key,
                              struct tree *parent)
{
    if (!depth)
        return NULL;
    struct tree *tree = world_allocate(world, sizeof(*tree), type);
    tree->key = key;
    tree->parent = parent;
    tree->left = make_tree(world, type, depth - 1, 2 * key, tree);
    tree->right = make_tree(world, type, depth - 1, 2 * key + 1, tree);
    return tree;
}

static int count_tree(const struct tree *tree, const struct tree *parent, int key)
{
    if (!tree)
        return 0;
    if (tree->key != key || tree->parent != parent)
        return -1000000;
    return 1 + count_tree(tree->left, tree, 2 * key) +
           count_tree(tree->right, tree, 2 * key + 1);
}

static void test_tree(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    root = make_tree(&world, types_get(&world.types, ids.tree_p)->target, 12, 1, NULL);
    struct buffer bytes = dump_one(&world, "root");
    world_empty(&world);
    load(&world, &bytes);
    CHECK_INT(count_tree(root, NULL, 1), 4095);
    buffer_clear(&bytes);
    world_clear(&world);
}

static void check_mixed(void)
{
    CHECK(mixed.c == 'x' && mixed.s == -300 && mixed.u == 4000000000u);
    CHECK(mixed.l == -5000000000L && mixed.f == 1.5f && mixed.d == -0.1);
    CHECK(mixed.wide == 3.14159265358979323846L && mixed.yes && mixed.colour == RED);
    CHECK(mixed.small == 6 && mixed.negative == -200);
    CHECK_STRING(mixed.name, "hello world");
    CHECK_INT(mixed.grid[1][2], 2500);
    CHECK(mixed.as_float == 2.25f && mixed.choice.number == 6.5);
    CHECK(mixed.inner[1].tag == 'b' && mixed.inner[0].number == -1);
    CHECK(mixed.function == twice && mixed.library == strlen);
    CHECK_STRING(mixed.text, "a literal");
    CHECK(mixed.middle == mixed.text + 2);
    int *array = mixed.any;
    CHECK(mixed.inside == &array[42] && mixed.end == array + 100);
    CHECK_INT(array[90], 90);
    CHECK(mixed.stream == stderr && mixed.self == &mixed);
}

static void test_mixed(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    world_add_variable(&world, NULL, literal, sizeof(literal),
                       test_array(&world.types, ids.character, sizeof(literal)));
    world.variables[world.n_variables - 1].is_literal = true;
    fill_mixed(&world, &ids);
    struct value_dump dump;
    dump_all(&world, (const char *const[]){"mixed"}, 1, &dump);
    CHECK_INT(dump.n_blockers, 0);
    CHECK_INT(dump.n_functions, 1);
    CHECK_STRING(dump.functions[0], "twice");
    CHECK(!memmem(dump.bytes.data, dump.bytes.size, "\x55\x55", 2)); /* no padding */
    memset(&mixed, 0, sizeof(mixed));
    world_empty(&world);
    if (load(&world, &dump.bytes))
        check_mixed();
    struct buffer again = dump_one(&world, "mixed");
    CHECK(same_bytes(&dump.bytes, &again));
    buffer_clear(&again);
    value_dump_clear(&dump);
    world_clear(&world);
}

/* Cycles, sharing, flexible array members, variables reached from others. */
static void test_sharing(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    struct node *shared = new_node(&world, ids.node, 7);
    shared->next = shared;
    packet = world_allocate(&world, sizeof(*packet) + 3 * sizeof(struct node *),
                            types_get(&world.types, ids.packet_p)->target);
    packet->n = 3;
    for (int i = 0; i < 3; i++)
        packet->nodes[i] = i == 1 ? NULL : shared;
    cursor = &numbers[4];
    any = &cursor;
    for (int i = 0; i < 10; i++)
        numbers[i] = i * i;
    struct value_dump dump;
    dump_all(&world, (const char *const[]){"packet", "any"}, 2, &dump);
    CHECK_INT(dump.n_variables, 2);
    CHECK_STRING(dump.variables[0], "cursor");
    CHECK_STRING(dump.variables[1], "numbers");
    packet = NULL, any = NULL, cursor = NULL;
    memset(numbers, 0, sizeof(numbers));
    world_empty(&world);
    if (load(&world, &dump.bytes)) {
        CHECK_INT(packet->n, 3);
        CHECK(packet->nodes[0] == packet->nodes[2] && !packet->nodes[1]);
        CHECK(packet->nodes[0]->next == packet->nodes[0]);
        CHECK(any == &cursor && cursor == &numbers[4]);
        CHECK_INT(numbers[9], 81);
    }
    value_dump_clear(&dump);
    world_clear(&world);
}

static void test_zeros(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    size_t n = 10 << 20;
    cursor = world_allocate(&world, n * sizeof(int), ids.integer);
    cursor[n / 2] = 5;
    struct buffer bytes = dump_one(&world, "cursor");
    CHECK(bytes.size < 400);
    head = world_allocate(&world, 100000 * sizeof(struct node), ids.node);
    memset(head, 0, 100000 * sizeof(struct node));
    head[7].next = &head[99999];
    struct buffer nodes = dump_one(&world, "head");
    CHECK(nodes.size < 200);
    world_empty(&world);
    memset(world.heap, 0xAA, 1000);
    if (load(&world, &bytes) && load(&world, &nodes)) {
        CHECK_INT(cursor[n / 2], 5);
        CHECK_INT(cursor[0], 0);
        CHECK(head[7].next == &head[99999] && !head[99999].next);
    }
    buffer_clear(&bytes);
    buffer_clear(&nodes);
    world_clear(&world);
}

static void test_untyped(void)
{
    struct world world;
    open_world(&world);
    text = world_allocate(&world, 6, 0);
    memcpy(text, "hello", 6);
    any = text + 2;
    mixed = (struct mixed){.text = text};
    struct value_dump dump;
    dump_all(&world, (const char *const[]){"any", "text"}, 2, &dump);
    CHECK_INT(dump.n_blockers, 0);
    text = any = NULL;
    world_empty(&world);
    if (load(&world, &dump.bytes)) {
        CHECK_STRING(text, "hello");
        CHECK(any == text + 2);
    }
    value_dump_clear(&dump);
    world_clear(&world);
}

/* A slice of an array is a root; elements that point outside of it cannot travel. */
static void test_places(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    struct node *array = world_allocate(&world, 8 * sizeof(*array), ids.node);
    memset(array, 0, 8 * sizeof(*array));
    for (int i = 0; i < 8; i++)
        array[i].value = i;
    array[3].next = &array[2];
    struct value_root slice = {"xs", &array[2], ids.node, 3};
    struct value_dump dump = {0};
    struct error err = {0};
    CHECK_OK(value_dump(&world.callbacks, &slice, 1, &dump, &err), err);
    CHECK_INT(dump.n_blockers, 0);
    struct node *other = world_allocate(&world, 8 * sizeof(*other), ids.node);
    struct value_root place = {"ys", &other[1], ids.node, 3};
    CHECK_OK(value_load(&world.callbacks, dump.bytes.data, dump.bytes.size, &place, &err),
             err);
    CHECK_INT(other[3].value, 4);
    CHECK(other[2].next == &other[1]);
    place.count = 2;
    CHECK(value_load(&world.callbacks, dump.bytes.data, dump.bytes.size, &place, &err) <
          0);
    CHECK_STRING(err.text, "'ys' has 2 elements here and 3 in the data");
    value_dump_clear(&dump);
    array[3].next = &array[7];
    CHECK_OK(value_dump(&world.callbacks, &slice, 1, &dump, &(struct error){0}), err);
    if (CHECK_INT(dump.n_blockers, 1))
        CHECK_STRING(dump.blockers[0].path, "xs[1].next");
    value_dump_clear(&dump);
    cursor = &numbers[7];
    struct value_root some[] = {{"some", numbers, ids.integer, 3},
                                {"cursor", &cursor, ids.int_p, 1}};
    CHECK_OK(value_dump(&world.callbacks, some, 2, &dump, &(struct error){0}), err);
    if (CHECK_INT(dump.n_blockers, 1))
        CHECK_STRING(dump.blockers[0].path, "cursor");
    value_dump_clear(&dump);
    world_clear(&world);
}

int main(void)
{
    test_list(site_known, LIST_LENGTH);
    test_list(site_unknown, LIST_LENGTH / 5);
    test_tree();
    test_mixed();
    test_sharing();
    test_zeros();
    test_untyped();
    test_places();
    return check_status();
}
