/* SPDX-License-Identifier: BSD-3-Clause
 *
 * floors N: what this machine asks for the simplest things that every kernel is made of,
 * measured N times each. One line a thing: seconds (for "memcpy": bytes a second), a
 * space, its name. Medians, so that numbers of the same run can be judged by them. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pickler/code/tcc.h"
#include "tests/bench/measure.h"

extern char **environ;

#define TIMES_MAX 100000
#define MESSAGE 32
#define HEAP ((size_t)10 << 20) /* what a session that is measured here has as well */
#define COPY ((size_t)32 << 20)
#define PAGE 4096
#define NOTHING "nothing" /* nothing.c, beside this one */
/* A process that has loaded a small payload and forks job workers has so many mappings,
 * half of them with pages of its own; and a job worker writes to so many before it has
 * answered its task. */
#define ZYGOTE_MAPPINGS 50
#define MAPPING_SIZE ((size_t)6 * PAGE)
#define MAPPING_STEP (MAPPING_SIZE + PAGE)
#define TASK_PAGES 40

static bool pass(int fd, bool is_first)
{
    char message[MESSAGE] = {0};
    for (int i = 0; i < 2; i++)
        if ((i == 0) == is_first ? write(fd, message, MESSAGE) != MESSAGE
                                 : read(fd, message, MESSAGE) != MESSAGE)
            return false;
    return true;
}

static void measure_messages(double *seconds, size_t n)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        fail("socketpair", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        fail("fork", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        while (pass(ends[1], false))
            ;
        _exit(0);
    }
    close(ends[1]);
    for (size_t i = 0; i < n; i++) {
        double start = now();
        if (!pass(ends[0], true))
            fail("the other process", strerror(errno));
        seconds[i] = now() - start;
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    printf("%.9f 32 bytes to a process and back\n", median(seconds, n));
}

/* The child writes to the first of the mappings' pages, then to the second ones, until
 * it has written to so many. */
static void write_pages(char *memory, size_t n_pages)
{
    size_t n_mappings = ZYGOTE_MAPPINGS / 2;
    for (size_t k = 0; k < n_pages; k++)
        *(volatile char *)(memory + k % n_mappings * MAPPING_STEP +
                           k / n_mappings * PAGE) = 1;
}

static void measure_forks(double *seconds, size_t n, const char *name, char *memory,
                          size_t n_pages)
{
    for (size_t i = 0; i < n; i++) {
        double start = now();
        pid_t child = fork();
        if (child < 0)
            fail("fork", strerror(errno));
        if (child == 0) {
            write_pages(memory, n_pages);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        seconds[i] = now() - start;
    }
    printf("%.9f %s\n", median(seconds, n), name);
}

static void measure_starts(double *seconds, size_t n)
{
    char program[4096] = "";
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - sizeof(NOTHING));
    char *end = size > 0 ? strrchr(program, '/') : NULL;
    if (!end)
        fail("readlink", strerror(errno));
    memcpy(end + 1, NOTHING, sizeof(NOTHING));
    char *argv[] = {program, NULL};
    for (size_t i = 0; i < n; i++) {
        pid_t child;
        int status;
        double start = now();
        int code = posix_spawn(&child, program, NULL, NULL, argv, environ);
        if (code)
            fail(program, strerror(code));
        if (waitpid(child, &status, 0) < 0 || status)
            fail(program, "it did not end well");
        seconds[i] = now() - start;
    }
    printf("%.9f start of a static program\n", median(seconds, n));
}

/* What the first call of new code cannot do without. */
static void measure_compiler(double *seconds, size_t n)
{
    static const char text[] =
        "int achar_value;\nvoid achar_entry(void) { achar_value = 1; }\n";
    for (size_t i = 0; i < n; i++) {
        struct error err = {0};
        CLEANUP(compiled_clear) struct compiled compiled = {0};
        double start = now();
        if (tcc_compile(text, NULL, 0, &compiled, &err) < 0 || !compiled.is_ok)
            fail("libtcc", err.text);
        seconds[i] = now() - start;
    }
    printf("%.9f libtcc, a function\n", median(seconds, n));
}

static void *map(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap", strerror(errno));
    madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

/* The first write to each page of fresh memory. */
static void measure_faults(double *seconds, size_t n)
{
    size_t pages = 256;
    for (size_t i = 0; i < n; i++) {
        char *memory = map(pages * PAGE);
        double start = now();
        for (size_t k = 0; k < pages; k++)
            *(volatile char *)(memory + k * PAGE) = 1;
        seconds[i] = (now() - start) / (double)pages;
        munmap(memory, pages * PAGE);
    }
    printf("%.9f page fault\n", median(seconds, n));
}

static void measure_copies(double *seconds, size_t n)
{
    char *from = map(COPY), *to = map(COPY);
    memset(from, 1, COPY);
    memset(to, 2, COPY);
    for (size_t i = 0; i < n; i++) {
        double start = now();
        memcpy(to, from, COPY);
        seconds[i] = now() - start;
    }
    if (to[COPY - 1] != 1)
        fail("memcpy", strerror(errno));
    printf("%.0f memcpy\n", (double)COPY / median(seconds, n));
    munmap(from, COPY);
    munmap(to, COPY);
}

/* Memory of a process's own in as many mappings, each followed by one without pages. */
static void measure_job_workers(double *seconds, size_t n)
{
    char *memory = map(ZYGOTE_MAPPINGS / 2 * MAPPING_STEP);
    for (size_t i = 0; i < ZYGOTE_MAPPINGS / 2; i++) {
        char *own = memory + i * MAPPING_STEP;
        memset(own, 1, MAPPING_SIZE);
        if (mprotect(own + MAPPING_SIZE, PAGE, PROT_NONE) < 0)
            fail("mprotect", strerror(errno));
    }
    measure_forks(seconds, n, "fork, exit of a job worker", memory, 0);
    measure_forks(seconds, n, "the same, with a task", memory, TASK_PAGES);
    munmap(memory, ZYGOTE_MAPPINGS / 2 * MAPPING_STEP);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (n < 1 || n > TIMES_MAX) {
        fprintf(stderr, "usage: floors N, with N from 1 to %d\n", TIMES_MAX);
        return 2;
    }
    double *seconds = calloc(n, sizeof(*seconds));
    if (!seconds)
        fail("calloc", strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing is left for children to print again */
    measure_messages(seconds, n);
    measure_forks(seconds, n, "fork and exit", NULL, 0);
    char *heap = map(HEAP);
    memset(heap, 1, HEAP);
    measure_forks(seconds, n, "fork and exit, 10 MB", NULL, 0);
    munmap(heap, HEAP);
    measure_job_workers(seconds, n);
    measure_starts(seconds, n < 200 ? n : 200);
    measure_compiler(seconds, n < 200 ? n : 200);
    measure_faults(seconds, n < 50 ? n : 50);
    measure_copies(seconds, n < 20 ? n : 20);
    free(seconds);
    return 0;
}
