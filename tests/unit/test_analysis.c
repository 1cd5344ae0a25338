/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cells through the analysis: what they define, what is said about mistakes, and that the
 * unit of every good cell compiles with libtcc (unless it must not) and with gcc. */
#include <libtcc.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/analysis.h"
#include "tests/unit/check.h"

/* Steps name only what they expect. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct step {
    const char *cell;
    /* "kind name" of each definition in order of id, separated by blanks and commas; "!"
     * and a part of the first error's text; NULL: only that it compiles. */
    const char *expected;
    const char *value;   /* spelling of the value's type, NULL: no value */
    const char *warning; /* a part of a warning's text */
    bool needs_cc;
};

static const struct step steps[] = {
    {"int x = 3; int f(int a) { return a + x; } f(4)", "variable x, function f", "int"},
    {"f(x)", "", "int"},
    {"int x = 5; x++;", "variable x"},
    {"x;", ""},
    {"(void)x", ""},
    /* declarators, one definition each */
    {"struct point { int x, y; } origin = { 1, 2 }, *po = &origin;",
     "type struct point, variable origin, variable po"},
    {"origin", "", "struct point"},
    {"typedef struct node { struct node *next; struct { int a; } in[2]; "
     "union { int i; float f; }; } node_t; node_t *head, first;",
     "type node_t, variable head, variable first"},
    {"first.in", "", "__typeof__(__typeof__(((struct node *)0)->in[0]))[2]"},
    {"enum color { RED, GREEN = 5 } col = GREEN; col", "type enum color, variable col",
     "enum color"},
    {"struct { int a; } anonymous = { 3 }; anonymous.a", NULL, "int"},
    {"int (*table[2])(int) = { f, f }, *grid[3][4], (*row)[5]; table[0]",
     "variable table, variable grid, variable row", "int (*)(int)"},
    /* initialisers that run */
    {"int y = f(2), z = y + 1, list[] = { y, z, 3 }; list",
     "variable y, variable z, variable list", "int[3]"},
    {"const double half = 0.5; double d = half; const char *const s = \"abc\"; s",
     "variable half, variable d, variable s", "const char *"},
    /* static locals */
    {"static int count(void) { static int n = 1, *p = &n; return n++ + *p; } count",
     "function count, variable count__static_n_0, variable count__static_p_1",
     "int (*)(void)"},
    {"int op(int i) { static void *l[] = { &&a, &&b }; goto *l[i]; a: return 1; b: "
     "return 2; }",
     "function op"},
    /* macros, headers */
    {"#define SQ(x) ((x) * (x))\nint sq(int a) { return SQ(a); }",
     "macro SQ, function sq"},
    {"#include <stdio.h>\n#include <math.h>\nFILE *log_file = stdout;\nprintf(\"%f\\n\", "
     "sqrt(2));\nfabs(-M_PI)",
     "include <stdio.h>, include <math.h>, variable log_file", "double"},
    {"#include <assert.h>\nvoid check(int v) { assert(v); }",
     "include <assert.h>, function check"},
    {"isnan(d) + isfinite(d)", "", "int"},
    {"#define DEF(T, n) T n = 3; T get_##n(void) { return n; }\nDEF(int, "
     "alpha)\nget_alpha()",
     "macro DEF, variable alpha, function get_alpha", "int"},
    {"#if 0\nint left_out;\n#else\nint taken = 1;\n#endif\ntaken", "variable taken",
     "int"},
    {"#pragma pack(1)\nstruct packed { char c; int i; };\n#pragma pack()\nsizeof(struct "
     "packed)",
     "type struct packed", "unsigned long"},
    {"typedef struct alone; int after_alone = 1;",
     "type struct alone, variable after_alone"},
    {"typedef struct tree tree; struct tree { tree *l; }; tree leaf;",
     "type tree, type struct tree, variable leaf"},
    {"int fwd(int); int use(int a) { return fwd(a); } int fwd(int a) { return a; }",
     "function use, function fwd"},
    {"later(1) + 1;\nint early(int n) { return n ? later(n - 1) : 0; }\n"
     "static int later(int n) { return n ? early(n - 1) : 1; }",
     "function early, function later"},
    {"#define W 2\nstruct w2 { int at[W]; };\n#undef W\n#define W 3\n"
     "struct w3 { int at[W]; };",
     "macro W, type struct w2, macro W, macro W, type struct w3"},
    {"struct w2 a2; struct w3 a3; _Static_assert(sizeof(a2) == 8 && sizeof(a3) == 12, "
     "\"W\");",
     "variable a2, variable a3"},
    {"int declared(int); extern int elsewhere;", "function declared, variable elsewhere"},
    {"int old(a, b) int a; long b; { return a + b; }", "function old"},
    {"int main(int argc, char **argv) { return argc; }", "function main"},
    {"for (int i = 0; i < 3; i++) { list[i] = i; }\nif (x) x++;\nelse { x = 0; }", ""},
    {"const char *where(void) { return __func__; }", "function where"},
    {"#ifdef _WIN32\n#include <winsock2.h>\n#else\n#include <unistd.h>\n#endif\ngetpid()",
     "include <unistd.h>", "__pid_t"},
    {"enum later *unknown; int sized(void) {\n#define N 4\n static int a[N]; return "
     "a[0]; }",
     NULL},
    {"int inner(void) { enum { M = 2 }; static int a[M]; return a[1]; }",
     "function inner"},
    {"struct pair { int a, b; } make(void) { struct pair p = { 1, 2 }; return p; } "
     "make()",
     "type struct pair, function make", "struct pair"},
    {"register int in_register = 3, *automatic; auto const long much = 4; "
     "struct pair register of_pair;\nin_register + much",
     "variable in_register, variable automatic, variable much, variable of_pair", "long"},
    {"int summed(register int a) { auto int b = a; return b; } in_register++;",
     "function summed"},
    /* branches of #if */
    {"#define LEVEL 2\n#if LEVEL > 1\n#include <limits.h>\n#if INT_MAX > 1\nint "
     "level_on;\n"
     "#elif\nint { it's\n#error left out\n#endif\n#else\n}} \"\n#include "
     "<none.h>\n#endif",
     "macro LEVEL, include <limits.h>, variable level_on"},
    {"int branch(int a) {\n#ifdef LEVEL\n  if (a) {\n#else\n  while (a) {{\n#endif\n"
     "    return LEVEL; }\n  return 0;\n}\nbranch(\n#if 0\n(\n#endif\n1)",
     "function branch", "int"},
    {"#ifdef LEVEL\n#undef LEVEL\n#endif\n#ifdef LEVEL\nnothing\n#endif\nint level_off;",
     "macro LEVEL, variable level_off"},
    {"#line 7\n#if __LINE__ != 7\n#error lines are lost\n#endif", NULL},
    {"#ifndef LEVEL\n#error 'LEVEL' is needed\n#endif", "!'LEVEL' is needed"},
    {"#if LEVEL +\n#endif", "!expected value in expression"},
    {"#if 1\nint open;", "!'#if' without '#endif'"},
    {"int open;\n#else\n#endif", "!'#else' without '#if'"},
    /* what libtcc must not compile */
    {"_Complex double c;", "variable c", NULL, NULL, true},
    {"struct mixed { double m; long n; }; struct mixed mix(void) { struct mixed m = { 1, "
     "2 }; "
     "return m; }",
     "type struct mixed, function mix", NULL, NULL, true},
    {"mix().m", "", "double", NULL, true},
    {"#include <stdarg.h>\nstruct reals { double a, b; };\n#define NEXT(T) va_arg(list, "
     "T)\n"
     "double sum_of(int n, ...) { va_list list; va_start(list, n); struct reals r = "
     "NEXT(struct reals); va_end(list); return r.a + r.b; }",
     NULL, NULL, NULL, true},
    {"int first_of(int n, ...) { va_list list; va_start(list, n); return NEXT(int); }",
     "function first_of"},
    /* redefinition */
    {"struct point { int x, y; };", ""}, /* the same: nothing is new */
    {"double norm(struct point *p) { return p->x; } int other(void) { return "
     "norm(&origin); }",
     "function norm, function other"},
    {"struct point { double x, y; };",
     "type struct point, variable origin, variable po, function norm, function other"},
    {"origin", "", "struct point"},
    {"int norm(int k) { return k; }", "function norm, function other"},
    {"double x = 1; f", "variable x, function f", "int (*)(int)"},
    {"double f(int a, int b) { return a + b; }", "function f"},
    {"int takes(int a) { return a; }", "function takes"},
    {"void takes(int *);", "function takes"}, /* conflicts: takes its place */
    {"int a5[5]; takes(a5);", "variable a5"},
    {"struct tag { int a; } of_tag = { 1 }; int tag_a(struct tag *t) { return t->a; }",
     "type struct tag, variable of_tag, function tag_a"},
    {"enum tag { TAG_A, TAG_B }; enum tag one_tag = TAG_B; one_tag",
     "type enum tag, variable one_tag, function tag_a, variable of_tag", "enum tag",
     "'of_tag' (In["},
    {"(enum tag)0", "", "enum tag"},
    {"struct whole { struct part { int a; } part; }; "
     "int whole_a(void) { struct whole w = { { 1 } }; return w.part.a; }",
     "type struct whole, function whole_a"},
    {"struct part { char letter; }; struct part a_part = { 'c' }; a_part", NULL,
     "struct part", "'struct whole' (In["},
    {"struct whole w;", "!'struct whole' that is never completed"},
    {"struct whole { struct part part; }; struct whole w; w.part",
     "type struct whole, variable w", "struct part"},
    /* mistakes */
    {"int f2(", "!'(' is not closed"},
    {"return 5;", "!'return' outside a function"},
    {"lsit[0]", "!did you mean 'list'?"},
    {"strlen(\"a\")", "!add #include <string.h>"},
    {"int a1[x > 0 ? 2 : 3 + y];", "!the length of an array"},
    {"int twice; double twice;", "!redefinition of 'twice'"},
    {"break;", "!'break' statement not in loop"},
    {"#include <no_such_header.h>", "!no_such_header.h"},
    {"list[0]\nlist[1]", "!expected ';'"},
    {"if (x = 3) x = 4;", "", NULL, "using the result of an assignment"},
};

