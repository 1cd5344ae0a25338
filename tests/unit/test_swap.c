/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Optimised units: roots that take the place of bodies and go back, calls inside the unit
 * that are direct while addresses are trampolines; by gcc and by clang. */
#include "pickler/code/swap.h"

#include <errno.h>
#include <stdio.h>

#include "pickler/code/cc.h"
#include "tests/unit/check.h"

static struct arena arena;
static struct names names;

static void undefined(const char *name)
{
    fprintf(stderr, "call of undefined '%s'\n", name);
    abort();
}

static bool compile(const char *text, bool is_whole, struct buffer *ret)
{
    struct cc_options options = {.wake_fd = -1, .is_whole = is_whole};
    CLEANUP(freep) char *messages = NULL;
    struct error err = {0};
    int r = cc_compile(text, &options, ret, &messages, &err);
    if (!CHECK_INT(r, 0))
        fprintf(stderr, "  %s\n", messages ? messages : err.text);
    return r == 0;
}

static struct unit *load(const char *text, const struct name_binding *bindings, size_t n)
{
    CLEANUP(buffer_clear) struct buffer object = {0};
    struct unit *unit = NULL;
    struct error err = {0};
    if (compile(text, false, &object))
        CHECK_OK(names_load(&names, object.data, object.size, bindings, n, &unit, &err),
                 err);
    return unit;
}

static int swap(uint32_t serial, const char *text, const struct swap_member *members,
                size_t n)
{
    CLEANUP(buffer_clear) struct buffer object = {0};
    struct unit *unit = NULL;
    struct error err = {0};
    return compile(text, true, &object) ? swap_in(&names, serial, object.data,
                                                  object.size, members, n, &unit, &err)
                                        : -EIO;
}

static int call(const char *name)
{
    int (*function)(void) = (int (*)(void))names_resolve(&names, name);
    return CHECK(function != NULL) ? function() : -1;
}

static bool is_optimised(const char *name)
{
    return swap_is_optimised(names_find(&names, name));
}

static struct name_binding function(const char *name, const char *symbol,
                                    uint32_t version)
{
    return (struct name_binding){
        .kind = NAME_FUNCTION, .name = name, .symbol = symbol, .version = version};
}

#define N(list) (sizeof(list) / sizeof(*list))

static const char *const first_text =
    "extern int x; int x__achar9 = 5; int g(void); int f(void); int h(void);\n"
    "int (*g_address(void))(void); int where(void);\n"
    "int g__achar1(void) { return 1; } int f__achar2(void) { return g() * 10 + x; }\n"
    "int h__achar3(void) { return 7; } int where__achar4(void) { return 0; }\n"
    "int (*stored)(void) = g;\n";
static const char *const whole_text =
    "extern int x __attribute__((visibility(\"hidden\"))); int g(void) { return 1; }\n"
    "static int (*const table[])(void) = {g};\n"
    "int f(void) { return g() * 10 + x + 100; } int h(void) { return 8; }\n"
    "int where(void) { int (*volatile p)(void) = g; int (*volatile q)(void) = table[0];\n"
    "    extern int (*stored)(void); return p == stored && q == stored; }\n";

static void load_first(void)
{
    const struct name_binding bindings[] = {
        function("g", "g__achar1", 1),
        function("f", "f__achar2", 2),
        function("h", "h__achar3", 3),
        function("where", "where__achar4", 4),
        {.kind = NAME_VARIABLE, .name = "x", .symbol = "x__achar9", .type = 1},
        {.kind = NAME_VARIABLE, .name = "stored", .symbol = "stored", .type = 2}};
    load(first_text, bindings, N(bindings));
    CHECK_INT(call("f"), 15);
}

static const uint32_t needs_g[] = {0};
static const struct swap_member members[] = {{"g", 1, true, NULL, 0},
                                             {"f", 2, true, needs_g, 1},
                                             {"h", 3, true, NULL, 0},
                                             {"where", 4, true, NULL, 0}};

