/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The definition graph: names and versions, hashes, closures, packing. */
#include "pickler/graph/graph.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit/check.h"

static uint32_t add(struct graph *graph, enum definition_kind kind, const char *name,
                    const char *source, uint32_t ref)
{
    struct definition *definition = must_alloc(sizeof(*definition));
    definition->id = graph_next_id(graph);
    definition->kind = kind;
    definition->name = must_strdup(name);
    definition->source = must_strdup(source);
    definition->cell = 1;
    definition->line = 1;
    definition_add_ref(definition, ref);
    uint32_t id = definition->id;
    graph_add(graph, definition);
    return id;
}

static void test_names(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t f1 = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 1;}", 0);
    uint32_t f2 = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 2;}", 0);
    CHECK_INT(graph_current(graph, "f")->id, f2);
    CHECK(!graph_is_current(graph, graph_get(graph, f1)));
    add(graph, DEFINITION_FUNCTION, "f", NULL, 0);
    CHECK_INT(graph_current(graph, "f")->id, f2);
    CHECK(!graph_current(graph, "g"));
    uint32_t macro = add(graph, DEFINITION_MACRO, "f", "#define f() 3", 0);
    CHECK_INT(graph_current(graph, "f")->id, macro);
    add(graph, DEFINITION_MACRO, "f", "#undef f", 0);
    CHECK_INT(graph_current(graph, "f")->id, f2);
    CHECK(graph_forget(graph, "f"));
    CHECK(!graph_forget(graph, "f"));
    CHECK(!graph_current(graph, "f"));
    CHECK(graph_get(graph, f2) != NULL);
    CHECK_INT(graph_count(graph), 5);
    CHECK_INT(graph_at(graph, 0)->id, f1);
    CHECK(!graph_at(graph, 5));
}

static void test_enumerators(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    for (int i = 0; i < 2; i++) {
        struct definition *definition = must_alloc(sizeof(*definition));
        definition->id = graph_next_id(graph);
        definition->kind = DEFINITION_TYPE;
        definition->name = must_strdup("enum colour");
        definition->source =
            must_strdup(i ? "enum colour {RED, BLUE};" : "enum colour {RED, GREEN};");
        definition_add_name(definition, "RED");
        definition_add_name(definition, i ? "BLUE" : "GREEN");
        definition_add_name(definition, "RED");
        CHECK_INT(definition->n_names, 2);
        graph_add(graph, definition);
    }
    CHECK_INT(graph_current(graph, "RED")->id, 2);
    CHECK_INT(graph_current(graph, "BLUE")->id, 2);
    CHECK(!graph_current(graph, "GREEN"));
    CHECK_INT(graph_current(graph, "enum colour")->id, 2);
}

static bool same_hash(const struct graph *graph, uint32_t a, uint32_t b)
{
    return memcmp(graph_get(graph, a)->hash, graph_get(graph, b)->hash,
                  DEFINITION_HASH_SIZE) == 0;
}

static void test_hashes(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t a = add(graph, DEFINITION_FUNCTION, "f", "int f(int x){return x;}", 0);
    uint32_t b = add(graph, DEFINITION_FUNCTION, "f",
                     "int  f( int x ) { // same\n return x; }", 0);
    uint32_t c = add(graph, DEFINITION_FUNCTION, "f", "int f(int x){return x+1;}", 0);
    CHECK(same_hash(graph, a, b));
    CHECK(!same_hash(graph, a, c));
    uint32_t d = add(graph, DEFINITION_FUNCTION, "g", "int g(void){return f(1);}", a);
    uint32_t e = add(graph, DEFINITION_FUNCTION, "g", "int g(void){return f(1);}", b);
    uint32_t h = add(graph, DEFINITION_FUNCTION, "g", "int g(void){return f(1);}", c);
    CHECK(same_hash(graph, d, e));
    CHECK(!same_hash(graph, d, h));
    uint32_t m1 = add(graph, DEFINITION_MACRO, "M", "#define M (x)", 0);
    uint32_t m2 = add(graph, DEFINITION_MACRO, "M", "#define M(x)", 0);
    CHECK(!same_hash(graph, m1, m2));
}

