/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checkpoints of a real session worker: what they bring back, what is in their way, and
 * that they end with whoever they were made for. */
#include <sys/wait.h>

#include "kernel/session/checkpoints.h"
#include "tests/unit/worker_client.h"

#define BUDGET ((uint64_t)1 << 30)

static struct worker worker;
static struct checkpoints checkpoints;
static uint32_t int_type;

static void show(const char *what, const struct outcome *outcome)
{
    fprintf(stderr, "  %s: kind %d, name %s, message %s\n", what, outcome->kind,
            outcome->name ? outcome->name : "-",
            outcome->message ? outcome->message : "-");
}

static void add_int(void)
{
    struct type type = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0}, types = {0};
    struct unpack rest;
    int_type = types_add(&worker.types, &type);
    types_pack(&worker.types, 1, &types);
    pack_u64(&question, 1);
    pack_bytes(&question, types.data, types.size);
    worker_ask(&worker, WORKER_TYPES, &question, 0, &outcome, &rest);
    CHECK_INT(outcome.kind, OUTCOME_OK);
}

/* Statements that must come to their end. */
static void run(const char *includes, const char *statements)
{
    CLEANUP(freep)
    char *text = must_format("%s\nextern int x; extern int *block; extern FILE *file;"
                             "extern int ends[2];\nvoid r__s(void) { %s }",
                             includes, statements);
    struct cell cell = {5, text, {{0}}, "r__s"};
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK))
        show(statements, &outcome);
}

#define STDIO "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"

static void expect(const char *expression, const char *value)
{
    CLEANUP(freep)
    char *text = must_format(STDIO "#include <sys/time.h>\n#include <sys/wait.h>\n"
                                   "extern int x; extern int *block; extern FILE *file;\n"
                                   "extern int ends[2]; int v__s;\n"
                                   "void r__s(void) { v__s = %s; }",
                             expression);
    struct cell cell = {6, text, {{0}}, "r__s", NULL, "v__s", int_type, 0};
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK) || !CHECK_STRING(outcome.value_text, value))
        show(expression, &outcome);
}

static void define(void)
{
    CLEANUP(outcome_clear)
    struct outcome outcome = worker_run(
        &worker, &(struct cell){1,
                                STDIO "int x__achar1 = 1; int *block__achar2;\n"
                                      "FILE *file__achar3; int ends__achar4[2];",
                                {VARIABLE("x", 1, 0), VARIABLE("block", 2, 0),
                                 VARIABLE("file", 3, 0), VARIABLE("ends", 4, 0)}});
    CHECK_INT(outcome.kind, OUTCOME_OK);
}

/* Asks for one; true when it was made. */
static bool make(uint64_t moment, uint64_t budget)
{
    struct frame frame;
    struct error err = {0};
    checkpoints_ask(&checkpoints, &worker.process, ++worker.id, moment, budget);
    CHECK_INT(channel_receive(worker.process.channel, ANSWER_TIMEOUT_MS, &frame, &err),
              1);
    CHECK_INT(frame.kind, WORKER_CHECKPOINT);
    CHECK_INT(frame.id, worker.id);
    checkpoints_answer(&checkpoints, &worker.process, &frame);
    return checkpoints_has(&checkpoints, moment);
}

static void must_make(uint64_t moment)
{
    if (!CHECK(make(moment, BUDGET)))
        fprintf(stderr, "  the worker %s\n", checkpoints.obstacle);
}

static void take_over(uint64_t moment, const char *changed)
{
    CLEANUP(freep) char *written = NULL;
    struct error err = {0};
    pid_t before = worker.process.pid;
    CHECK_OK(
        checkpoints_take_over(&checkpoints, &worker.process, moment, 7, &written, &err),
        err);
    CHECK(worker.process.pid > 0 && worker.process.pid != before);
    CHECK_STRING(written, changed);
    CHECK(!checkpoints_has(&checkpoints, moment));
    worker.has_died = false;
}

/* The children of this process are the worker and its checkpoints. */
static size_t count_children(void)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    char path[64], bytes[4096];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    size_t n = 0, size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    for (size_t i = 0; i < size; i++)
        n += bytes[i] == ' ';
    if (file)
        fclose(file);
    return n;
}

