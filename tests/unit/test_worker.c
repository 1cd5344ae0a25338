/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cells in a real session worker: values, redefinition, output, what must not load, every
 * way in which a cell can go wrong, and interrupts. */
#include "tests/unit/worker_client.h"

static struct worker worker;

static void show(const char *what, const struct outcome *outcome)
{
    fprintf(stderr, "  %s: kind %d, name %s, message %s\n", what, outcome->kind,
            outcome->name ? outcome->name : "-",
            outcome->message ? outcome->message : "-");
}

static uint32_t add_int(void)
{
    struct type type = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0}, types = {0};
    struct unpack rest;
    uint32_t id = types_add(&worker.types, &type);
    types_pack(&worker.types, 1, &types);
    pack_u64(&question, 1);
    pack_bytes(&question, types.data, types.size);
    worker_ask(&worker, WORKER_TYPES, &question, 0, &outcome, &rest);
    CHECK_INT(outcome.kind, OUTCOME_OK);
    return id;
}

static void expect_value(const struct cell *cell, const char *value)
{
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, cell);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK) || !CHECK_STRING(outcome.value_text, value))
        show(cell->text, &outcome);
}

static void expect_output(const char *text)
{
    CHECK_STRING(buffer_string(&worker.out), text);
    buffer_clear(&worker.out);
}

static void test_redefinition(uint32_t type)
{
    expect_value(
        &(struct cell){1,
                       "#line 1 \"In[1]\"\nint f__achar1(void) { return 1; }\n"
                       "int f(void); int (*p__achar2)(void) = f;\n"
                       "int x__achar3 = 40; extern int x; int *q__achar4 = &x;\n"
                       "int g__achar5(void) { return f() + x; }",
                       {FUNCTION("f", 1), VARIABLE("p", 2, 1), VARIABLE("x", 3, 1),
                        VARIABLE("q", 4, 2), FUNCTION("g", 5)}},
        NULL);
    struct cell ask = {
        2,
        "int g(void); extern int (*p)(void); extern int *q; int v__s;\n"
        "int f(void);\n"
        "void r__s(void) { v__s = g() * 1000 + p() * 100 + *q + (p == f); }",
        {{0}},
        "r__s",
        NULL,
        "v__s",
        type,
        0};
    expect_value(&ask, "41141");
    expect_value(&(struct cell){3,
                                "int f__achar6(void) { return 2; } int x__achar7 = 50;",
                                {FUNCTION("f", 6), VARIABLE("x", 7, 1)}},
                 NULL);
    expect_value(&ask, "52251");
    /* a unit that does not load changes nothing */
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker,
        &(struct cell){4,
                       "void nowhere(void); int f__achar8(void) { nowhere(); return 9; }"
                       "int x__achar9 = 1;",
                       {FUNCTION("f", 8), VARIABLE("x", 9, 1)}});
    CHECK_INT(outcome.kind, OUTCOME_LINK);
    CHECK_STRING(outcome.name, "UndefinedSymbol");
    CHECK_STRING(outcome.message, "undefined symbol 'nowhere'");
    expect_value(&ask, "52251");
    outcome_clear(&outcome);
    outcome = worker_run(&worker, &(struct cell){5, "int f( {", .bindings = {{0}}});
    CHECK_INT(outcome.kind, OUTCOME_COMPILE);
    /* another type: new storage, the pointer keeps the old one */
    expect_value(&(struct cell){6, "double x__achar10 = 3;", {VARIABLE("x", 10, 5)}},
                 NULL);
    expect_value(&ask, "52251");
}

static void test_output(void)
{
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker,
        &(struct cell){7,
                       "#include <stdio.h>\n#include <unistd.h>\n#include <stdlib.h>\n"
                       "void r__s(void) { printf(\"one \"); fflush(stdout);\n"
                       "write(1, \"two \", 4); system(\"echo three\");\n"
                       "printf(\"four\"); fprintf(stderr, \"five\"); }",
                       {{0}},
                       "r__s"});
    CHECK_INT(outcome.kind, OUTCOME_OK);
    worker_drain(&worker);
    expect_output("one two three\nfour");
    CHECK_STRING(buffer_string(&worker.err), "five");
    buffer_clear(&worker.err);
}

