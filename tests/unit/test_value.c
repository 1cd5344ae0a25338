/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Value graphs of this program's own structs: what travels arrives the same, the same
 * state gives the same bytes wherever it lies, and damaged bytes give errors. */
#include <stddef.h>
#include <stdio.h>

#include "tests/unit/check.h"
#include "tests/unit/world.h"

#define LIST_LENGTH 1000000

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

static void check_blocker(struct world *world, const char *name, const char *path,
                          const char *reason)
{
    struct value_dump dump;
    dump_all(world, &name, 1, &dump);
    if (CHECK_INT(dump.n_blockers, 1)) {
        CHECK_STRING(dump.blockers[0].path, path);
        CHECK_STRING(dump.blockers[0].reason, reason);
        CHECK_INT(dump.bytes.size, 0);
    }
    value_dump_clear(&dump);
}

static void test_refusals(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    char on_stack[64];
    world.stack_low = on_stack, world.stack_high = on_stack + 64;
    make_list(&world, ids.node, 3);
    head->next->next->next = (struct node *)on_stack;
    check_blocker(&world, "head", "head->next->next->next", "points into the stack");
    head->next->next = new_node(&world, ids.node, 1);
    world_release(&world, head->next->next);
    check_blocker(&world, "head", "head->next->next", "points to freed memory");
    head->next->next = (struct node *)(uintptr_t)0x1234;
    check_blocker(&world, "head", "head->next->next",
                  "points to memory that is not known");
    any = world_allocate(&world, 10, 0);
    check_blocker(&world, "any", "any", "points to memory whose type is not known");
    any = world_allocate(&world, 17, ids.node);
    check_blocker(
        &world, "any", "any",
        "points to 17 bytes, which are no whole number of 'struct node' (16 bytes)");
    head = world_allocate(&world, 32, ids.character);
    check_blocker(&world, "head", "head",
                  "points to 'struct node' in memory that was allocated as bytes");
    memset(&mixed, 0, sizeof(mixed));
    mixed.stream = (FILE *)(uintptr_t)0x5000;
    check_blocker(
        &world, "mixed", "mixed.stream",
        "has type 'FILE *' and is an open stream; only stdin, stdout and stderr "
        "can travel");
    mixed.stream = NULL;
    mixed.function = (int (*)(int))(uintptr_t)puts;
    check_blocker(&world, "mixed", "mixed.function", "points to code that has no name");
    mixed.function = NULL;
    struct node *used = world_allocate(&world, sizeof(struct node), 0);
    used->value = 0, used->next = NULL;
    head = used;
    mixed.inside = (int *)used;
    struct value_dump dump;
    dump_all(&world, (const char *const[]){"head", "mixed"}, 2, &dump);
    CHECK_INT(dump.n_blockers, 2);
    CHECK_STRING(dump.blockers[0].reason,
                 "points to memory that is used as 'int' and as 'struct node'");
    CHECK(dump.blockers[0].hint != NULL);
    value_dump_clear(&dump);
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

static void test_mismatch(void)
{
    struct world world, other;
    struct ids ids = open_world(&world);
    make_list(&world, ids.node, 2);
    struct buffer bytes = dump_one(&world, "head");
    struct value_root_info *roots = NULL;
    size_t n_roots = 0;
    struct error err = {0};
    CHECK_OK(value_roots(bytes.data, bytes.size, &roots, &n_roots, &err), err);
    CHECK_INT(n_roots, 1);
    CHECK_STRING(roots[0].name, "head");
    struct types types;
    CHECK_OK(value_types(bytes.data, bytes.size, &types, &err), err);
    CHECK_STRING(types_get(&types, roots[0].type)->spelling, "struct node *");
    types_clear(&types);
    value_roots_free(roots, n_roots);
    world_init(&other);
    uint32_t node = test_tag(&other.types, TYPE_STRUCT, "struct node");
    uint32_t node_p = test_pointer(&other.types, node);
    TEST_FIELDS(&other.types, node, {"value", test_scalar(&other.types, TYPE_INT)},
                {"next", node_p});
    struct {
        int value;
        struct node *next;
    } changed;
    world_layout(&other.types, node, sizeof(changed), 8, (const size_t[]){0, 8});
    head = NULL;
    CHECK(value_load(&other.callbacks, bytes.data, bytes.size, NULL, &err) < 0);
    CHECK_STRING(err.text, "the variable 'head' is not defined here");
    WORLD_VARIABLE(&other, head, node_p);
    err = (struct error){0};
    CHECK(value_load(&other.callbacks, bytes.data, bytes.size, NULL, &err) < 0);
    CHECK_STRING(
        err.text,
        "'head': field 'value' of 'struct node' is 'int' here and 'long' in the data");
    CHECK(head == NULL);
    buffer_clear(&bytes);
    world_clear(&other);
    world_clear(&world);
}

/* Either it loads, or nothing has changed and nothing is left behind. */
static void try_bytes(struct world *world, const void *data, size_t size)
{
    struct mixed before = mixed;
    world->limit = 4 << 20;
    world_empty(world);
    struct error err = {0};
    if (value_load(&world->callbacks, data, size, NULL, &err) < 0) {
        CHECK(err.text[0] != '\0');
        CHECK_INT(world->n_live, 0);
        CHECK(memcmp(&before, &mixed, sizeof(mixed)) == 0);
    }
    mixed = before;
}

static void test_damage(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    world_add_variable(&world, NULL, literal, sizeof(literal), 0);
    world.variables[world.n_variables - 1].is_literal = true;
    fill_mixed(&world, &ids);
    make_list(&world, ids.node, 20);
    cursor = &mixed.grid[1][1];
    struct value_dump dump;
    dump_all(&world, (const char *const[]){"mixed", "head", "cursor", "numbers"}, 4,
             &dump);
    CHECK_INT(dump.n_blockers, 0);
    char *copy = malloc(dump.bytes.size);
    for (size_t size = 0; size < dump.bytes.size; size++) {
        char *cut = malloc(size + 1);
        memcpy(cut, dump.bytes.data, size);
        struct error err = {0};
        CHECK(value_load(&world.callbacks, cut, size, NULL, &err) < 0);
        free(cut);
    }
    srand(7);
    for (int i = 0; i < 10000; i++) {
        memcpy(copy, dump.bytes.data, dump.bytes.size);
        for (int k = rand() % 3; k >= 0; k--)
            copy[(size_t)rand() % dump.bytes.size] =
                (char)(rand() % 3 ? rand() : rand() % 4);
        try_bytes(&world, copy, dump.bytes.size);
    }
    free(copy);
    value_dump_clear(&dump);
    world_clear(&world);
}

static void test_stop(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    make_list(&world, ids.node, 200000);
    world.stops = true;
    struct value_dump dump = {0};
    struct error err = {0};
    struct value_root list = {"head", &head, ids.node_p, 1};
    CHECK(value_dump(&world.callbacks, &list, 1, &dump, &err) < 0);
    CHECK_STRING(err.text, "interrupted while values were collected");
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
    test_refusals();
    test_untyped();
    test_places();
    test_mismatch();
    test_damage();
    test_stop();
    return check_status();
}
