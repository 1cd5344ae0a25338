/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %time and %%time: how long C takes, from its analysis to its end. */
#include <string.h>
#include <time.h>

#include "magics/context.h"

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    bool is_cell = arguments->body != NULL;
    if (is_cell && *arguments->text) {
        result_error(result, "UsageError", "%%%%time stands alone on its line");
        return 0;
    }
    CLEANUP(freep)
    char *text =
        is_cell ? must_strdup(arguments->body)
                : must_format("%*s%s", (int)arguments->column - 1, "", arguments->text);
    uint32_t line = is_cell ? arguments->body_line : context->line;
    double start = now_ms();
    int r = session_run(context->session, context->cell, line, text, context->events,
                        result, err);
    double elapsed = now_ms() - start;
    if (r == 0 && result->kind == RESULT_OK)
        magic_print(context, elapsed < 1000 ? "time: %.3g ms\n" : "time: %.4g s\n",
                    elapsed < 1000 ? elapsed : elapsed / 1000);
    return r;
}

const struct magic magic_time = {
    .name = "time",
    .is_line = true,
    .is_cell = true,
    .usage = "STATEMENT",
    .summary = "run C and say how long it took",
    .max_words = SIZE_MAX,
    .run = run,
};