static void test_main(void)
{
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker,
        &(struct cell){8,
                       "#include <stdio.h>\n#include <stdlib.h>\n"
                       "static void bye(void) { puts(\"bye\"); }\n"
                       "int main__achar20(int argc, char **argv) {\n"
                       "atexit(bye); printf(\"%d %s\\n\", argc, argv[0]); return 3; }",
                       {FUNCTION("main", 20)},
                       NULL,
                       "main__achar20"});
    CHECK_INT(outcome.kind, OUTCOME_EXIT);
    CHECK_INT(outcome.status, 3);
    expect_output("1 cell\nbye\n");
}

static const struct {
    const char *text, *name, *message;
    bool is_kept;
} faults[] = {
    {"void r__s(void) { int *p = 0; *p = 1; }", "SIGSEGV",
     "write to address 0x0 (null pointer)", true},
    {"struct s { int a[9], b; }; int k; void r__s(void) { struct s *p = 0; k = p->b; }",
     "SIGSEGV", "read of address 0x24 (null pointer)", true},
/* Elsewhere: an address, numbers, text that no assembler knows, a read of 16 bytes. */
#ifdef __x86_64__
    {"long a = 0x4141414141414141; void r__s(void) { *(int *)a = 1; }", "SIGSEGV",
     "use of a pointer that holds no address", true},
    {"int z; void r__s(void) { z = 5 / z; }", "SIGFPE", "division by zero", true},
    {"int m = -1, k = -2147483647 - 1; void r__s(void) { k = k / m; }", "SIGFPE",
     "division by zero, or its result is too large", true},
    {"void r__s(void) { __asm__(\"ud2\"); }", "SIGILL",
     "illegal instruction: __builtin_trap(), or damaged code", true},
    {"#include <stdio.h>\nvoid r__s(void) { printf(\"%s\\n\", (char *)123); }", "SIGSEGV",
     "read of address 0x7b (null pointer)", true},
#endif
    {"void r__s(void) { ((void (*)(void))0)(); }", "SIGSEGV",
     "call of address 0x0 (null function pointer)", true},
    {"int f(int n) { char b[200]; b[0] = n; return f(n + 1) + b[0]; }\n"
     "void r__s(void) { f(0); }",
     "SIGSEGV", "stack overflow", true},
    {"#include <alloca.h>\nvoid r__s(void) { char *p = alloca(100000000); p[0] = 1; }",
     "SIGSEGV", "stack overflow", true},
    {"void r__s(void) { char a[100000000]; a[0] = 1; }", "SIGSEGV", "stack overflow",
     true},
    {"#include <stdlib.h>\nvoid r__s(void) { abort(); }", "SIGABRT", "abort() was called",
     true},
    {"#include <signal.h>\nvoid r__s(void) { raise(SIGABRT); }", "SIGABRT",
     "the program was aborted", true},
    {"#include <signal.h>\nvoid r__s(void) { raise(SIGBUS); }", "SIGBUS",
     "SIGBUS was raised", true},
    {"#include <signal.h>\nvoid r__s(void) { raise(SIGTRAP); }", "SIGTRAP",
     "SIGTRAP was raised", true},
    {"#include <assert.h>\nvoid r__s(void) { assert(1 == 2); }", "SIGABRT",
     "assertion '1 == 2' failed", true},
#ifndef ACHAR_ASAN /* it reports these itself, and ends the process */
    {"#include <stdlib.h>\nvoid r__s(void) { void *p = malloc(20); free(p); free(p); }",
     "DoubleFree", NULL, true},
    {"#include <stdlib.h>\nvoid r__s(void) { char *p = malloc(20); free(p + 4); }",
     "BadFree", NULL, true},
    {"#include <stdlib.h>\nvoid r__s(void) { int x; free(&x); }", "BadFree", NULL, true},
#endif
    {"#include <string.h>\nint n; void r__s(void) { n = strlen((char *)n); }", "SIGSEGV",
     "read of address 0x0 (null pointer)", true},
    {"#include <stdlib.h>\nint *p; static int cmp(const void *a, const void *b) { return "
     "*p; "
     "}\n"
     "void r__s(void) { int a[4] = {3, 1, 2, 0}; qsort(a, 4, 4, cmp); }",
     "SIGSEGV", "read of address 0x0 (null pointer)", true},
    {"void later(void); void r__s(void) { later(); }", "UndefinedFunction",
     "function 'later' is declared but not defined", true},
    {"#include <string.h>\nvoid g(void) { char b[8]; memset(b, 0x41, 64); }\n"
     "void r__s(void) { g(); }",
     "StackSmashing", NULL, false},
    {"#include <pthread.h>\nvoid *t(void *p) { *(int *)p = 1; return 0; }\n"
     "void r__s(void) { pthread_t h; pthread_create(&h, 0, t, 0); pthread_join(h, 0); }",
     "SIGSEGV", "write to address 0x0 (null pointer)", false},
    {"#include <stdio.h>\n#include <stdlib.h>\nvoid r__s(void) { fclose((FILE *)8); }",
     "SIGSEGV", NULL, false},
};