static bool compiles_with_tcc(const char *text)
{
    TCCState *state = tcc_new();
    tcc_set_options(state, "-std=c11 -Wimplicit-function-declaration");
    tcc_set_output_type(state, TCC_OUTPUT_OBJ);
    int r = tcc_compile_string(state, text);
    tcc_delete(state);
    return r == 0;
}

/* All units in one run of gcc would clash, so each is a run of its own. */
static bool compiles_with_gcc(const char *text)
{
    FILE *pipe = popen("gcc -xc -std=gnu17 -w -fsyntax-only -", "w");
    if (!pipe)
        return false;
    fputs(text, pipe);
    return pclose(pipe) == 0;
}

static void list_definitions(const struct plan *plan, struct buffer *out)
{
    for (size_t i = 0; i < plan->n_definitions; i++)
        buffer_format(out, "%s%s %s", i ? ", " : "",
                      definition_kind_name(plan->definitions[i]->kind),
                      plan->definitions[i]->name);
}

static bool has_message(const struct plan *plan, enum severity severity, const char *part)
{
    for (size_t i = 0; i < plan->n_diagnostics; i++)
        if (plan->diagnostics[i].severity == severity &&
            strstr(plan->diagnostics[i].message, part))
            return true;
    return false;
}

static void print_diagnostics(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_diagnostics; i++)
        fprintf(stderr, "  In[%u]:%u:%u: %s\n", plan->diagnostics[i].cell,
                plan->diagnostics[i].line, plan->diagnostics[i].column,
                plan->diagnostics[i].message);
}