static void test_memory(void)
{
    run(STDIO, "block = malloc(40000); block[9999] = 3;");
    must_make(1);
    run(STDIO, "x = 2; block[9999] = 4;");
    must_make(2);
    run(STDIO, "x = 3; free(block); block = 0;");
    CHECK_INT(count_children(), 3);
    kill(worker.process.pid, SIGKILL);
    take_over(2, NULL);
    expect("x * 10 + block[9999]", "24");
    must_make(3);
    run(STDIO, "x = 9;");
    take_over(1, NULL); /* from a live worker, past two others */
    expect("x * 10 + block[9999]", "13");
    run("#define _GNU_SOURCE\n#include <pthread.h>\n" STDIO, /* the library's own number
                                                              */
        "cpu_set_t cpus; ends[0] = pthread_getaffinity_np(pthread_self(), sizeof(cpus), "
        "&cpus);");
    expect("ends[0]", "0");
    CHECK_INT(checkpoints.n, 0);
    checkpoints_reap(&checkpoints);
    must_make(4);
    take_over(4, NULL);
    expect("x", "1");
}

/* What a fork breaks works again: faults, interrupts, output, children of cells. */
static void test_process(void)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    must_make(1);
    take_over(1, NULL);
    run(STDIO, "puts(\"printed\"); fputs(\"warned\", stderr);");
    CHECK_STRING(buffer_string(&worker.out), "printed\n");
    CHECK_STRING(buffer_string(&worker.err), "warned");
    outcome = worker_run(&worker, &(struct cell){7, "void r__s(void) { for (;;); }",
                                                 .run = "r__s", .interrupt_ms = 30});
    CHECK_INT(outcome.kind, OUTCOME_INTERRUPTED);
    outcome_clear(&outcome);
    outcome = worker_run(
        &worker,
        &(struct cell){8, "void r__s(void) { *(volatile int *)0 = 1; }", .run = "r__s"});
    CHECK_INT(outcome.kind, OUTCOME_FAULT); /* no checkpoint: it is left */
    CHECK(outcome.is_state_kept && !worker.has_died);
    run(STDIO "#include <sys/wait.h>\n",
        "if (!fork()) _exit(3); int s; while (wait(&s) > 0) x = s >> 8;");
    expect("x", "3");
}

/* With a checkpoint a fault ends the process, after it has said what it was. */
static void test_fault(void)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    must_make(1);
    outcome = worker_run(
        &worker,
        &(struct cell){9, "int x; void r__s(void) { x = 9; *(volatile int *)0 = 1; }",
                       .run = "r__s"});
    CHECK(worker.has_died);
    CHECK_STRING(worker.dying.name, "SIGSEGV");
    outcome_clear(&worker.dying);
    take_over(1, NULL);
    expect("x", "3");
    must_make(2);
    outcome_clear(&outcome);
    outcome = worker_run(&worker, &(struct cell){10,
                                                 "#include <stdlib.h>\nextern int x;\n"
                                                 "void r__s(void) { x = 4; exit(2); }",
                                                 .run = "r__s"});
    CHECK_INT(outcome.kind, OUTCOME_EXIT); /* is no fault */
    CHECK(!worker.has_died);
    expect("x", "4");
    take_over(2, NULL);
    expect("x", "3");
}

static const struct {
    const char *includes, *begin, *obstacle, *end;
} obstacles[] = {
    {"", "pipe(ends);", "holds a pipe", "close(ends[0]); close(ends[1]);"},
    {"#include <sys/socket.h>\n", "ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);",
     "holds a socket", "close(ends[0]);"},
    {"#include <sys/epoll.h>\n", "ends[0] = epoll_create1(0);",
     "holds an epoll descriptor", "close(ends[0]);"},
    {"#include <sys/eventfd.h>\n", "ends[0] = eventfd(0, 0);", "holds an eventfd",
     "close(ends[0]);"},
    {"#include <sys/file.h>\n", "file = tmpfile(); flock(fileno(file), LOCK_EX);",
     "holds a lock on a file", "fclose(file);"},
    {"#include <fcntl.h>\n",
     "file = tmpfile(); struct flock l = {F_WRLCK, SEEK_SET, 0, 0};"
     "fcntl(fileno(file), F_SETLK, &l);",
     "holds a lock on a file", "fclose(file);"},
    {"#include <sys/mman.h>\n",
     "block = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);",
     "shares memory with other processes", "munmap(block, 4096);"},
    {"#include <pthread.h>\n#include <stdint.h>\n"
     "static void *sleeper(void *p) { read(ends[0], &p, 1); return 0; }\n",
     "pipe(ends); pthread_t t; pthread_create(&t, 0, sleeper, 0); block = (int *)t;",
     "has threads of its own",
     "write(ends[1], \"x\", 1); pthread_join((pthread_t)block, 0); close(ends[0]); "
     "close(ends[1]);"},
    {"#include <signal.h>\n#include <sys/wait.h>\n",
     "x = fork(); if (!x) { for (;;) pause(); }", "has child processes",
     "kill(x, SIGKILL); waitpid(x, 0, 0); x = 3;"},
    {"",
     "block = malloc(40 << 20); for (int i = 0; i < 10 << 20; i += 1024) block[i] = 1;",
     NULL, "free(block);"},
};