static void test_closure(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t type = add(graph, DEFINITION_TYPE, "struct s", "struct s {int x;};", 0);
    uint32_t old = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 1;}", 0);
    uint32_t g =
        add(graph, DEFINITION_FUNCTION, "g", "int g(struct s *p){return f();}", old);
    uint32_t new_type = add(graph, DEFINITION_TYPE, "struct s", "struct s {long x;};", 0);
    uint32_t counter = add(graph, DEFINITION_VARIABLE, "n", "int n;", 0);
    uint32_t now =
        add(graph, DEFINITION_FUNCTION, "f", "int f(void){return n++;}", counter);
    uint32_t user = add(graph, DEFINITION_FUNCTION, "h", "struct s h; ", type);
    const struct definition **list = NULL;
    size_t n = 0;
    graph_closure(graph, (uint32_t[]){g, user, 999}, 3, &list, &n);
    CHECK_INT(n, 5); /* type, g, counter, the f of now, h */
    CHECK_INT(list[0]->id, type);
    CHECK_INT(list[1]->id, g);
    CHECK_INT(list[2]->id, counter);
    CHECK_INT(list[3]->id, now);
    CHECK_INT(list[4]->id, user);
    CHECK(new_type != type);
    free(list);
}

static void test_pack(void)
{
    struct definition d = {
        .id = 7, .kind = DEFINITION_VARIABLE, .name = must_strdup("x")};
    d.source = must_strdup("int x = 3;");
    d.cell = 2, d.line = 3, d.column = 4, d.type = 5;
    d.needs_cc = d.is_stale = true;
    definition_add_name(&d, "struct y");
    definition_add_ref(&d, 9);
    definition_add_ref(&d, 3);
    definition_add_ref(&d, 9);
    definition_add_ref(&d, 7);
    CHECK_INT(d.n_refs, 2);
    d.sites = must_alloc(sizeof(*d.sites));
    d.sites[0] = (struct allocation_site){4, 8};
    d.n_sites = 1;
    struct buffer bytes = {0}, again = {0};
    definition_pack(&d, &bytes);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    struct definition *copy = NULL;
    struct error err = {0};
    if (CHECK_OK(definition_unpack(&in, &copy, &err), err)) {
        CHECK(unpack_done(&in));
        CHECK_INT(copy->refs[0], 3);
        CHECK_STRING(copy->declaration, NULL);
        definition_pack(copy, &again);
        CHECK(again.size == bytes.size &&
              memcmp(again.data, bytes.data, again.size) == 0);
    }
    for (size_t size = 0; size < bytes.size; size++) {
        struct definition *none = NULL;
        in = unpack_init(bytes.data, size);
        CHECK(definition_unpack(&in, &none, NULL) < 0);
    }
    definition_free(copy);
    definition_free(memcpy(must_alloc(sizeof(d)), &d, sizeof(d)));
    buffer_clear(&bytes);
    buffer_clear(&again);
}

/* Definitions and forgotten names make the same names again. */
static void test_forgotten(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    CLEANUP(graph_freep) struct graph *again = graph_new();
    struct graph *both[] = {graph, again};
    for (size_t i = 0; i < 2; i++) {
        add(both[i], DEFINITION_FUNCTION, "f", "int f(void){return 1;}", 0);
        add(both[i], DEFINITION_MACRO, "f", "#define f(x) x", 0);
        add(both[i], DEFINITION_MACRO, "K", "#define K 1", 0);
        add(both[i], DEFINITION_VARIABLE, "v", "int v;", 0);
    }
    CHECK(graph_forget(graph, "f")); /* the macro hides the function */
    CHECK_INT(graph_current(graph, "f")->kind, DEFINITION_FUNCTION);
    CHECK(graph_forget(graph, "#K") && !graph_forget(graph, "#v"));
    CHECK(graph_forget(graph, "v"));
    CLEANUP(buffer_clear) struct buffer list = {0};
    graph_pack_forgotten(graph, &list);
    struct unpack in = unpack_init(list.data, list.size);
    size_t n = unpack_count(&in);
    CHECK_INT(n, 3);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *name = unpack_string(&in);
        CHECK(graph_forget(again, name));
    }
    CHECK(unpack_done(&in));
    CHECK_INT(graph_current(again, "f")->kind, DEFINITION_FUNCTION);
    CHECK(!graph_current(again, "K") && !graph_current(again, "v"));
}

/* Old versions go; what names, references of current definitions, roots and marks lead to
 * stays, and ids are not given again. */