static bool check_plan(struct analysis *analysis, const struct step *step,
                       const struct plan *plan)
{
    int before = check_failures;
    if (step->expected && *step->expected == '!') {
        CHECK(plan->has_errors);
        CHECK(has_message(plan, SEVERITY_ERROR, step->expected + 1));
        return check_failures == before;
    }
    CHECK(!plan->has_errors);
    CLEANUP(buffer_clear) struct buffer names = {0};
    list_definitions(plan, &names);
    if (step->expected)
        CHECK_STRING(buffer_string(&names), step->expected);
    if (step->warning)
        CHECK(has_message(plan, SEVERITY_WARNING, step->warning));
    CHECK_INT(plan->cc_reason != NULL, step->needs_cc);
    CHECK_INT(plan->value_symbol != NULL, step->value != NULL);
    if (plan->text) {
        CHECK(step->needs_cc || compiles_with_tcc(plan->text));
        CHECK(compiles_with_gcc(plan->text));
    }
    return check_failures == before;
}

/* The value's type is in the table only once the plan is accepted. */
static void check_value(const struct types *types, const struct step *step,
                        const struct plan *plan)
{
    if (plan->value_symbol && step->value)
        CHECK_STRING(types_get(types, plan->value_type)->spelling, step->value);
}

static void test_session(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        CLEANUP(plan_freep) struct plan *plan = NULL;
        struct error err = {0};
        int r = analysis_plan(analysis, (uint32_t)i + 1, PLAN_CELL, steps[i].cell,
                              strlen(steps[i].cell), &plan, &err);
        if (!CHECK_OK(r, err))
            continue;
        if (!check_plan(analysis, &steps[i], plan)) {
            fprintf(stderr, "  in step %zu: %s\n", i, steps[i].cell);
            print_diagnostics(plan);
        }
        if (!plan->has_errors) {
            CHECK_OK(analysis_accept(analysis, plan, &err), err);
            check_value(analysis_types(analysis), &steps[i], plan);
        }
    }
}

