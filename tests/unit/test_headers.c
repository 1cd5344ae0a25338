/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/headers.h"

#include <errno.h>
#include <libtcc.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/check.h"

extern char **environ;

static const char *const standard[] = {
    "#include <stdio.h>",     "#include <stdlib.h>",   "#include <string.h>",
    "#include <math.h>",      "#include <assert.h>",   "#include <errno.h>",
    "#include <limits.h>",    "#include <time.h>",     "#include <pthread.h>",
    "#include <stdarg.h>",    "#include <stddef.h>",   "#include <stdint.h>",
    "#include <stdbool.h>",   "#include <inttypes.h>", "#include <sys/stat.h>",
    "#include <sys/epoll.h>", "#include <regex.h>",    "#include <iso646.h>",
};

static int update(struct headers *headers, const char *const *lines, size_t n,
                  struct error *error)
{
    struct include_line includes[32];
    for (size_t i = 0; i < n; i++)
        includes[i] =
            (struct include_line){.definition = (uint32_t)(100 + i), .text = lines[i]};
    return headers_update(headers, includes, n, error);
}

static struct headers *standard_headers(void)
{
    struct error error = {0};
    struct headers *headers = headers_new();
    CHECK_OK(update(headers, standard, sizeof(standard) / sizeof(*standard), &error),
             error);
    return headers;
}

struct prologue {
    char *text;
    uint32_t *used;
    size_t n_used;
    int result;
};

static void prologue_clear(struct prologue *prologue)
{
    free(prologue->text);
    free(prologue->used);
}

static struct prologue prologue_of(struct headers *headers, const struct graph *graph,
                                   const char *text, const char *hidden)
{
    struct prologue prologue = {0};
    struct buffer out = {0};
    struct error error = {0};
    struct name_ids names = {0};
    if (hidden)
        name_ids_set(&names, hidden, 1);
    prologue.result = headers_prologue(headers, graph, text, strlen(text), &names, NULL,
                                       0, &out, &prologue.used, &prologue.n_used, &error);
    name_ids_clear(&names);
    CHECK_OK(prologue.result, error);
    prologue.text = buffer_take(&out);
    return prologue;
}

static bool uses(const struct prologue *prologue, uint32_t id)
{
    for (size_t i = 0; i < prologue->n_used; i++)
        if (prologue->used[i] == id)
            return true;
    return false;
}

static void note_message(void *context, const char *message)
{
    bool *has_trouble = context;
    if (strstr(message, "error:") || strstr(message, "implicit")) {
        fprintf(stderr, "%s\n", message);
        *has_trouble = true;
    }
}

static bool tcc_compiles(const char *text)
{
    bool has_trouble = false;
    TCCState *state = tcc_new();
    tcc_set_error_func(state, &has_trouble, note_message);
    tcc_set_output_type(state, TCC_OUTPUT_OBJ);
    int result = tcc_compile_string(state, text);
    tcc_delete(state);
    return result == 0 && !has_trouble;
}