static void test_prune(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t type = add(graph, DEFINITION_TYPE, "struct s", "struct s {int a;};", 0);
    uint32_t root = add(graph, DEFINITION_MACRO, "K", "#define K 0", 0);
    uint32_t g = add(graph, DEFINITION_FUNCTION, "g", "int g(void){return 0;}", 0);
    uint32_t user = add(graph, DEFINITION_FUNCTION, "user", "struct s user(void);", type);
    uint32_t caller = add(graph, DEFINITION_FUNCTION, "caller", "int caller(void);", g);
    uint32_t middle = 0;
    graph_prune(graph, &root, 1);
    CHECK_INT(graph_count(graph), 5);
    while (!graph_is_prune_due(graph)) {
        add(graph, DEFINITION_TYPE, "struct s", "struct s {int b;};", 0);
        add(graph, DEFINITION_MACRO, "K", "#define K 1", 0);
        middle = add(graph, DEFINITION_FUNCTION, "g", "int g(void){return 1;}", 0);
    }
    uint32_t next = graph_next_id(graph);
    graph_prune(graph, &root, 1);
    CHECK_INT(graph_next_id(graph), next);
    CHECK(graph_count(graph) < 12);
    CHECK(graph_get(graph, type) && graph_get(graph, user) && graph_get(graph, root));
    CHECK(graph_get(graph, g) &&
          graph_get(graph, caller)); /* the name of what it calls */
    CHECK_INT(graph_current(graph, "g")->id, middle);
    struct graph_mark mark = graph_mark(graph);
    while (!graph_is_prune_due(graph))
        add(graph, DEFINITION_FUNCTION, "g", "int g(void){return 2;}", 0);
    graph_prune(graph, NULL, 0);
    CHECK(graph_get(graph, middle) != NULL);
    graph_rewind(graph, mark);
    CHECK_INT(graph_current(graph, "g")->id, middle);
    CHECK(graph_next_id(graph) > next);
}

static void test_many(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    clock_t start = clock();
    char name[32], source[64];
    for (int i = 1; i <= 20000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(source, sizeof(source), "int f%d(void){return f%d();}", i, i - 1);
        add(graph, DEFINITION_FUNCTION, name, source, (uint32_t)i - 1);
    }
    for (int i = 1; i <= 20000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        CHECK_INT(graph_current(graph, name)->id, i);
    }
    const struct definition **list = NULL;
    size_t n = 0;
    graph_closure(graph, (uint32_t[]){20000}, 1, &list, &n);
    CHECK_INT(n, 20000);
    free(list);
    CHECK((clock() - start) / CLOCKS_PER_SEC < 5);
}

/* What the graph shows of itself: names, what they mean, and how many nodes there are. */
static void check_state(const struct graph *graph, size_t n, uint32_t f, uint32_t point,
                        uint32_t red)
{
    const char *const names[] = {"f", "struct point", "RED"};
    const uint32_t expected[] = {f, point, red};
    CHECK_INT(graph_count(graph), n);
    for (int i = 0; i < 3; i++) {
        const struct definition *now = graph_current(graph, names[i]);
        CHECK_INT(now ? now->id : 0, expected[i]);
    }
}

static void test_rewind(void)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t f = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 1;}", 0);
    uint32_t point = add(graph, DEFINITION_TYPE, "struct point", "struct point{};", 0);
    struct graph_mark first = graph_mark(graph);
    uint32_t g = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 2;}", 0);
    uint32_t red = add(graph, DEFINITION_MACRO, "RED", "#define RED 1", 0);
    struct graph_mark second = graph_mark(graph);
    CHECK(graph_forget(graph, "struct point"));
    add(graph, DEFINITION_MACRO, "RED", "#undef RED", 0);
    check_state(graph, 5, g, 0, 0);
    CHECK(graph_may_return(graph, graph_get(graph, f)));
    CHECK(graph_may_return(graph, graph_get(graph, point)));
    graph_rewind(graph, second);
    check_state(graph, 5, g, point, red);
    graph_rewind(graph, second);
    check_state(graph, 5, g, point, red);
    graph_rewind(graph, first);
    check_state(graph, 3, f, point, 0); /* f, the type and what has the last id */
    CHECK_INT(graph_next_id(graph), 6);
    CHECK(!graph_is_current(graph, graph_get(graph, 5)));

    g = add(graph, DEFINITION_FUNCTION, "f", "int f(void){return 3;}", 0);
    graph_forget_marks(graph, graph_mark(graph));
    CHECK(!graph_may_return(graph, graph_get(graph, f)));
    second = graph_mark(graph);
    graph_forget(graph, "f");
    graph_rewind(graph, second);
    check_state(graph, 4, g, point, 0);
    CHECK_INT(graph_next_id(graph), 7);
}

int main(void)
{
    test_names();
    test_rewind();
    test_enumerators();
    test_hashes();
    test_closure();
    test_pack();
    test_forgotten();
    test_prune();
    test_many();
    return check_status();
}