static void test_expression_mode(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {{"1 + 2", true},
                 {"1 + 2;", false},
                 {"int x;", false},
                 {"", false},
                 {"int x; x", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(plan_freep) struct plan *plan = NULL;
        struct error err = {0};
        CHECK_OK(analysis_plan(analysis, 1, PLAN_EXPRESSION, cases[i].text,
                               strlen(cases[i].text), &plan, &err),
                 err);
        CHECK_INT(!plan->has_errors, cases[i].is_good);
    }
}

static const struct diagnostic *plan_diagnostic(struct analysis *analysis,
                                                const char *cell, struct plan **plan)
{
    struct error err = {0};
    CHECK_OK(analysis_plan(analysis, 7, PLAN_CELL, cell, strlen(cell), plan, &err), err);
    return CHECK((*plan)->n_diagnostics > 0) ? &(*plan)->diagnostics[0] : NULL;
}

static void test_places(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    CLEANUP(plan_freep) struct plan *plan = NULL;
    const struct diagnostic *at =
        plan_diagnostic(analysis, "int good = 1;\n  good = unknwon + 2;\n", &plan);
    if (!at)
        return;
    CHECK_INT(at->cell, 7);
    CHECK_INT(at->line, 2);
    CHECK_INT(at->column, 10);
    CHECK_INT(at->end_column, 17);
    CHECK_STRING(at->line_text, "  good = unknwon + 2;");
}

static bool has_candidate(const struct candidate *candidates, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(candidates[i].text, text) == 0)
            return true;
    return false;
}

/* `|` marks the cursor; every word of `expected` must be offered. */
static void check_completion(struct analysis *analysis, const char *marked,
                             const char *expected, const char *unexpected)
{
    const char *bar = strchr(marked, '|');
    CLEANUP(freep)
    char *text = must_format("%.*s%s", (int)(bar - marked), marked, bar + 1);
    struct candidate *candidates = NULL;
    size_t start, end, n = 0;
    analysis_complete(analysis, text, strlen(text), (size_t)(bar - marked), &start, &end,
                      &candidates, &n);
    if (!CHECK(has_candidate(candidates, n, expected)))
        fprintf(stderr, "  '%s' is not offered for: %s\n", expected, marked);
    if (unexpected && !CHECK(!has_candidate(candidates, n, unexpected)))
        fprintf(stderr, "  '%s' is offered for: %s\n", unexpected, marked);
    candidates_free(candidates, n);
}

static void define(struct analysis *analysis, const char *cell)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    struct error err = {0};
    CHECK_OK(analysis_plan(analysis, 1, PLAN_CELL, cell, strlen(cell), &plan, &err), err);
    CHECK(!plan->has_errors);
    CHECK_OK(analysis_accept(analysis, plan, &err), err);
}

static void test_questions(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    define(analysis,
           "#include <stdio.h>\nstruct node { int key; struct node *next; };\n"
           "struct node nodes[3], *first_node = nodes;\n"
           "// keys of nodes\nint counter_of(struct node *n) { return n->key; }\n"
           "#define LIMIT 100\nenum { NORTH, SOUTH };");
    check_completion(analysis, "first_node->|", "next", "counter_of");
    check_completion(analysis, "nodes[0].k|", "key", "nodes");
    check_completion(analysis, "int i = 3;\nfirst_node->next->n|", "next", NULL);
    check_completion(analysis, "count|", "counter_of", "nodes");
    check_completion(analysis, "LIM|", "LIMIT", NULL);
    check_completion(analysis, "NOR|", "NORTH", NULL);
    check_completion(analysis, "prin|", "printf", NULL);
    check_completion(analysis, "struct no|", "node", NULL);
    check_completion(analysis, "whi|", "while", NULL);
    check_completion(analysis, "pthread_mutex_lo|", "pthread_mutex_lock", NULL);
    check_completion(analysis,
                     "int g(int alpha) {\n  int alphabet = 1;\n  return alp|\n}",
                     "alphabet", NULL);
    static const struct {
        const char *text;
        size_t cursor;
        const char *part;
    } asked[] = {{"counter_of", 4, "In[1], line 5"},
                 {"counter_of", 4, "// keys of nodes"},
                 {"x + LIMIT", 6, "#define LIMIT 100"},
                 {"struct node", 9, "struct node *next"},
                 {"printf(", 7, "printf"},
                 {"qsort(", 5, "void qsort(void *base, size_t nmemb, size_t size, "},
                 {"qsort(", 5, "<stdlib.h>, not included yet"},
                 {"struct stat", 9, "<sys/stat.h>"},
                 {"EAGAIN", 2, "#define EAGAIN"},
                 {"regcomp", 2, "<regex.h>"},
                 {"nodes", 1, "struct node[3]"}};
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
        CLEANUP(freep)
        char *text = analysis_inspect(analysis, asked[i].text, strlen(asked[i].text),
                                      asked[i].cursor, 0);
        if (!CHECK(text && strstr(text, asked[i].part)))
            fprintf(stderr, "  %s: %s\n", asked[i].text, text ? text : "(null)");
    }
    CLEANUP(freep) char *nothing = analysis_inspect(analysis, "no_such", 7, 2, 0);
    CHECK(!nothing);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    if (CHECK(file)) {
        fputs(text, file);
        fclose(file);
    }
}