static bool cc_compiles(const char *text)
{
    int fd = memfd_create("unit", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 0);
    char *const argv[] = {
        "cc", "-std=gnu17", "-fsyntax-only", "-Werror=implicit", "-w", "-xc", "-", NULL};
    pid_t pid = 0;
    int status = 1;
    if (posix_spawnp(&pid, "cc", &actions, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fd);
    return status == 0;
}

/* A function with `code` behind its prologue compiles; the prologue has at most `size`
 * bytes. */
static void check_cell(struct headers *headers, const struct graph *graph,
                       const char *code, size_t size)
{
    CLEANUP(prologue_clear)
    struct prologue prologue = prologue_of(headers, graph, code, NULL);
    CHECK_INT(prologue.result, 0);
    CLEANUP(freep) char *unit = must_format("%s%s\n", prologue.text, code);
    if (strlen(prologue.text) > size || !tcc_compiles(unit) || !cc_compiles(unit)) {
        fprintf(stderr, "%zu bytes:\n%s", strlen(prologue.text), unit);
        CHECK(strlen(prologue.text) <= size);
        CHECK(!"the unit compiles");
    }
}

static void test_cells(struct headers *headers, const struct graph *graph)
{
    check_cell(headers, graph, "int x = 3;", 0);
    check_cell(headers, graph, "int f(void) { return printf(\"%d\\n\", 3); }", 100);
    check_cell(headers, graph, "char *f(size_t n) { return n ? malloc(n) : NULL; }", 400);
    check_cell(headers, graph, "double f(double x) { return sqrt(x) + M_PI + INFINITY; }",
               300);
    check_cell(headers, graph, "int f(FILE *f) { return fprintf(f, \"a\") == EOF; }",
               4000);
    check_cell(headers, graph,
               "int f(void) { fputs(\"a\", stderr); return errno == EINTR; }", 4000);
    check_cell(headers, graph, "void f(int x) { assert(x > 0 and x < INT_MAX); }", 1000);
    check_cell(headers, graph,
               "int f(double x) { return isnan(x) || isinf(x) || signbit(x); }", 3000);
    check_cell(headers, graph,
               "time_t f(void) { struct tm t = {.tm_year = 3}; return mktime(&t); }",
               1000);
    check_cell(headers, graph,
               "pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;"
               "void f(void) { pthread_mutex_lock(&m); }",
               3000);
    check_cell(headers, graph,
               "int f(int n, ...) { va_list a; va_start(a, n); int x = va_arg(a, int);"
               " va_end(a); return x; }",
               500);
    check_cell(headers, graph,
               "bool f(uint32_t x) { return printf(\"%\" PRIu32, x) > 0; }", 1000);
    check_cell(headers, graph,
               "long f(struct stat *s) { return s->st_mtime + S_ISREG(s->st_mode); }",
               3000);
    check_cell(headers, graph,
               "int f(regex_t *r) { return regexec(r, \"a\", 0, NULL, REG_NOSUB); }",
               3000);
    check_cell(headers, graph, "int f[sizeof(struct epoll_event) == 12 ? 1 : -1];", 1000);
    check_cell(headers, graph,
               "struct s { char a; int b; } __attribute__((packed));"
               "int f[sizeof(struct s) == 5 ? 1 : -1];",
               0);
    check_cell(headers, graph, "size_t f(void) { return offsetof(struct tm, tm_mon); }",
               1500);
    check_cell(headers, graph, "int f(void) { int index = 3; return index; }", 500);
    check_cell(headers, graph, "void *f(void) { return aligned_alloc(16, 32); }", 500);
    check_cell(headers, graph,
               "_Float64 g; double f(void) { return strtod(\"1\", 0) + INT64_C(3); }",
               600);
}

static void test_questions(struct headers *headers)
{
    CHECK(headers_is_type(headers, "size_t", 6));
    CHECK(headers_is_type(headers, "FILE", 4));
    CHECK(headers_is_type(headers, "pthread_mutex_t", 15));
    CHECK(!headers_is_type(headers, "printf", 6));
    CHECK(!headers_is_type(headers, "tm", 2));
    CHECK(!headers_is_type(headers, "__format", 8));
    CHECK(headers_is_visible(headers, "printf", 6));
    CHECK(headers_is_visible(headers, "tm", 2));
    CHECK(headers_is_visible(headers, "INT_MAX", 7));
    CHECK(headers_is_visible(headers, "PTHREAD_CREATE_DETACHED", 23));
    CHECK(!headers_is_visible(headers, "tm_year", 7));
    CHECK(!headers_is_visible(headers, "no_such_name", 12));
    CHECK_STRING(headers_macro(headers, "NULL", 4), "NULL ((void*)0)");
    CHECK_STRING(headers_macro(headers, "EINTR", 5), "EINTR 4");
    CHECK(!headers_macro(headers, "printf", 6));
    CHECK_STRING(headers_declaration(headers, "abs"),
                 "extern int abs (int __x)  __attribute__ ((__const__)) ;");
    CHECK(strstr(headers_declaration(headers, "struct tm"), "int tm_year;"));
    CHECK(!headers_declaration(headers, "no_such_name"));
}

static void count_name(void *context, const char *name, bool is_macro)
{
    int *counts = context;
    counts[is_macro]++;
}

static void test_each(struct headers *headers)
{
    int counts[2] = {0};
    headers_each(headers, "strn", count_name, counts);
    CHECK(counts[0] >= 5 && counts[0] < 12 && counts[1] == 0);
    headers_each(headers, "INT_M", count_name, counts);
    CHECK_INT(counts[1], 2);
}

static void test_used(struct headers *headers, const struct graph *graph)
{
    CLEANUP(prologue_clear)
    struct prologue prologue = prologue_of(headers, graph, "printf(\"\"); errno;", NULL);
    CHECK(uses(&prologue, 100) && uses(&prologue, 105) && !uses(&prologue, 103));
}

/* The caller keeps nothing. */
static uint32_t define(struct graph *graph, enum definition_kind kind, const char *name,
                       const char *source, const char *declaration, uint32_t ref)
{
    struct definition *definition = must_alloc(sizeof(*definition));
    definition->id = graph_next_id(graph);
    definition->kind = kind;
    definition->name = must_strdup(name);
    definition->source = must_strdup(source);
    definition->declaration = must_strdup(declaration);
    uint32_t id = definition->id;
    if (ref)
        definition_add_ref(definition, ref);
    graph_add(graph, definition);
    return id;
}

static void test_session(struct headers *headers)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t point = define(graph, DEFINITION_TYPE, "struct point",
                            "struct point { size_t x, y; };", NULL, 0);
    uint32_t f = define(graph, DEFINITION_FUNCTION, "f",
                        "int f(struct point *p) { return abs(3); }",
                        "int f(struct point *p);", point);
    uint32_t limit =
        define(graph, DEFINITION_MACRO, "LIMIT", "#define LIMIT f(0) + EINTR", NULL, f);
    uint32_t g = define(graph, DEFINITION_VARIABLE, "g", "int g[BUFSIZ] = {0};",
                        "extern int g[BUFSIZ];", 0);
    uint32_t index_id = define(graph, DEFINITION_VARIABLE, "index", "double index = 3.5;",
                               "extern double index;", 0);
    CLEANUP(prologue_clear)
    struct prologue a = prologue_of(headers, graph, "LIMIT;", NULL);
    CHECK(uses(&a, limit) && uses(&a, f) && uses(&a, point) && !uses(&a, g));
    CHECK(strstr(a.text, "size_t;") && strstr(a.text, "struct point {") &&
          strstr(a.text, "int f(struct point *p);") && strstr(a.text, "#define EINTR") &&
          strstr(a.text, "#define LIMIT") && !strstr(a.text, "abs"));
    CHECK(strstr(a.text, "struct point {") < strstr(a.text, "#define LIMIT"));
    check_cell(headers, graph, "int h(void) { return LIMIT + g[0] + (int)index; }", 1500);
    CLEANUP(prologue_clear)
    struct prologue b = prologue_of(headers, graph, "index", NULL);
    CHECK(uses(&b, index_id) && !strstr(b.text, "char *index"));
    CLEANUP(prologue_clear)
    struct prologue c = prologue_of(headers, graph, "int f; f", "f");
    CHECK_STRING(c.text, "");
    CLEANUP(prologue_clear)
    struct prologue d = prologue_of(headers, graph, "struct point p;", NULL);
    CHECK(uses(&d, point) && !uses(&d, f));
    CLEANUP(prologue_clear)
    struct prologue e = prologue_of(headers, graph, "puts", "puts");
    CHECK_STRING(e.text, "");
}

