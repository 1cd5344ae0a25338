/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %timeit and %%timeit: how long a statement takes, over many rounds of a loop that is
 * compiled with it. The text is laid out so that all of the person's keeps its place:
 * what stands before it fits where the magic's name stood. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/context.h"

#define REPEATS 7

enum { OPTION_LOOPS, OPTION_REPEATS };

/* The memory is all that a round may have changed: a compiler must leave each one in. */
static const char loop_end[] =
    "\n;__asm__ volatile(\"\" : : : \"memory\");} while (({ extern unsigned long "
    "__achar_loops; --__achar_loops; }));";

static bool read_count(const char *text, const char *what, uint64_t max, uint64_t *ret,
                       struct result *result)
{
    char *end;
    if (!text)
        return true;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || strspn(text, "0123456789") != strlen(text) || !value ||
        value > max) {
        result_error(result, "UsageError",
                     "'%s' is no number of %s: 1 to %llu are possible", text, what,
                     (unsigned long long)max);
        return false;
    }
    *ret = value;
    return true;
}

/* "%timeit f(1)" becomes "     do{f(1)". */
static char *line_text(const struct magic_arguments *arguments)
{
    size_t column = arguments->column > 4 ? arguments->column - 4 : 0;
    return must_format("%*sdo{%s%s", (int)column, "", arguments->text, loop_end);
}

/* The line of the magic holds its setup and the start of the loop. */
static char *cell_text(const struct magic_arguments *arguments)
{
    size_t column = arguments->column > 2 ? arguments->column - 2 : 0;
    return must_format("%*s{%s;do{\n%s%s}", (int)column, "", arguments->text,
                       arguments->body, loop_end);
}

struct statistic {
    double mean, deviation, best; /* seconds a round */
};

static struct statistic evaluate(const struct session_times *times)
{
    struct statistic ret = {.best = INFINITY};
    double scale = 1e-9 / (double)times->loops, squares = 0;
    for (size_t i = 0; i < times->n; i++) {
        double time = (double)times->nanoseconds[i] * scale;
        ret.mean += time / (double)times->n;
        ret.best = time < ret.best ? time : ret.best;
    }
    for (size_t i = 0; i < times->n; i++) {
        double off = (double)times->nanoseconds[i] * scale - ret.mean;
        squares += off * off;
    }
    ret.deviation = sqrt(squares / (double)times->n);
    return ret;
}

static char *duration(double seconds)
{
    static const struct {
        double scale;
        const char *unit;
    } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
    size_t i = 0;
    while (i < 3 && seconds < units[i].scale)
        i++;
    double value = seconds / units[i].scale;
    return must_format("%.*f %s",
                       value < 10    ? 2
                       : value < 100 ? 1
                                     : 0,
                       value, units[i].unit);
}

/* "10,000" */
static char *grouped(uint64_t value)
{
    CLEANUP(freep) char *digits = must_format("%llu", (unsigned long long)value);
    struct buffer out = {0};
    for (size_t n = strlen(digits), i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            buffer_add_char(&out, ',');
        buffer_add_char(&out, digits[i]);
    }
    return buffer_take(&out);
}

static void show(struct magic_context *context, const struct session_times *times)
{
    struct statistic statistic = evaluate(times);
    CLEANUP(freep) char *mean = duration(statistic.mean);
    CLEANUP(freep) char *deviation = duration(statistic.deviation);
    CLEANUP(freep) char *best = duration(statistic.best);
    CLEANUP(freep) char *loops = grouped(times->loops);
    magic_print(context,
                "%s ± %s per loop, best %s (mean ± std. dev. of %zu run%s, %s loop%s "
                "each)\n",
                mean, deviation, best, times->n, times->n == 1 ? "" : "s", loops,
                times->loops == 1 ? "" : "s");
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    bool is_cell = arguments->body != NULL;
    struct session_times times = {0};
    uint64_t loops = 0, repeats = REPEATS;
    if (!is_cell && !*arguments->text) {
        result_error(result, "UsageError", "%%timeit takes a statement");
        return 0;
    }
    if (!read_count(arguments->options[OPTION_LOOPS], "loops", TIME_LOOPS_MAX, &loops,
                    result) ||
        !read_count(arguments->options[OPTION_REPEATS], "runs", TIME_REPEATS_MAX,
                    &repeats, result))
        return 0;
    CLEANUP(freep) char *text = is_cell ? cell_text(arguments) : line_text(arguments);
    int r = session_time(context->session, context->cell, context->line, text, loops,
                         (unsigned)repeats, context->events, &times, result, err);
    if (r == 0 && times.n)
        show(context, &times);
    free(times.nanoseconds);
    return r;
}

const struct magic magic_timeit = {
    .name = "timeit",
    .is_line = true,
    .is_cell = true,
    .usage = "[-n LOOPS] [-r RUNS] STATEMENT",
    .summary = "run C many times and say how long it takes",
    .options =
        (const struct magic_option[]){
            [OPTION_LOOPS] = {"n", "LOOPS", "rounds of each run; else for 0.2 s"},
            [OPTION_REPEATS] = {"r", "RUNS", "runs; 7 by default"},
            {0}},
    .max_words = SIZE_MAX,
    .run = run,
};