/* Definitions of one plan, which is accepted. */
static void check_defines(struct analysis *analysis, const char *cell,
                          const char *expected)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    CLEANUP(buffer_clear) struct buffer names = {0};
    struct error err = {0};
    CHECK_OK(analysis_plan(analysis, 1, PLAN_CELL, cell, strlen(cell), &plan, &err), err);
    if (plan->has_errors)
        print_diagnostics(plan);
    list_definitions(plan, &names);
    CHECK_STRING(buffer_string(&names), expected);
    CHECK_OK(analysis_accept(analysis, plan, &err), err);
    CHECK(!plan->text || compiles_with_gcc(plan->text));
}

/* A header of the user's defines things once, and again when it has changed. */
static void test_own_headers(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    char folder[] = "/tmp/achar-analysis-XXXXXX";
    if (!CHECK(mkdtemp(folder) && chdir(folder) == 0))
        return;
    write_file("own.h", "#ifndef OWN_H\n#define OWN_H\n#include <stddef.h>\n"
                        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
                        "struct own { size_t n; };\nint shared = 3;\n#endif\n");
    write_file("outer.h", "#pragma once\n#include \"own.h\"\n#define OUTER 1\n");
    write_file("broken.h", "int broken({\n");
    check_defines(
        analysis, "#include \"outer.h\"\nstruct own o;\n",
        "macro INCLUDED_outer_h, macro OWN_H, include <stddef.h>, type struct own, "
        "variable shared, macro OUTER, variable o");
    check_defines(analysis, "#include \"own.h\"\nshared", "");
    write_file("own.h", "#ifndef OWN_H\n#define OWN_H\nlong shared = 4;\n#endif\n");
    check_defines(analysis, "#include \"own.h\"", "macro OWN_H, variable shared");
    CLEANUP(plan_freep) struct plan *plan = NULL;
    const struct diagnostic *at =
        plan_diagnostic(analysis, "#include \"broken.h\"", &plan);
    CHECK(at && at->file && strstr(at->file, "broken.h") && at->line == 1);
    unlink("own.h");
    unlink("outer.h");
    unlink("broken.h");
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

/* Cells with bytes changed, cut and doubled: whatever they are, they are answered. */
static void test_mutations(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    unsigned seed = 7;
    static const char alphabet[] = "(){}[];,.*&#\"'\\\n ax0=+-<>:?";
    for (unsigned round = 0; round < 400; round++) {
        const char *cell = steps[round % (sizeof(steps) / sizeof(*steps))].cell;
        CLEANUP(freep) char *text = must_strdup(cell);
        size_t size = strlen(text);
        for (unsigned k = 0; k < 3 && size; k++) {
            seed = seed * 1103515245 + 12345;
            text[(seed >> 8) % size] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
        }
        CLEANUP(plan_freep) struct plan *plan = NULL;
        struct error err = {0};
        int r = analysis_plan(analysis, round, PLAN_CELL, text, size - round % 2, &plan,
                              &err);
        CHECK_OK(r, err);
    }
}

int main(void)
{
    setenv("LIBCLANG_NOTHREADS", "1", 1);
    test_session();
    test_expression_mode();
    test_places();
    test_questions();
    test_own_headers();
    test_mutations();
    return check_status();
}