static void test_directives(struct headers *headers)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    define(graph, DEFINITION_VARIABLE, "line", "int line;", "extern int line;", 0);
    define(graph, DEFINITION_VARIABLE, "define", "int define;", "extern int define;", 0);
    CLEANUP(prologue_clear)
    struct prologue a = prologue_of(
        headers, graph, "#line 3 \"In[1]\"\n#include <line.h>\n#define A 3\n", NULL);
    CHECK_STRING(a.text, "");
    CLEANUP(prologue_clear)
    struct prologue b =
        prologue_of(headers, graph, "#ifdef EINTR\n line = 3;\n#endif", NULL);
    CHECK_STRING(b.text, "#define EINTR 4\nextern int line;\n");
}

static void test_undefined(struct headers *headers)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    define(graph, DEFINITION_MACRO, "INT_MAX", "#define INT_MAX 5", NULL, 0);
    CLEANUP(prologue_clear)
    struct prologue a = prologue_of(headers, graph, "INT_MAX", NULL);
    CHECK(strstr(a.text, "#define INT_MAX 5") && !strstr(a.text, "2147483647"));
    for (int i = 0; i < 200; i++) /* ids above those of the includes */
        define(graph, DEFINITION_MACRO, "FILLER", "#define FILLER", NULL, 0);
    define(graph, DEFINITION_MACRO, "INT_MAX", "#undef INT_MAX", NULL, 0);
    CLEANUP(prologue_clear)
    struct prologue b = prologue_of(headers, graph, "INT_MAX", NULL);
    CHECK(!strstr(b.text, "INT_MAX"));
}