static void restart(void)
{
    worker_stop(&worker);
    worker_start(&worker);
}

static void check_fault(size_t i)
{
    struct cell cell = {40, faults[i].text, {DECLARED("later")}, "r__s"};
    CLEANUP(freep) char *text = must_format("#line 1 \"In[40]\"\n%s", faults[i].text);
    cell.text = text;
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    const struct outcome *end = worker.has_died ? &worker.dying : &outcome;
    bool is_good = CHECK_INT(end->kind, OUTCOME_FAULT);
    is_good &= CHECK_STRING(end->name, faults[i].name);
    if (faults[i].message)
        is_good &= CHECK_STRING(end->message, faults[i].message);
    is_good &= CHECK_INT(!worker.has_died, faults[i].is_kept);
    is_good &= CHECK_INT(end->is_state_kept, faults[i].is_kept);
    if (faults[i].is_kept && CHECK(end->n_frames > 0)) {
        const struct outcome_frame *last = &end->frames[end->n_frames - 1];
        is_good &= CHECK_STRING(last->function, "(cell)");
        is_good &= CHECK_INT(last->cell, 40);
        is_good &= CHECK(last->line > 0);
    }
    if (!is_good)
        show(faults[i].text, end);
    if (worker.has_died)
        restart();
    buffer_clear(&worker.out);
    buffer_clear(&worker.err);
}

static void test_faults(void)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        check_fault(i);
}

static void test_trace(void)
{
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker,
        &(struct cell){
            11,
            "#line 1 \"In[11]\"\n#include <stdlib.h>\n"
            "int cmp__achar1(const void *a,\n const void *b) {\n"
            "  return *(int *)(a = 0);\n}\nint cmp(const void *, const void *);\n"
            "void sort__achar2(void) {\n  int a[4] = {3, 1, 2, 0};\n"
            "  qsort(a, 4, 4, cmp);\n}",
            {FUNCTION("cmp", 1), FUNCTION("sort", 2)}});
    CHECK_INT(outcome.kind, OUTCOME_OK);
    outcome_clear(&outcome);
    outcome = worker_run(&worker, &(struct cell){12,
                                                 "#line 1 \"In[12]\"\nvoid sort(void);\n"
                                                 "void r__s(void) {\n\n  sort();\n}",
                                                 {{0}},
                                                 "r__s"});
    static const struct outcome_frame expected[] = {{(char *)"cmp", 11, 4},
                                                    {(char *)"qsort", 0, 0},
                                                    {(char *)"sort", 11, 9},
                                                    {(char *)"(cell)", 12, 4}};
    if (!CHECK_INT(outcome.n_frames, 4))
        show("trace", &outcome);
    for (size_t i = 0; i < outcome.n_frames && i < 4; i++) {
        CHECK_STRING(outcome.frames[i].function, expected[i].function);
        CHECK_INT(outcome.frames[i].cell, expected[i].cell);
        CHECK_INT(outcome.frames[i].line, expected[i].line);
    }
}

