/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Value graphs: unusual shapes. Unions, pointers into the middle of things, byte
 * pointers, nested arrays, blocks whose type several pointers decide, other machines. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "tests/unit/check.h"
#include "tests/unit/world.h"

struct point {
    char tag; /* followed by padding */
    double xy[2];
};

struct shape {
    int kind;
    union {
        long number;
        struct point *point;
    };
    struct point points[3];
    long double wide[2];
    struct point table[2][10];
};

struct base {
    int kind;
};

struct derived {
    struct base base;
    struct derived *next;
};

static struct shape shape, other;
static struct point *corner;
static double *coordinate;
static char *byte;
static void *any;
static struct base *base;
static struct derived *derived;
static long longs[20];

struct ids {
    uint32_t point, point_p, shape, base_p, derived, derived_p, number;
};

static void add_base(struct types *t, struct ids *ids)
{
    uint32_t i = test_scalar(t, TYPE_INT);
    uint32_t base_id = TEST_RECORD(t, TYPE_STRUCT, "struct base", {"kind", i});
    WORLD_LAYOUT(t, base_id, struct base, 0);
    ids->base_p = test_pointer(t, base_id);
    ids->derived = test_tag(t, TYPE_STRUCT, "struct derived");
    ids->derived_p = test_pointer(t, ids->derived);
    TEST_FIELDS(t, ids->derived, {"base", base_id}, {"next", ids->derived_p});
    WORLD_LAYOUT(t, ids->derived, struct derived, 0, offsetof(struct derived, next));
}

static struct ids open_world(struct world *world)
{
    world_init(world);
    struct types *t = &world->types;
    struct ids ids = {.number = test_scalar(t, TYPE_LONG)};
    uint32_t d = test_scalar(t, TYPE_DOUBLE), c = test_scalar(t, TYPE_CHAR);
    ids.point = TEST_RECORD(t, TYPE_STRUCT, "struct point", {"tag", c},
                            {"xy", test_array(t, d, 2)});
    WORLD_LAYOUT(t, ids.point, struct point, 0, offsetof(struct point, xy));
    ids.point_p = test_pointer(t, ids.point);
    ids.shape =
        TEST_RECORD(t, TYPE_STRUCT, "struct shape", {"kind", test_scalar(t, TYPE_INT)},
                    {"number", ids.number, 0, 1}, {"point", ids.point_p, 0, 1},
                    {"points", test_array(t, ids.point, 3)},
                    {"wide", test_array(t, test_scalar(t, TYPE_LDOUBLE), 2)},
                    {"table", test_array(t, test_array(t, ids.point, 10), 2)});
    WORLD_LAYOUT(t, ids.shape, struct shape, 0, offsetof(struct shape, number),
                 offsetof(struct shape, point), offsetof(struct shape, points),
                 offsetof(struct shape, wide), offsetof(struct shape, table));
    add_base(t, &ids);
    WORLD_VARIABLE(world, shape, ids.shape);
    WORLD_VARIABLE(world, other, ids.shape);
    WORLD_VARIABLE(world, corner, ids.point_p);
    WORLD_VARIABLE(world, coordinate, test_pointer(t, d));
    WORLD_VARIABLE(world, byte, test_pointer(t, c));
    WORLD_VARIABLE(world, any, test_pointer(t, 0));
    WORLD_VARIABLE(world, base, ids.base_p);
    WORLD_VARIABLE(world, derived, ids.derived_p);
    WORLD_VARIABLE(world, longs, test_array(t, ids.number, 20));
    return ids;
}

static void dump(struct world *world, const char *const *names, size_t n,
                 struct value_dump *ret)
{
    struct value_root roots[8];
    struct error err = {0};
    for (size_t i = 0; i < n; i++) {
        struct value_variable variable = {0};
        CHECK(world_variable(world, names[i], &variable));
        roots[i] = (struct value_root){names[i], variable.start, variable.type, 1};
    }
    *ret = (struct value_dump){0};
    CHECK_OK(value_dump(&world->callbacks, roots, n, ret, &err), err);
    for (size_t i = 0; i < ret->n_blockers; i++)
        if (n != 1) /* tests of blockers dump one root */
            CHECK_STRING(ret->blockers[i].reason, NULL);
}

#define DUMP(world, ret, ...)                                                            \
    dump((world), (const char *const[]){__VA_ARGS__},                                    \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (ret))

static bool load(struct world *world, const struct value_dump *dump)
{
    struct error err = {0};
    return CHECK_OK(
        value_load(&world->callbacks, dump->bytes.data, dump->bytes.size, NULL, &err),
        err);
}

static void test_unions(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    struct value_dump it;
    memset(&shape, 0, sizeof(shape));
    DUMP(&world, &it, "shape");
    CHECK_INT(it.n_blockers, 0);
    value_dump_clear(&it);
    any = world_allocate(&world, sizeof(shape), ids.shape);
    memset(any, 0, sizeof(shape));
    ((struct shape *)any)->number = 5;
    corner = &((struct shape *)any)->points[1];
    DUMP(&world, &it, "corner");
    if (CHECK_INT(it.n_blockers, 1)) {
        CHECK_STRING(it.blockers[0].path, "corner->number");
        CHECK_STRING(it.blockers[0].reason,
                     "is a union of 'struct shape' with pointers, and "
                     "nothing tells which member counts");
    }
    value_dump_clear(&it);
    world_clear(&world);
}

