/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names across units: trampolines and storage under redefinition, units that change all
 * names or none, and the way back from addresses to names, lines and allocation sites. */
#include "pickler/code/names.h"

#include <errno.h>
#include <setjmp.h>

#include "pickler/code/cc.h"
#include "pickler/code/tcc.h"
#include "tests/unit/check.h"

static struct arena arena;
static struct names names;
static jmp_buf undefined_called;
static const char *undefined_name;

static void undefined(const char *name)
{
    undefined_name = name;
    longjmp(undefined_called, 1);
}

static int replaced_abs(int n)
{
    return n + 1000;
}

static void *replacement(const char *name)
{
    return strcmp(name, "abs") ? NULL : (void *)replaced_abs;
}

static struct unit *load_object(const struct compiled *compiled,
                                const struct name_binding *bindings, size_t n,
                                struct error *err)
{
    struct unit *unit = NULL;
    *err = (struct error){0};
    if (!compiled->is_ok)
        error_set(err, -EINVAL, "%s", buffer_string(&compiled->messages));
    else if (names_load(&names, compiled->object.data, compiled->object.size, bindings, n,
                        &unit, err) < 0)
        return NULL;
    return unit;
}

static struct unit *load(const char *text, const struct name_binding *bindings, size_t n,
                         struct error *err)
{
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    if (tcc_compile(text, NULL, 0, &compiled, err) < 0)
        return NULL;
    return load_object(&compiled, bindings, n, err);
}

static struct unit *must_load(const char *text, const struct name_binding *bindings,
                              size_t n)
{
    struct error err = {0};
    struct unit *unit = load(text, bindings, n, &err);
    if (!CHECK(unit != NULL))
        fprintf(stderr, "  %s\n", err.text);
    return unit;
}

static int call(const struct unit *unit, const char *name)
{
    int (*function)(void) = (int (*)(void))(void *)image_address(unit->image, name);
    return CHECK(function != NULL) ? function() : -1;
}

#define N(bindings) (sizeof(bindings) / sizeof(*bindings))

static void test_variables(void)
{
    static const struct name_binding first[] = {
        {NAME_VARIABLE, "x", "x__achar1", 3, false, 0, false},
        {NAME_VARIABLE, "q", "q__achar2", 4, false, 0, false},
        {NAME_VARIABLE, "big", "big__achar3", 5, false, 0, false}};
    must_load("int x__achar1 = 5; extern int x; int *q__achar2 = &x;\n"
              "double big__achar3[100000000];",
              first, N(first));
    const struct name *x = names_find(&names, "x"), *q = names_find(&names, "q");
    int *storage = (int *)(void *)x->storage;
    CHECK_INT(*storage, 5);
    CHECK(*(int **)(void *)q->storage == storage);
    *storage = 77;

    static const struct name_binding same[] = {
        {NAME_VARIABLE, "x", "x__achar4", 3, false, 0, false}};
    must_load("int x__achar4 = 6;", same, 1);
    CHECK(x->storage == (char *)storage && *storage == 6);
    must_load("int x__achar4;", same, 1); /* of .bss: zero again */
    CHECK_INT(*storage, 0);
    static const struct name_binding other[] = {
        {NAME_VARIABLE, "x", "x__achar5", 9, false, 0, false}};
    must_load("double x__achar5 = 1.5;", other, 1);
    CHECK(x->storage != (char *)storage && *(double *)(void *)x->storage == 1.5);
    CHECK(names_variable(&names, storage) == NULL);

    const struct name *big = names_find(&names, "big");
    CHECK_INT(big->size, 800000000);
    CHECK(names_variable(&names, big->storage + 399999999) == big);
    CHECK(names_variable(&names, big->storage + big->size) == big); /* behind its end */
    CHECK(names_variable(&names, big->storage + big->size + 1) == NULL);
}

