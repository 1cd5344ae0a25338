/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Value graphs: what cannot travel is refused by its path, and damaged bytes and types
 * that differ give errors and change nothing. */
#include "tests/unit/sample.h"

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
    test_refusals();
    test_mismatch();
    test_damage();
    test_stop();
    return check_status();
}