static void test_swap(void)
{
    CHECK_INT(swap(1, whole_text, members, N(members)), 0);
    CHECK(is_optimised("f") && is_optimised("h"));
    CHECK_INT(call("f"), 115);
    CHECK_INT(call("h"), 8);
    CHECK_INT(call("where"), 1); /* an address is the trampoline, in tables, too */
    *(int *)(void *)names_find(&names, "x")->storage = 6;
    CHECK_INT(call("f"), 116);
    CHECK_INT(swap(1, whole_text, members, N(members)), -EEXIST);
}

/* A new helper takes back those that may hold it, and no others. */
static void test_take_back(void)
{
    const struct name_binding again[] = {function("g", "g__achar5", 5)};
    load("int g__achar5(void) { return 2; }", again, 1);
    CHECK(!is_optimised("f") && !is_optimised("g") && is_optimised("h"));
    CHECK_INT(call("f"), 26);
    CHECK_INT(call("h"), 8);
    CHECK_INT(swap(2, whole_text, members, N(members)), -ESTALE);
    CHECK_INT(call("f"), 26);
}

static void test_newer_unit(void)
{
    const struct swap_member only_f[] = {{"g", 5, false, NULL, 0},
                                         {"f", 2, true, needs_g, 1}};
    const char *text = "extern int x; int g(void) { return 2; }\n"
                       "int f(void) { return g() * 10 + x + 200; }\n";
    CHECK_INT(swap(3, text, only_f, 2), 0);
    CHECK_INT(call("f"), 226);
    CHECK(!is_optimised("g"));              /* compiled in, but no root */
    CHECK_INT(swap(4, text, only_f, 2), 0); /* takes the place of the other */
    CHECK_INT(names.n_swapped, 2);
    swap_take_back_all(&names);
    CHECK_INT(names.n_swapped, 0);
    CHECK_INT(call("f"), 26);
    CHECK_INT(call("h"), 7);
}

static void test_refusals(void)
{
    const struct swap_member lacks[] = {{"h", 3, true, NULL, 0}};
    const struct swap_member unknown[] = {{"nothing", 1, true, NULL, 0}};
    size_t used = arena.parts[ARENA_CODE].used;
    CHECK_INT(swap(5, "int other(void) { return 1; }", lacks, 1), -EINVAL);
    CHECK_INT(swap(5, "int nothing(void) { return 1; }", unknown, 1), -ESTALE);
    CHECK_INT(
        swap(5,
             "extern int x; __attribute__((constructor)) static void c(void) { x++; }\n"
             "int h(void) { return 1; }",
             lacks, 1),
        -EINVAL);
    CHECK_INT(swap(5, "int missing(void); int h(void) { return missing(); }", lacks, 1),
              -ENOENT);
    CHECK_INT(call("h"), 7);
    CHECK(arena.parts[ARENA_CODE].used <= used + 4096);
    CHECK_INT(names.n_swapped, 0);
}

static void test_forget(void)
{
    const struct swap_member both[] = {{"g", 5, true, NULL, 0},
                                       {"f", 2, true, needs_g, 1}};
    CHECK_INT(swap(6,
                   "extern int x; int g(void) { return 2; }\n"
                   "int f(void) { return g() * 10 + x + 300; }\n",
                   both, 2),
              0);
    CHECK_INT(call("f"), 326);
    names_forget(&names, "g");
    CHECK(!is_optimised("f"));
}

static void test_compiler(const char *compiler)
{
    const struct names_hooks hooks = {.undefined = undefined};
    struct error err = {0};
    setenv("ACHAR_CC", compiler, 1);
    CLEANUP(freep) char *path = cc_find();
    if (!path) {
        fprintf(stderr, "skipped: there is no %s\n", compiler);
        return;
    }
    CHECK_OK(arena_init(&arena, (size_t)64 << 20, &err), err);
    CHECK_OK(names_init(&names, &arena, &hooks, &err), err);
    load_first();
    test_swap();
    test_take_back();
    test_newer_unit();
    test_refusals();
    test_forget();
    names_clear(&names);
    arena_clear(&arena);
}

int main(void)
{
    test_compiler("gcc");
    test_compiler("clang-19");
    return check_status();
}
