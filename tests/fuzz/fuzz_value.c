/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: value_load() of any bytes, into a world with a few types and
 * variables. What loads must dump again without an error. */
#include <stddef.h>
#include <stdio.h>

#include "tests/unit/world.h"

struct node {
    long value;
    struct node *next;
};

struct record {
    char name[20];
    union {
        int number;
        float real;
    };
    long double wide;
    struct node *nodes[10];
    double *middle;
    int (*function)(const char *);
    FILE *stream;
    void *any;
};

static struct node *head;
static struct record record;
static double table[40];
static struct world world;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t add_record(struct types *types, uint32_t node_p)
{
    uint32_t i = test_scalar(types, TYPE_INT), d = test_scalar(types, TYPE_DOUBLE);
    struct type function = {.kind = TYPE_FUNCTION, .target = i};
    function.spelling = must_strdup("int (const char *)");
    uint32_t id = TEST_RECORD(
        types, TYPE_STRUCT, "struct record",
        {"name", test_array(types, test_scalar(types, TYPE_CHAR), 20)},
        {"number", i, 0, 1}, {"real", test_scalar(types, TYPE_FLOAT), 0, 1},
        {"wide", test_scalar(types, TYPE_LDOUBLE)},
        {"nodes", test_array(types, node_p, 10)}, {"middle", test_pointer(types, d)},
        {"function", test_pointer(types, types_add(types, &function))},
        {"stream", test_pointer(types, test_tag(types, TYPE_STRUCT, "FILE"))},
        {"any", test_pointer(types, 0)});
#define AT(member) offsetof(struct record, member)
    WORLD_LAYOUT(types, id, struct record, AT(name), AT(number), AT(real), AT(wide),
                 AT(nodes), AT(middle), AT(function), AT(stream), AT(any));
    return id;
}

static void open_world(void)
{
    world_init(&world);
    world.limit = 1 << 20;
    struct types *types = &world.types;
    uint32_t node = test_tag(types, TYPE_STRUCT, "struct node");
    uint32_t node_p = test_pointer(types, node);
    TEST_FIELDS(types, node, {"value", test_scalar(types, TYPE_LONG)}, {"next", node_p});
    WORLD_LAYOUT(types, node, struct node, 0, offsetof(struct node, next));
    WORLD_VARIABLE(&world, head, node_p);
    WORLD_VARIABLE(&world, record, add_record(types, node_p));
    WORLD_VARIABLE(&world, table, test_array(types, test_scalar(types, TYPE_DOUBLE), 40));
    world.functions[0] = (struct world_function){"puts", (void *)puts, true};
    world.n_functions = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.heap)
        open_world();
    world_empty(&world);
    head = NULL;
    memset(&record, 0, sizeof(record));
    if (value_load(&world.callbacks, data, size, NULL, NULL) < 0) {
        if (world.n_live || head)
            abort();
        return 0;
    }
    struct value_root roots[3];
    for (size_t i = 0; i < 3; i++) {
        const struct value_variable *variable = &world.variables[i];
        roots[i] =
            (struct value_root){variable->name, variable->start, variable->type, 1};
    }
    struct value_dump dump = {0};
    if (value_dump(&world.callbacks, roots, 3, &dump, NULL) < 0)
        abort();
    value_dump_clear(&dump);
    return 0;
}