static void test_pasting(struct headers *headers)
{
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    uint32_t cat =
        define(graph, DEFINITION_MACRO, "CAT", "#define CAT(a, b) a##b", NULL, 0);
    uint32_t foobar = define(graph, DEFINITION_VARIABLE, "foobar", "int foobar;",
                             "extern int foobar;", 0);
    CLEANUP(prologue_clear)
    struct prologue a =
        prologue_of(headers, graph, "CAT(foo, bar) = CAT(ab, s)(3);", NULL);
    CHECK_INT(a.result, 0);
    CHECK(uses(&a, cat) && uses(&a, foobar) && strstr(a.text, "int abs"));
    check_cell(headers, graph, "int f(void) { return CAT(foo, bar) + CAT(ab, s)(3); }",
               500);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    CLEANUP(freep) char *path = must_format("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_file(const char *folder, const char *name)
{
    CLEANUP(freep) char *path = must_format("%s/%s", folder, name);
    unlink(path);
}

static void check_failure(struct headers *headers, const char *line, int code,
                          const char *text)
{
    struct error error = {0};
    CHECK_INT(update(headers, &line, 1, &error), code);
    CHECK_STRING(error.text, text);
}

static void test_own_headers(const struct graph *graph)
{
    char folder[] = "/tmp/test-headers-XXXXXX";
    CHECK(mkdtemp(folder));
    write_file(
        folder, "mine.h",
        "#define LOG(fmt, args...) printf(fmt, ## args)\n"
        "#define ALL(...) printf(__VA_ARGS__)\n"
        "#define TWICE(a) do { \\\n  a; \\\n  a; \\\n} while (0)\n"
        "#define GONE 1\n#undef GONE\n#define AGAIN 1\n#undef AGAIN\n#define AGAIN 2\n"
        "int printf(const char *, ...);\n"
        "#pragma pack(push, 1)\nstruct packed { char c; int x; };\n#pragma pack(pop)\n"
        "struct loose { char c; int x; };\n"
        "static inline int helper(int a) { return a + 1; }\n"
        "static inline int outer(int a) { return helper(a); }\n"
        "enum color { RED, GREEN = 3, BLUE } ;\n"
        "typedef int (*callback)(enum color, struct packed *packed);\n"
        "int defined_here = 3;\n");
    write_file(folder, "broken.h", "int f(int a);\nfoo_t x;\n");
    write_file(folder, "wants.h", "#include <no_such.h>\n");
    write_file(folder, "stop.h", "#error \"not today\"\n");
    CLEANUP(freep) char *flag = must_format("-I%s", folder);
    CLEANUP(headers_freep) struct headers *headers = headers_new();
    headers_set_flags(headers, (const char *const[]){flag}, 1);
    const char *line = "#include \"mine.h\"";
    struct error error = {0};
    CHECK_OK(update(headers, &line, 1, &error), error);
    CHECK_STRING(headers_macro(headers, "LOG", 3),
                 "LOG(fmt,args...) printf(fmt, ## args)");
    CHECK_STRING(headers_macro(headers, "ALL", 3), "ALL(...) printf(__VA_ARGS__)");
    CHECK_STRING(headers_macro(headers, "AGAIN", 5), "AGAIN 2");
    CHECK(!headers_macro(headers, "GONE", 4));
    CHECK(headers_is_type(headers, "callback", 8) &&
          !headers_is_type(headers, "packed", 6));
    check_cell(headers, graph,
               "void f(void) { LOG(\"a\"); LOG(\"b%d\", 1); TWICE(ALL(\"c\")); }", 400);
    check_cell(headers, graph,
               "int f[sizeof(struct packed) == 5 && sizeof(struct loose) == 8 ? 1 : -1];",
               300);
    check_cell(headers, graph, "int f(void) { return outer(3) + GREEN; }", 300);
    check_cell(headers, graph, "callback f;", 300);
    CLEANUP(freep)
    char *broken = must_format("header '%s/broken.h' does not compile, line 2: "
                               "unknown type name 'foo_t'",
                               folder);
    CLEANUP(freep)
    char *wants = must_format("header 'no_such.h', included by '%s/wants.h', "
                              "was not found",
                              folder);
    CLEANUP(freep)
    char *stop = must_format("header '%s/stop.h' cannot be preprocessed, "
                             "line 1: #error \"not today\"",
                             folder);
    check_failure(headers, "#include <nope.h>", -ENOENT, "header 'nope.h' was not found");
    check_failure(headers, "#include \"broken.h\"", -EINVAL, broken);
    check_failure(headers, "#include <wants.h>", -ENOENT, wants);
    check_failure(headers, "#include <stop.h>", -EINVAL, stop);
    CHECK(headers_is_visible(headers, "helper", 6)); /* the last good index is kept */
    remove_file(folder, "mine.h");
    remove_file(folder, "broken.h");
    remove_file(folder, "wants.h");
    remove_file(folder, "stop.h");
    CHECK_INT(rmdir(folder), 0);
}

static void test_macros_before(const struct graph *graph)
{
    CLEANUP(headers_freep) struct headers *headers = headers_new();
    struct include_line line = {.definition = 2, .text = "#include <string.h>"};
    struct error error = {0};
    CHECK_OK(headers_update(headers, &line, 1, &error), error);
    CHECK(!headers_is_visible(headers, "strchrnul", 9));
    line.before = "#define _GNU_SOURCE\n";
    CHECK_OK(headers_update(headers, &line, 1, &error), error);
    CHECK(headers_is_visible(headers, "strchrnul", 9));
    CHECK(!headers_macro(headers, "_GNU_SOURCE", 11)); /* the session's, not a header's */
    check_cell(headers, graph, "char *f(void) { return strchrnul(\"a\", 'b'); }", 300);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) +
           1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static void test_speed(struct headers *headers, const struct graph *graph)
{
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 1000; i++) {
        struct prologue prologue =
            prologue_of(headers, graph, "printf(\"%d\\n\", x);", NULL);
        prologue_clear(&prologue);
    }
    CHECK(seconds_since(&start) < 0.5);
}

int main(void)
{
    CLEANUP(headers_freep) struct headers *headers = standard_headers();
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    test_questions(headers);
    test_each(headers);
    test_cells(headers, graph);
    test_used(headers, graph);
    test_session(headers);
    test_directives(headers);
    test_undefined(headers);
    test_pasting(headers);
    test_own_headers(graph);
    test_macros_before(graph);
    test_speed(headers, graph);
    return check_status();
}
