/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that is begun before its text is there; plans of parses that were, which must be
 * the same, byte for byte, as those of ordinary parses; and units. */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/ahead.h"
#include "kernel/unit/analysis.h"
#include "kernel/unit/early_compile.h"
#include "pickler/base/buffer.h"

#define STACK_SIZE (1ul << 20)

struct reading {
    const char *path;
    struct buffer text;
    size_t n_reads;
};

static void read_all(void *context)
{
    struct reading *reading = context;
    char piece[1000];
    CLEANUP(closep) int fd = open(reading->path, O_RDONLY | O_CLOEXEC);
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n <= 0)
            return;
        reading->n_reads++;
        buffer_add(&reading->text, piece, (size_t)n);
    }
}

static void read_nothing(void *context)
{
    struct reading *reading = context;
    char byte;
    CLEANUP(closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    reading->n_reads = read(fd, &byte, 1) == 0;
}

static void check_reading(struct ahead *ahead, const char *text, size_t size)
{
    struct reading reading = {.path = ahead_path(ahead)};
    CHECK(ahead_begin(ahead, read_all, &reading));
    CHECK(ahead_is_waiting(ahead));
    CHECK_INT(reading.n_reads, 0);
    ahead_finish(ahead, text, size);
    CHECK(!ahead_is_waiting(ahead));
    CHECK_INT(reading.text.size, size);
    CHECK(!size || !memcmp(reading.text.data, text, size));
    buffer_clear(&reading.text);
}

static void test_reading(struct ahead *ahead)
{
    size_t large = 300000; /* more than a pipe holds */
    CLEANUP(freep) char *text = must_alloc(large);
    for (size_t i = 0; i < large; i++)
        text[i] = (char)('a' + i % 26);
    check_reading(ahead, "int x;", 6);
    check_reading(ahead, "", 0);
    check_reading(ahead, text, large);
    struct reading reading = {.path = ahead_path(ahead)};
    CHECK(!ahead_begin(ahead, read_nothing, &reading));
    CHECK_INT(reading.n_reads, 1);
}

static void test_end(void)
{
    struct reading reading = {0};
    struct ahead *ahead = ahead_new(STACK_SIZE);
    reading.path = ahead_path(ahead);
    CHECK(ahead_begin(ahead, read_all, &reading));
    ahead_free(ahead); /* what waits for a text comes to its end */
    CHECK_INT(reading.text.size, 0);
}

/* ---- plans
 * -------------------------------------------------------------------------------- */

static const char *const cells[] = {
    "#include <stdio.h>\n#include <math.h>\n#include <stdlib.h>",
    "int x = 3;",
    "x += 1;\nx",
    "int twice(int a) { return 2 * a; }",
    "int y = twice(x); // a value that must be computed\ny",
    "double d = sqrt(x); printf(\"%g\\n\", d);",
    "int z = fabs(x);\nif (x = 3) z++;", /* warnings */
    "x = undeclared + ;",                /* mistakes */
    "printf(\"%s\\n\", x);\nstruct point { int x, y; };",
    "#if defined(__linux__) && 1\nint branch = 1;\n#else\n#error no\n#endif\nbranch",
    "#define SQUARE(a) ((a) * (a))\nSQUARE(x)",
    "struct point p = {SQUARE(2), 4};\np",
    "static int counter(void) { static int n; return ++n; }\ncounter()",
    "struct point { int x, y, z; };", /* dependents are compiled again */
    "p.z",
    "int *numbers = malloc(sizeof(int) * 3); /* left open",
    "return 3;",
    "char *date = __DATE__ \"\"; goto end; x = 9; end: x",
};

static void plan(struct analysis *analysis, uint32_t cell, struct buffer *ret)
{
    CLEANUP(plan_freep) struct plan *made = NULL;
    struct error err = {0};
    const char *text = cells[cell - 1];
    if (!CHECK_OK(
            analysis_plan(analysis, cell, PLAN_CELL, text, strlen(text), &made, &err),
            err))
        return;
    plan_pack(made, ret);
    if (!made->has_errors)
        CHECK_OK(analysis_accept(analysis, made, &err), err);
}

static void complete(struct analysis *analysis)
{
    struct candidate *candidates;
    size_t start, end, n = 0;
    analysis_complete(analysis, "p.", 2, 2, &start, &end, &candidates, &n);
    candidates_free(candidates, n);
}

static void test_plans(void)
{
    CLEANUP(analysis_freep) struct analysis *early = analysis_new();
    CLEANUP(analysis_freep) struct analysis *late = analysis_new();
    for (uint32_t i = 1; i <= sizeof(cells) / sizeof(*cells); i++) {
        CLEANUP(buffer_clear) struct buffer expected = {0}, actual = {0};
        analysis_prepare(early);
        if (i % 3 == 0) {
            complete(early);
            complete(late);
        }
        plan(early, i, &actual);
        plan(late, i, &expected);
        if (!CHECK(actual.size == expected.size &&
                   !memcmp(actual.data, expected.data, actual.size)))
            fprintf(stderr, "in cell %u: %s\n", i, cells[i - 1]);
    }
    analysis_prepare(early); /* and is waiting when all ends */
}

/* ---- units
 * -------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    bool is_ok;
} units[] = {
    {"int f(int a) { return a + 1; }\n", true},
    {"int f(int a) { return a + ; }\n", false},
    {"int f(int a) { again: if (a) goto again; return a; }\n", true},
    {"int f(int a) { again: return a + ; }\n", false},
    {"int f(int a) { return g(a); }\n", false},
    {"#define G(a) a\nint f(int a) { return G(a); }\n", true},
};

static void test_units(void)
{
    CLEANUP(analysis_freep) struct analysis *analysis = analysis_new();
    for (unsigned turn = 0; turn < 3; turn++)
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
            CLEANUP(compiled_clear) struct compiled compiled = {0};
            CLEANUP(buffer_clear) struct buffer ignored = {0};
            struct error err = {0};
            if (turn > 0) /* else libtcc starts with the text */
                early_compile_begin();
            if (turn == 2 && i == 0) /* headers are read by libtcc, too */
                plan(analysis, 1, &ignored);
            CHECK_OK(early_compile(units[i].text, &compiled, &err), err);
            CHECK_INT(compiled.is_ok, units[i].is_ok);
            CHECK_INT(compiled.object.size > 0, units[i].is_ok);
        }
    early_compile_begin();
    early_compile_drop();
}

int main(void)
{
    setenv("LIBCLANG_NOTHREADS", "1", 1);
    CLEANUP(ahead_freep) struct ahead *ahead = ahead_new(STACK_SIZE);
    if (ahead) { /* not under AddressSanitizer */
        test_reading(ahead);
        test_end();
    }
#ifndef ACHAR_ASAN
    CHECK(ahead);
#endif
    test_plans();
    test_units();
    return check_status();
}
