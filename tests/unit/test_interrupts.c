/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two thousand interrupts of loops that allocate, free, print and open streams, at any
 * moment, with and without other threads: each is answered, and none hurts the heap, the
 * streams or the cell's own data. */
#include "tests/unit/worker_client.h"

#include <time.h>

#define INTERRUPTS 2000
#define LATEST_US 1200 /* an interrupt comes up to so much after its request */

/* Blocks are published when they are whole, and are nobody's before they are freed: then
 * the data is right wherever the loops are left. */
static const char definitions[] =
    "#define _GNU_SOURCE\n#include <pthread.h>\n#include <stdio.h>\n#include "
    "<stdlib.h>\n#include <string.h>\n"
    "#include <unistd.h>\n"
    "#define SLOTS 500\n"
    "unsigned char *slots__achar1[SLOTS];\n"
    "unsigned seed__achar1 = 7; long rounds__achar1;\n"
    "static unsigned chance(void)\n"
    "{ return (seed__achar1 = seed__achar1 * 1664525 + 1013904223) >> 8; }\n"
    "void put__achar1(unsigned i, unsigned char *p, unsigned size)\n"
    "{ if (p) { memcpy(p, &size, 4); p[size - 1] = size % 251; } slots__achar1[i] = p; "
    "}\n"
    "unsigned char *take__achar1(unsigned i)\n"
    "{ unsigned char *p = slots__achar1[i]; slots__achar1[i] = NULL; return p; }\n"
    "void look__achar1(void) {\n"
    "  for (int i = 0; i < SLOTS; i++) { unsigned size; unsigned char *p = "
    "slots__achar1[i];\n"
    "    if (!p) continue;\n"
    "    memcpy(&size, p, 4); if (size > 9000 || p[size - 1] != size % 251) abort(); }\n"
    "  for (int i = 0; i < SLOTS; i += 7) {\n"
    "    free(take__achar1(i)); put__achar1(i, malloc(64), 64); } }\n"
    "void plain__achar1(void) { for (;; rounds__achar1++) {\n"
    "  unsigned i = chance() % SLOTS, size = 8 + chance() % 3000;\n"
    "  free(take__achar1(i)); put__achar1(i, malloc(size), size); } }\n"
    "void grow__achar1(void) { for (;; rounds__achar1++) {\n"
    "  unsigned i = chance() % SLOTS, size = 8 + chance() % 8000;\n"
    "  put__achar1(i, realloc(take__achar1(i), size), size); } }\n"
    "void library__achar1(void) { for (;; rounds__achar1++) {\n"
    "  unsigned i = chance() % SLOTS, size = 64; char *text = NULL, *copy;\n"
    "  free(take__achar1(i)); asprintf(&text, \"%d %s %g\", i, \"text\", i / 3.0);\n"
    "  copy = strdup(text); free(text); free(copy);\n"
    "  put__achar1(i, calloc(1, size), size); } }\n"
    "void print__achar1(void) { for (;; rounds__achar1++) {\n"
    "  char text[100]; unsigned i = chance() % SLOTS;\n"
    "  snprintf(text, sizeof(text), \"%d %p %f\", i, slots__achar1[i], i / 7.0);\n"
    "  printf(\"%s %ld\\n\", text, rounds__achar1); free(take__achar1(i)); } }\n"
    "void stream__achar1(void) { for (;; rounds__achar1++) {\n"
    "  char *text = NULL; size_t size = 0; FILE *file = open_memstream(&text, &size);\n"
    "  if (!file) abort();\n"
    "  fprintf(file, \"%ld %s\", rounds__achar1, \"and so on\"); fclose(file); "
    "free(text);\n"
    "} }\n"
    "static void *beside(void *p) { unsigned char *own[50] = {0}; unsigned own_seed = "
    "5;\n"
    "  for (;;) { unsigned i = (own_seed = own_seed * 1664525 + 1013904223) >> 8;\n"
    "    free(own[i % 50]); own[i % 50] = malloc(i % 2000);\n"
    "    if (i % 64 == 0) usleep(50); } return p; }\n"
    "void threads__achar1(void) { pthread_t t;\n"
    "  for (int i = 0; i < 2; i++) pthread_create(&t, NULL, beside, NULL); }\n";

