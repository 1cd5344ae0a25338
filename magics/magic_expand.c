/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %expand and %%expand: C after its macros, as the compiler sees it. */
#include <string.h>

#include "magics/context.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    bool is_cell = arguments->body != NULL;
    CLEANUP(freep) char *text = NULL;
    if (is_cell ? *arguments->text : !*arguments->text) {
        result_error(result, "UsageError",
                     is_cell ? "%%%%expand stands alone on its line"
                             : "%%expand takes C text");
        return 0;
    }
    int r = session_expand(
        context->session, context->cell, is_cell ? arguments->body_line : context->line,
        is_cell ? arguments->body : arguments->text, &text, result, err);
    if (r == 0 && text)
        magic_print(context, "%s", text);
    return r;
}

const struct magic magic_expand = {
    .name = "expand",
    .is_line = true,
    .is_cell = true,
    .usage = "TEXT",
    .summary = "show C after macro expansion",
    .max_words = SIZE_MAX,
    .run = run,
};