static void test_functions(void)
{
    static const struct name_binding one[] = {
        {NAME_FUNCTION, "f", "f__achar10", 0, false, 0, false},
        {NAME_DECLARED, "g", NULL, 0, false, 0, false}};
    struct unit *unit = must_load("int f(void); int g(void); int (*p)(void) = f;\n"
                                  "int f__achar10(void) { return 10; }\n"
                                  "int call(void) { return f() + p() + (p == f); }\n"
                                  "int call_g(void) { return g(); }",
                                  one, N(one));
    CHECK_INT(call(unit, "call"), 21);
    if (setjmp(undefined_called) == 0)
        call(unit, "call_g");
    CHECK_STRING(undefined_name, "g");

    static const struct name_binding two[] = {
        {NAME_FUNCTION, "f", "f__achar11", 0, false, 0, false},
        {NAME_FUNCTION, "g", "g__achar12", 0, false, 0, false}};
    must_load("int f(void); int f__achar11(void) { return 20; }\n"
              "int g__achar12(void) { return f(); }",
              two, N(two));
    CHECK_INT(call(unit, "call"), 41);
    CHECK_INT(call(unit, "call_g"), 20);

    /* recursion through the name reaches the newest body as well */
    static const struct name_binding self[] = {
        {NAME_FUNCTION, "fib", "fib__achar13", 0, false, 0, false}};
    unit = must_load("int fib(int); int fib__achar13(int n)\n"
                     "{ return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
                     "int call(void) { return fib(10); }",
                     self, 1);
    CHECK_INT(call(unit, "call"), 55);
    unit = must_load("#include <stdlib.h>\nint call(void) { return abs(-1); }", NULL, 0);
    CHECK_INT(call(unit, "call"), 999);
}

static void test_all_or_nothing(void)
{
    static const struct name_binding bindings[] = {
        {NAME_VARIABLE, "fresh", "fresh__achar1", 3, false, 0, false},
        {NAME_FUNCTION, "f", "f__achar14", 0, false, 0, false}};
    struct error err;
    size_t used = arena.parts[ARENA_DATA].used, n = names.n;
    int *f_body = (int *)(void *)names_find(&names, "f")->body;
    CHECK(!load("int nowhere(void); int fresh__achar1 = 1;\n"
                "int f__achar14(void) { return nowhere(); }",
                bindings, 2, &err));
    CHECK_STRING(err.text, "undefined symbol 'nowhere'");
    CHECK(!load("int f__achar14(void) { return 1; }", bindings, 2, &err));
    CHECK_STRING(err.text, "the unit does not define 'fresh__achar1'");
    CHECK(names_find(&names, "fresh") == NULL);
    CHECK((int *)(void *)names_find(&names, "f")->body == f_body);
    CHECK_INT(names.n, n);
    CHECK_INT(arena.parts[ARENA_DATA].used, used);
}

static void test_way_back(void)
{
    static const struct name_binding bindings[] = {
        {NAME_FUNCTION, "h", "h__achar20", 0, false, 0, false},
        {NAME_VARIABLE, "s", "s__achar21", 3, false, 0, false}};
    struct unit *unit =
        must_load("#line 7 \"In[4]\"\n#include <string.h>\n"
                  "char *s__achar21 = \"literal\";\n"
                  "int h__achar20(void) {\n  return strlen(\"other\");\n}\n"
                  "static int k; int *k_at(void) { return &k; }",
                  bindings, N(bindings));
    bool is_library = true;
    const struct name *h = names_find(&names, "h");
    CHECK_STRING(names_function(&names, h->trampoline, &is_library), "h");
    CHECK(!is_library);
    CHECK_STRING(names_function(&names, h->body, &is_library), "h");
    CHECK(names_function(&names, h->body + 1, &is_library) == NULL);
    CHECK_STRING(names_function(&names, (void *)strlen, &is_library), "strlen");
    CHECK(is_library);

    char *literal, *start;
    size_t size;
    memcpy(&literal, names_find(&names, "s")->storage, sizeof(literal));
    CHECK(names_literal(&names, literal + 3, &start, &size));
    CHECK(start == literal && size == 8);

    char text[64];
    CHECK(names_code(&names, h->body + 5, text, sizeof(text)));
    CHECK_STRING(text, "h");
    const struct line_entry *line = lines_find(&unit->lines, h->body + 5);
    CHECK(line && line->cell == 4 && (line->line == 9 || line->line == 10));
    unit_add_site(unit, 4, line->line, 33);
    CHECK_INT(names_site_type(&names, h->body + 5), 33);
    CHECK_INT(lines_cell("In[12]", 6), 12);
    CHECK_INT(lines_cell("/tmp/In[3]", 10), 3);
    CHECK_INT(lines_cell("xIn[3]", 6), 0);
    CHECK_INT(lines_cell("In[]", 4), 0);
    CHECK_INT(lines_cell("a.c", 3), 0);
}

