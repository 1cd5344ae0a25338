/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %undo: the session as it was before the last cells. */
#include <stdlib.h>

#include "magics/context.h"

static bool read_count(const struct magic_arguments *arguments, size_t *ret,
                       struct result *result)
{
    char *end = NULL;
    *ret = 1;
    if (!arguments->n_words)
        return true;
    unsigned long n = strtoul(arguments->words[0], &end, 10);
    *ret = n;
    if (*arguments->words[0] >= '0' && *arguments->words[0] <= '9' && !*end && n > 0 &&
        n <= SESSION_UNDO_MAX)
        return true;
    result_error(result, "UsageError", "%%undo takes a number of cells from 1 to %d",
                 SESSION_UNDO_MAX);
    return false;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(session_undone_clear) struct session_undone undone = {0};
    size_t n;
    if (!read_count(arguments, &n, result))
        return 0;
    int r = session_undo(context->session, n, &undone, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    for (size_t i = 0; i < undone.n; i++)
        magic_print(context, "%sIn[%u]",
                    i == 0             ? ""
                    : i + 1 < undone.n ? ", "
                                       : " and ",
                    undone.cells[i]);
    magic_print(context, " %s undone\n", undone.n > 1 ? "are" : "is");
    if (undone.changed)
        magic_print(context, "what was written to %s stays\n", undone.changed);
    return 0;
}

const struct magic magic_undo = {
    .name = "undo",
    .is_line = true,
    .usage = "[CELLS]",
    .summary = "take back what the last cell did, or the last few cells",
    .max_words = 1,
    .run = run,
};
