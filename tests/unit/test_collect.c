/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What redefinitions leave behind is freed, and nothing else: units, optimised ones, old
 * storage, trampolines of old signatures. */
#include "pickler/code/collect.h"

#include <stdio.h>

#include "pickler/code/cc.h"
#include "pickler/code/swap.h"
#include "pickler/code/tcc.h"
#include "tests/unit/check.h"

static struct arena arena;
static struct names names;

static void undefined(const char *name)
{
    fprintf(stderr, "call of undefined '%s'\n", name);
    abort();
}

static void load(const char *text, const struct name_binding *bindings, size_t n)
{
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    struct unit *unit = NULL;
    struct error err = {0};
    CHECK_OK(tcc_compile(text, NULL, 0, &compiled, &err), err);
    CHECK_OK(names_load(&names, compiled.object.data, compiled.object.size, bindings, n,
                        &unit, &err),
             err);
}

static void define(enum name_kind kind, const char *text, const char *name,
                   const char *symbol, uint32_t type)
{
    static uint32_t version = 1;
    struct name_binding binding = {
        .kind = kind, .name = name, .symbol = symbol, .type = type, .version = version++};
    load(text, &binding, 1);
}

/* Collects now; `address` is all that memory outside shows. The number of units gone. */
static size_t collect(const void *address)
{
    names.collect_at = 0;
    struct collection *collection = collect_start(&names);
    if (!CHECK(collection != NULL))
        return 0;
    collect_scan(collection, &address, sizeof(address));
    return collect_finish(collection, true);
}

static int call(const char *name)
{
    int (*function)(void) = (int (*)(void))names_resolve(&names, name);
    return CHECK(function != NULL) ? function() : -1;
}

static void test_old_body(void)
{
    define(NAME_FUNCTION, "char *text__1(void) { return \"old\"; }", "text", "text__1",
           1);
    const char *(*text)(void) = (const char *(*)(void))names_resolve(&names, "text");
    const char *old = text();
    CHECK_INT(collect(NULL), 0);
    define(NAME_FUNCTION, "char *text__2(void) { return \"new\"; }", "text", "text__2",
           1);
    CHECK_INT(collect(old + 1), 0); /* its literal is pointed to */
    CHECK_STRING(old, "old");
    CHECK_INT(collect(NULL), 1);
    CHECK_STRING(text(), "new");
    CHECK_INT(names.n_units, 1);
}

static void test_incomplete(void)
{
    define(NAME_FUNCTION, "int f__1(void) { return 1; }", "f", "f__1", 2);
    define(NAME_FUNCTION, "int f__2(void) { return 2; }", "f", "f__2", 2);
    names.collect_at = 0;
    struct collection *collection = collect_start(&names);
    CHECK_INT(collect_finish(collection, false), 0);
    CHECK(!collect_start(&names)); /* not so soon again */
    CHECK_INT(collect(NULL), 1);
}

/* A function of another signature has another trampoline; the old one goes on calling the
 * old body while somebody has it. */
static void test_signature(void)
{
    define(NAME_FUNCTION, "int g__1(void) { return 10; }", "g", "g__1", 3);
    int (*old)(void) = (int (*)(void))names_resolve(&names, "g");
    define(NAME_FUNCTION, "int g__2(int a) { return a; }", "g", "g__2", 4);
    CHECK_INT(collect((const void *)old), 0);
    CHECK_INT(old(), 10);
    uintptr_t hidden = (uintptr_t)old;
#ifdef __x86_64__
    __asm__("xorq %%fs:0x30, %0; rolq $17, %0" : "+r"(hidden)); /* as in a jmp_buf */
#endif
    CHECK_INT(collect((const void *)hidden), 0);
    CHECK_INT(old(), 10);
    CHECK_INT(collect(NULL), 1);
    size_t n = names.n_trampolines, used = arena.parts[ARENA_CODE].used;
    for (uint32_t i = 0; i < 50; i++) {
        define(NAME_FUNCTION, "int g__3(int a) { return a + 3; }", "g", "g__3", 5 + i);
        collect(NULL);
    }
    CHECK(names.n_trampolines <= n + 1);
    CHECK(arena.parts[ARENA_CODE].used <= used + 4096);
    int (*now)(int) = (int (*)(int))names_resolve(&names, "g");
    CHECK_INT(now(4), 7);
}