static void test_exit(void)
{
    static const char *const texts[] = {
        "#include <stdlib.h>\nvoid r__s(void) { exit(3); }",
        "#include <unistd.h>\nvoid r__s(void) { _exit(3); }",
        ("#include <stdlib.h>\nstatic int c(const void *a, const void *b) { exit(3); }\n"
         "void r__s(void) { int a[2] = {2, 1}; qsort(a, 2, 4, c); }")};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CLEANUP(outcome_clear)
        struct outcome outcome =
            worker_run(&worker, &(struct cell){13, texts[i], {{0}}, "r__s"});
        CHECK_INT(outcome.kind, OUTCOME_EXIT);
        CHECK_INT(outcome.status, 3);
        CHECK(!worker.has_died);
    }
}

/* A child that comes back, and one that exits, are not workers. */
static void test_children(void)
{
    if (getenv("MESON_EXE_WRAPPER")) {
        fprintf(stderr, "qemu does not empty memory in children: skipped\n");
        return;
    }
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker,
        &(struct cell){14,
                       "#include <unistd.h>\n#include <stdlib.h>\n#include <stdio.h>\n"
                       "#include <sys/wait.h>\n"
                       "void r__s(void) { int s; if (!fork()) { printf(\"child\\n\");\n"
                       "exit(4); } wait(&s); printf(\"%d\\n\", WEXITSTATUS(s));\n"
                       "if (!fork()) return; wait(&s); printf(\"%d\\n\", s); }",
                       {{0}},
                       "r__s"});
    CHECK_INT(outcome.kind, OUTCOME_OK);
    worker_drain(&worker);
    expect_output("child\n4\n0\n");
}

static void test_interrupts(void)
{
    static const char *const texts[] = {
        "void r__s(void) { for (;;); }",
        "#include <stdlib.h>\nvoid r__s(void) { for (;;) free(malloc(70000)); }",
        "#include <unistd.h>\nvoid r__s(void) { sleep(100); }",
        "#include <stdlib.h>\nvoid r__s(void) { system(\"sleep 50; sleep 50\"); }",
        "#include <unistd.h>\nvoid r__s(void) { int p[2]; char c; pipe(p); read(p[0], "
        "&c, 1); }",
        "#include <stdio.h>\nvoid r__s(void) { for (;;) printf(\"%d\\n\", 12345); }",
        ("#include <stdio.h>\n#include <unistd.h>\nvoid r__s(void) { int p[2]; pipe(p);\n"
         "FILE *f = fdopen(p[0], \"r\"); for (;;) fgetc(f); }"),
        ("#include <stdlib.h>\nstatic int c(const void *a, const void *b)\n"
         "{ return rand() % 3 - 1; }\n"
         "int a[100]; void r__s(void) { for (;;) qsort(a, 100, 4, c); }"),
        "#include <math.h>\ndouble d; void r__s(void) { for (;;) d += sin(d); }"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CLEANUP(outcome_clear)
        struct outcome outcome = worker_run(
            &worker, &(struct cell){15, texts[i], {{0}}, "r__s", .interrupt_ms = 30});
        if (!CHECK_INT(outcome.kind, OUTCOME_INTERRUPTED) || !CHECK(!worker.has_died))
            show(texts[i], &outcome);
        if (worker.has_died)
            restart();
    }
    buffer_clear(&worker.out);
}

/* An interrupt that is faster than its request stops that; one for another is ignored. */
static void test_early_interrupt(void)
{
    struct cell cell = {16, "void r__s(void) { for (;;); }", .run = "r__s",
                        .interrupt_ms = -1};
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    CHECK_INT(outcome.kind, OUTCOME_INTERRUPTED);
    outcome_clear(&outcome);
    sigqueue(worker.process.pid, SIGINT, (union sigval){.sival_int = (int)worker.id});
    cell = (struct cell){17, "void r__s(void) { }", .run = "r__s"};
    outcome = worker_run(&worker, &cell);
    CHECK_INT(outcome.kind, OUTCOME_OK);
}

int main(void)
{
    if (!worker_start(&worker))
        return 1;
    uint32_t type = add_int();
    test_redefinition(type);
    test_output();
    test_main();
    test_trace();
    test_exit();
    test_children();
    test_faults();
    test_interrupts();
    test_early_interrupt();
    worker_stop(&worker);
    return check_status();
}
