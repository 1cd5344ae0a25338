/* SPDX-License-Identifier: BSD-3-Clause
 *
 * floors N: what this machine asks for the simplest things that every kernel is made of,
 * measured N times each. One line a thing: seconds (for "memcpy": bytes a second), a
 * space, its name. Medians, so that numbers of the same run can be judged by them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define TIMES_MAX 100000
#define MESSAGE 32
#define HEAP ((size_t)10 << 20) /* what a session that is measured here has as well */
#define COPY ((size_t)32 << 20)
#define PAGE 4096

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

static void measure_forks(double *seconds, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        double start = now();
        pid_t child = fork();
        if (child < 0)
            fail("fork", strerror(errno));
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
        seconds[i] = now() - start;
    }
    printf("%.9f %s\n", median(seconds, n), name);
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
    measure_forks(seconds, n, "fork and exit");
    char *heap = map(HEAP);
    memset(heap, 1, HEAP);
    measure_forks(seconds, n, "fork and exit, 10 MB");
    munmap(heap, HEAP);
    measure_faults(seconds, n < 50 ? n : 50);
    measure_copies(seconds, n < 20 ? n : 20);
    free(seconds);
    return 0;
}