/* Code calls by a distance, not by an address that could be seen in data. */
static void test_caller(void)
{
    define(NAME_FUNCTION, "int h__1(void) { return 5; }", "h", "h__1", 60);
    define(NAME_FUNCTION, "int h(void); int user__1(void) { return h() + 1; }", "user",
           "user__1", 61);
    define(NAME_FUNCTION, "int h__2(int a) { return a; }", "h", "h__2", 62);
    collect(NULL);
    CHECK_INT(call("user"), 6); /* the signature it was compiled for */
}

static void test_storage(void)
{
    define(NAME_VARIABLE, "int v__1 = 3;", "v", "v__1", 70);
    int *old = (int *)names_resolve(&names, "v");
    define(NAME_FUNCTION, "char *k__1(void) { return \"kept\"; }", "k", "k__1", 71);
    char *(*k)(void) = (char *(*)(void))names_resolve(&names, "k");
    define(NAME_VARIABLE, "char *p__1;", "p", "p__1", 72);
    char **p = (char **)names_resolve(&names, "p"), *text = *p = k();
    define(NAME_FUNCTION, "char *k__2(void) { return \"other\"; }", "k", "k__2", 71);
    define(NAME_VARIABLE, "double v__2 = 4;", "v", "v__2", 73);
    define(NAME_VARIABLE, "long p__2;", "p", "p__2", 74);
    CHECK(old != names_resolve(&names, "v"));
    collect(old);
    CHECK_INT(*old, 3);
    CHECK_INT(names.n_left, 1); /* `p` as it was is gone, and so is what it led to */
    define(NAME_VARIABLE, "char *q__1;", "q", "q__1", 75);
    char **q = (char **)names_resolve(&names, "q");
    *q = text = k();
    define(NAME_VARIABLE, "long q__2;", "q", "q__2", 76);
    define(NAME_FUNCTION, "char *k__3(void) { return \"last\"; }", "k", "k__3", 71);
    collect(q); /* old storage leads to old code */
    CHECK_STRING(text, "other");
    CHECK_INT(names.n_left, 1);
    collect(NULL);
    CHECK_INT(names.n_left, 0);
    size_t used = arena.parts[ARENA_DATA].used;
    for (uint32_t i = 0; i < 50; i++) {
        define(NAME_VARIABLE, "long v__3[100];", "v", "v__3", 80 + i);
        collect(NULL);
    }
    CHECK(arena.parts[ARENA_DATA].used <= used + 4096);
}

/* An optimised unit goes when its place is taken; the body that waits behind it stays. */
static void test_optimised(void)
{
    CLEANUP(buffer_clear) struct buffer object = {0};
    CLEANUP(freep) char *messages = NULL;
    struct cc_options options = {.wake_fd = -1, .is_whole = true};
    struct unit *unit = NULL;
    struct error err = {0};
    if (cc_compile("int o(void) { return 100; }", &options, &object, &messages, &err) !=
        0) {
        fprintf(stderr, "skipped: there is no cc\n");
        return;
    }
    define(NAME_FUNCTION, "int o__1(void) { return 1; }", "o", "o__1", 140);
    collect(NULL);
    size_t n = names.n_units;
    for (uint32_t serial = 1; serial < 10; serial++) {
        struct swap_member member = {
            .name = "o", .version = names_find(&names, "o")->version, .is_root = true};
        CHECK_OK(
            swap_in(&names, serial, object.data, object.size, &member, 1, &unit, &err),
            err);
        CHECK_INT(collect(NULL), serial > 1); /* the one before */
        CHECK_INT(call("o"), 100);
    }
    swap_take_back_all(&names);
    CHECK_INT(collect(NULL), 1);
    CHECK_INT(call("o"), 1);
    CHECK_INT(names.n_units, n);
}

/* What stands in for a function that is gone goes when the function comes back. */
static void test_thunks(void)
{
    size_t used = arena.parts[ARENA_CODE].used;
    for (int i = 0; i < 200; i++) {
        names_forget(&names, "f");
        define(NAME_FUNCTION, "int f__3(void) { return 3; }", "f", "f__3", 2);
        collect(NULL);
    }
    CHECK_INT(call("f"), 3);
    CHECK_INT(names.n_left, 0);
    CHECK(arena.parts[ARENA_CODE].used <= used + 4096);
}

int main(void)
{
    const struct names_hooks hooks = {.undefined = undefined};
    struct error err = {0};
    CHECK_OK(arena_init(&arena, (size_t)64 << 20, &err), err);
    CHECK_OK(names_init(&names, &arena, &hooks, &err), err);
    test_old_body();
    test_incomplete();
    test_signature();
    test_caller();
    test_storage();
    test_optimised();
    test_thunks();
    names_clear(&names);
    arena_clear(&arena);
    return check_status();
}