static void test_obstacles(void)
{
    for (size_t i = 0; i < sizeof(obstacles) / sizeof(*obstacles); i++) {
        CLEANUP(freep)
        char *includes =
            must_format(STDIO "extern int ends[2];\n%s", obstacles[i].includes);
        run(includes, obstacles[i].begin);
        uint64_t budget = obstacles[i].obstacle ? BUDGET : (uint64_t)20 << 20;
        CHECK(!make(1, budget));
        CHECK_STRING(checkpoints.obstacle,
                     obstacles[i].obstacle
                         ? obstacles[i].obstacle
                         : "has more memory than the budget of %checkpoint");
        run(includes, obstacles[i].end);
#ifdef ACHAR_ASAN
        budget = BUDGET; /* what was freed rests for long */
#endif
        if (!CHECK(make(1, budget)))
            fprintf(stderr, "  after '%s': %s\n", obstacles[i].begin,
                    checkpoints.obstacle);
        take_over(1, NULL);
    }
}

/* Positions come back, what was written stays and is named; timers go on. */
static void test_surroundings(void)
{
    char name[] = "/tmp/achar-checkpoint-XXXXXX";
    int fd = mkstemp(name);
    CHECK_INT(write(fd, "0123456789", 10), 10);
    CLEANUP(freep)
    char *open_it = must_format("file = fopen(\"%s\", \"r+\");"
                                "setvbuf(file, 0, _IONBF, 0);"
                                "x = fgetc(file);",
                                name);
    run(STDIO, open_it);
    must_make(1);
    run(STDIO, "fgetc(file); fgetc(file);");
    take_over(1, NULL);
    expect("fgetc(file)", "49");
    must_make(2);
    run(STDIO, "fputs(\"abc\", file); fflush(file);");
    take_over(2, name);
    expect("fgetc(file)", "97"); /* stands where it stood; the text has changed */
    run(STDIO "#include <sys/time.h>\n",
        "fclose(file); struct itimerval t = {{0}, {1000, 0}};"
        "setitimer(ITIMER_REAL, &t, 0);");
    must_make(3);
    take_over(3, NULL);
    run(STDIO "#include <sys/time.h>\n",
        "struct itimerval t; getitimer(ITIMER_REAL, &t); x = t.it_value.tv_sec > 900;"
        "t.it_value.tv_sec = t.it_value.tv_usec = 0; setitimer(ITIMER_REAL, &t, 0);");
    expect("x", "1");
    close(fd);
    unlink(name);
}

static bool has_ended(pid_t pid)
{
    for (int i = 0; i < ANSWER_TIMEOUT_MS / 10; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static void test_end(void)
{
    must_make(1);
    must_make(2);
    pid_t older = checkpoints.at[0].process.pid, newer = checkpoints.at[1].process.pid;
    channel_free(
        TAKE(checkpoints.at[1].process.channel)); /* nobody can ask it any more */
    CHECK(has_ended(newer));
    CHECK(!checkpoints_has(&checkpoints, 2));
    kill(older, SIGKILL);
    CHECK(has_ended(older));
    CHECK(!checkpoints_has(&checkpoints, 1));
    struct error err = {0};
    char *changed = NULL;
    CHECK_INT(checkpoints_take_over(&checkpoints, &worker.process, 1, 7, &changed, &err),
              -ESRCH);
    expect("x", "1"); /* and the worker is as it was */
    must_make(3);
    must_make(4);
    checkpoints_drop_before(&checkpoints, 4);
    CHECK(!checkpoints_has(&checkpoints, 3) && checkpoints_has(&checkpoints, 4));
    checkpoints_clear(&checkpoints);
    CHECK_INT(count_children(), 1);
    worker_stop(&worker);
    CHECK_INT(count_children(), 0);
}

int main(void)
{
    if (!worker_start(&worker))
        return 1;
    add_int();
    define();
    test_memory();
    test_process();
    test_fault();
    test_obstacles();
    test_surroundings();
    test_end();
    return check_status();
}
