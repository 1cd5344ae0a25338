/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the programs that measure have in common. */
#ifndef ACHAR_BENCH_MEASURE_H
#define ACHAR_BENCH_MEASURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why ? why : "");
    exit(1);
}

static inline double now(void) /* s, monotonic */
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static inline int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Sorts them. */
static inline double median(double *numbers, size_t n)
{
    qsort(numbers, n, sizeof(*numbers), compare_numbers);
    return numbers[n / 2];
}

#endif