static void test_middles(void)
{
    struct world world;
    open_world(&world);
    memset(&shape, 0x77, sizeof(shape));
    shape.number = 0, shape.kind = 3;
    for (int i = 0; i < 3; i++)
        shape.points[i] = (struct point){(char)('p' + i), {i, -i}};
    memset(shape.table, 0, sizeof(shape.table));
    shape.table[1][9].xy[1] = 2.5;
    shape.wide[0] = -0x1.23456789abcdefp-16400L, shape.wide[1] = INFINITY;
    corner = &shape.points[3]; /* one past the end of a member */
    coordinate = &shape.table[1][9].xy[1];
    byte = (char *)&shape.points[2].xy[1] + 3; /* inside a double */
    any = &shape.points[1].xy[2];              /* the end of a point */
    struct shape before = shape;
    struct value_dump it, again;
    DUMP(&world, &it, "shape", "corner", "coordinate", "byte", "any");
    memset(&shape, 0, sizeof(shape));
    corner = NULL, coordinate = NULL, byte = NULL, any = NULL;
    if (load(&world, &it)) {
        CHECK(corner == &shape.points[3] && coordinate == &shape.table[1][9].xy[1]);
        CHECK(byte == (char *)&shape.points[2].xy[1] + 3 &&
              any == &shape.points[1].xy[2]);
        CHECK(*coordinate == 2.5 && shape.points[2].tag == 'r' && shape.kind == 3);
        CHECK(shape.wide[0] == before.wide[0] && shape.wide[1] == before.wide[1]);
    }
    DUMP(&world, &again, "shape", "corner", "coordinate", "byte", "any");
    CHECK(it.bytes.size == again.bytes.size &&
          memcmp(it.bytes.data, again.bytes.data, it.bytes.size) == 0);
    value_dump_clear(&it);
    value_dump_clear(&again);
    world_clear(&world);
}

/* The block is what starts with all that pointers say, in whatever order they come. */
static void test_views(bool base_first)
{
    struct world world;
    open_world(&world);
    derived = world_allocate(&world, sizeof(*derived), 0);
    derived->base.kind = 4;
    derived->next = world_allocate(&world, 2 * sizeof(*derived), 0);
    derived->next[0] = derived->next[1] = (struct derived){{5}, derived};
    base = &derived->base;
    struct value_dump it;
    if (base_first)
        DUMP(&world, &it, "base", "derived");
    else
        DUMP(&world, &it, "derived", "base");
    base = NULL, derived = NULL;
    world_empty(&world);
    if (load(&world, &it)) {
        CHECK(base == &derived->base && base->kind == 4);
        CHECK(derived->next[1].base.kind == 5 && derived->next[1].next == derived);
    }
    value_dump_clear(&it);
    world_clear(&world);
}

static void test_long_way(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    struct derived **link = &derived;
    for (int i = 0; i < 100; i++) {
        *link = world_allocate(&world, sizeof(**link), ids.derived);
        (*link)->base.kind = i;
        link = &(*link)->next;
    }
    *link = (struct derived *)(uintptr_t)64;
    struct value_dump it;
    DUMP(&world, &it, "derived");
    if (CHECK_INT(it.n_blockers, 1))
        CHECK_STRING(it.blockers[0].path,
                     "derived->next->next->next->next->next ... (89 pointers) ... "
                     "->next->next->next->next->next->next");
    value_dump_clear(&it);
    world_clear(&world);
}

/* What a machine with 4 bytes in a long would have written. */
static void test_other_machine(void)
{
    struct world small, world;
    world_init(&small);
    open_world(&world);
    int values[20];
    struct type narrow = {.kind = TYPE_INT, .spelling = must_strdup("long")};
    uint32_t id = types_add(&small.types, &narrow);
    struct value_root root = {"longs", values, id, 20};
    struct value_dump it = {0};
    struct error err = {0};
    for (int i = 0; i < 20; i++)
        values[i] = -7 * i;
    CHECK_OK(value_dump(&small.callbacks, &root, 1, &it, &err), err);
    char *kind = memmem(it.bytes.data, it.bytes.size, "\x07\x05long", 6);
    if (CHECK(kind != NULL)) {
        *kind = TYPE_LONG;
        it.bytes.data[5] = 4;
        load(&world, &it);
        CHECK_INT(longs[19], -133);
    }
    value_dump_clear(&it);
    world_clear(&small);
    world_clear(&world);
}

static void test_same_root_twice(void)
{
    struct world world;
    struct ids ids = open_world(&world);
    struct value_root roots[] = {{"a", &base, ids.base_p, 1},
                                 {"b", &base, ids.base_p, 1}};
    struct value_dump it = {0};
    struct error err = {0};
    CHECK(value_dump(&world.callbacks, roots, 2, &it, &err) < 0);
    CHECK_STRING(err.text, "'b' and 'a' are the same object");
    CHECK_OK(value_dump(&world.callbacks, roots, 0, &it, &(struct error){0}), err);
    CHECK_OK(value_load(&world.callbacks, it.bytes.data, it.bytes.size, NULL, &err), err);
    value_dump_clear(&it);
    world_clear(&world);
}

int main(void)
{
    test_unions();
    test_middles();
    test_views(true);
    test_views(false);
    test_long_way();
    test_other_machine();
    test_same_root_twice();
    return check_status();
}