static void test_way_back_cc(const char *compiler)
{
    static const char text[] =
        "#line 1 \"In[9]\"\nunsigned long strlen(const char *);\n"
        "const char *volatile t = \"abc\";\n"
        "__attribute__((noinline)) int deep__achar30(int *p) {\n"
        "  int a = *p;\n  t = \"xyz\";\n  return a / *p + strlen(t);\n}\n";
    setenv("ACHAR_CC", compiler, 1);
    CLEANUP(freep) char *found = cc_find(), *messages = NULL;
    if (!found) {
        fprintf(stderr, "%s is not installed: skipped\n", compiler);
        return;
    }
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    struct cc_options options = {.wake_fd = -1};
    struct error err = {0};
    compiled.is_ok = cc_compile(text, &options, &compiled.object, &messages, &err) == 0;
    static const struct name_binding bindings[] = {
        {NAME_FUNCTION, "deep", "deep__achar30", 0, false, 0, false}};
    struct unit *unit = load_object(&compiled, bindings, 1, &err);
    if (!CHECK(unit != NULL)) {
        fprintf(stderr, "  %s\n", err.text);
        return;
    }
    bool has_5 = false, has_6 = false, is_wrong = false;
    for (size_t i = 0; i < unit->lines.n; i++) {
        has_5 |= unit->lines.entries[i].line == 5;
        has_6 |= unit->lines.entries[i].line == 6;
        is_wrong |= unit->lines.entries[i].cell != 9;
    }
    if (!CHECK(has_5 && has_6 && !is_wrong))
        for (size_t i = 0; i < unit->lines.n; i++)
            fprintf(stderr, "  %s: In[%u]:%u\n", compiler, unit->lines.entries[i].cell,
                    unit->lines.entries[i].line);
    char *literal, *start;
    size_t size;
    int one = 1;
    ((int (*)(int *))(void *)names_find(&names, "deep")->trampoline)(&one);
    memcpy(&literal, image_address(unit->image, "t"), sizeof(literal));
    CHECK(names_literal(&names, literal + 1, &start, &size));
    CHECK(start == literal && size == 4);
}

/* Two levels, in a loop: everywhere in them the ways in are told, with their lines. */
static void test_inlined(const char *compiler)
{
    static const char text[] =
        "#line 1 \"In[7]\"\nint __attribute__((always_inline)) inner(int *p) {\n"
        "  return *p / 3; }\n#line 1 \"In[8]\"\n"
        "int __attribute__((always_inline)) middle(int *p) {\n  return inner(p) + 1; }\n"
        "int outer__achar31(int *p, int n) {\n  int s = 0;\n"
        "  for (int i = 0; i < n; i++)\n    s ^= middle(p + i);\n  return s; }\n";
    setenv("ACHAR_CC", compiler, 1);
    CLEANUP(freep) char *found = cc_find(), *messages = NULL;
    if (!found)
        return;
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    struct cc_options options = {.wake_fd = -1, .is_whole = true};
    struct error err = {0};
    compiled.is_ok = cc_compile(text, &options, &compiled.object, &messages, &err) == 0;
    static const struct name_binding bindings[] = {
        {NAME_FUNCTION, "outer", "outer__achar31", 0, false, 0, false}};
    struct unit *unit = load_object(&compiled, bindings, 1, &err);
    if (!CHECK(unit != NULL))
        return;
    const struct image_symbol *symbol = image_symbol(unit->image, "outer__achar31");
    size_t n_inner = 0, n_none = 0;
    for (size_t i = 0; i < symbol->size; i++) {
        const struct line_inlined *found_at[INLINED_DEPTH_MAX];
        size_t n = lines_inlined(&unit->lines, symbol->address + i, found_at, 32);
        if (n == 2) {
            n_inner++;
            CHECK_STRING(found_at[0]->name, "inner");
            CHECK(found_at[0]->cell == 8 && found_at[0]->line == 2);
        }
        if (n && !CHECK_STRING(found_at[n - 1]->name, "middle"))
            break;
        if (n)
            CHECK(found_at[n - 1]->cell == 8 && found_at[n - 1]->line == 6);
        n_none += n == 0;
    }
    CHECK(n_inner > 0 && n_none > 0);
    char shown[8];
    names_plain("f.part.0", shown, sizeof(shown));
    CHECK_STRING(shown, "f");
}

int main(void)
{
    static const struct names_hooks hooks = {replacement, undefined};
    struct error err = {0};
    CHECK_OK(arena_init(&arena, ARENA_SIZE_MAX, &err), err);
    CHECK_OK(names_init(&names, &arena, &hooks, &err), err);
    test_variables();
    test_functions();
    test_all_or_nothing();
    test_way_back();
    test_way_back_cc("gcc");
    test_way_back_cc("clang-19");
    test_inlined("gcc");
    test_inlined("clang-19");
    names_clear(&names);
    arena_clear(&arena);
    return check_status();
}
