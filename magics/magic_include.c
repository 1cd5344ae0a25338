/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %include: a file of one's own as if it had been typed: what it defines are definitions
 * of the session, which can be defined again and sent. */
#include <string.h>

#include "magics/context.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < arguments->n_words && result->kind == RESULT_OK;
         i++) {
        const char *word = arguments->words[i];
        size_t size = strlen(word);
        bool is_quoted = size > 1 && *word == '"' && word[size - 1] == '"';
        CLEANUP(freep)
        char *name = is_quoted ? must_strndup(word + 1, size - 2) : must_strdup(word);
        if (*name == '<' || strchr(name, '"') || strchr(name, '\n')) {
            result_error(result, "UsageError",
                         "%%include takes files of one's own; #include %s in a cell "
                         "brings a system header",
                         *name == '<' ? name : "<...>");
            return 0;
        }
        CLEANUP(freep) char *text = must_format("#include \"%s\"\n", name);
        r = session_run(context->session, context->cell, context->line, text,
                        context->events, result, err);
    }
    return r;
}

const struct magic magic_include = {
    .name = "include",
    .is_line = true,
    .usage = "FILE ...",
    .summary = "bring the definitions of a .c or .h file into the session, as if typed",
    .min_words = 1,
    .max_words = 64,
    .run = run,
};
