/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %cc and %%cc: the compiler and flags of later cells, or of one cell. */
#include <string.h>

#include "magics/dialect.h"

/* Runs the cell's C with the options, and goes back to those of before. */
static int run_cell(struct magic_context *context,
                    const struct magic_arguments *arguments, const char *options,
                    const char *compiler, struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer before = {0};
    session_save_options(context->session, &before);
    dialect_set(context, options, compiler);
    int r = session_run(context->session, context->cell, arguments->body_line,
                        arguments->body, context->events, result, err);
    session_restore_options(context->session, &before);
    return r;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    struct magics *magics = context->magics;
    if (!arguments->n_words && !arguments->body) {
        magic_print(context, "%s\n", magics->compiler ? magics->compiler : "auto");
        return 0;
    }
    const char *chosen = arguments->text;
    bool is_usual = !*chosen || !strcmp(chosen, "auto") || !strcmp(chosen, "tcc");
    CLEANUP(freep)
    char *options = is_usual && !magics->standard
                        ? must_strdup("")
                        : dialect_options(context, magics->standard,
                                          is_usual ? NULL : chosen, result);
    if (!options)
        return 0;
    if (arguments->body)
        return run_cell(context, arguments, options, is_usual ? NULL : chosen, result,
                        err);
    free(magics->compiler);
    magics->compiler = is_usual ? NULL : must_strdup(chosen);
    dialect_set(context, options, magics->compiler);
    return 0;
}

const struct magic magic_cc = {
    .name = "cc",
    .is_line = true,
    .is_cell = true,
    .usage = "[auto|gcc|clang] [FLAG ...]",
    .summary = "the compiler and flags of later cells (%cc) or of one (%%cc)",
    .max_words = 64,
    .run = run,
};