static const char *const loops[] = {"plain", "grow", "library", "print", "stream"};
#define N_LOOPS (sizeof(loops) / sizeof(*loops))

static struct worker worker;

static unsigned next_random(void)
{
    static unsigned state = 2026;
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static void define(void)
{
    struct cell cell = {1,
                        definitions,
                        {FUNCTION("look", 1), FUNCTION("plain", 1), FUNCTION("grow", 1),
                         FUNCTION("library", 1), FUNCTION("print", 1),
                         FUNCTION("stream", 1), FUNCTION("threads", 1)}};
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK))
        fprintf(stderr, "  %s\n", outcome.message);
}

static bool run(const char *function)
{
    CLEANUP(freep)
    char *text =
        must_format("void %s(void);\nvoid r__s(void) { %s(); }", function, function);
    struct cell cell = {2, text, {{0}}, "r__s"};
    CLEANUP(outcome_clear) struct outcome outcome = worker_run(&worker, &cell);
    if (outcome.kind == OUTCOME_OK && !worker.has_died)
        return true;
    const struct outcome *end = worker.has_died ? &worker.dying : &outcome;
    fprintf(stderr, "%s: kind %d, %s: %s\n", function, end->kind,
            end->name ? end->name : "", end->message ? end->message : "");
    check_failures++;
    return false;
}

/* The answer to the request that was sent last. */
static bool receive(struct frame *ret)
{
    struct error err = {0};
    for (int waited = 0; waited < ANSWER_TIMEOUT_MS; waited++) {
        int r = channel_receive(worker.process.channel, 1, ret, &err);
        worker_drain(&worker);
        if (r < 0)
            return false;
        if (r > 0)
            return ret->id == worker.id && ret->kind == WORKER_RUN;
    }
    return false;
}

static bool interrupt_loop(const char *loop)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(freep)
    char *text = must_format("void %s(void);\nvoid r__s(void) { %s(); }", loop, loop);
    struct cell cell = {3, text, {{0}}, "r__s"};
    struct error err = {0};
    struct frame answer;
    cell_pack(&cell, &question);
    pack_u64(&question, 0);
    worker.id++;
    if (channel_send(worker.process.channel, WORKER_RUN, 7, worker.id, question.data,
                     question.size, &err) < 0)
        return CHECK(false);
    struct timespec pause = {0, (long)(next_random() % LATEST_US) * 1000};
    nanosleep(&pause, NULL);
    sigqueue(worker.process.pid, SIGINT, (union sigval){.sival_int = (int)worker.id});
    if (!CHECK(receive(&answer)))
        return false;
    struct unpack in = unpack_init(answer.data, answer.size);
    CHECK_OK(outcome_unpack(&in, &outcome, &err), err);
    return CHECK_INT(outcome.kind, OUTCOME_INTERRUPTED) && CHECK(outcome.is_state_kept);
}

static void interrupt_often(int n, bool has_threads)
{
    int done = 0;
    if (!worker_start(&worker))
        return;
    define();
    bool is_good = !has_threads || run("threads");
    for (int i = 0; is_good && i < n; i++) {
        is_good = interrupt_loop(loops[(size_t)i % N_LOOPS]) && run("look");
        done += is_good;
        if (!is_good)
            fprintf(stderr, "  in interrupt %d of '%s'\n", i, loops[(size_t)i % N_LOOPS]);
    }
    CHECK_INT(done, n);
    printf("%d interrupts survived%s\n", done, has_threads ? " beside threads" : "");
    worker_stop(&worker);
}

int main(void)
{
    interrupt_often(INTERRUPTS * 3 / 4, false);
    interrupt_often(INTERRUPTS / 4, true);
    return check_failures != 0;
}
