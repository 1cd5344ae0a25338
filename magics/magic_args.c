/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %args: what main() of later cells is given. */
#include <string.h>

#include "magics/context.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)result;
    (void)err;
    size_t n = arguments->n_words;
    CLEANUP(freep) char **words = must_alloc((n + 1) * sizeof(*words));
    for (size_t i = 0; i < n; i++) { /* quotes only keep blanks together */
        const char *word = arguments->words[i];
        size_t size = strlen(word);
        bool is_quoted =
            size > 1 && (*word == '"' || *word == '\'') && word[size - 1] == *word;
        words[i] = is_quoted ? must_strndup(word + 1, size - 2) : must_strdup(word);
    }
    session_set_arguments(context->session, (const char *const *)words, n);
    for (size_t i = 0; i < n; i++)
        free(words[i]);
    return 0;
}

const struct magic magic_args = {
    .name = "args",
    .is_line = true,
    .usage = "[WORD ...]",
    .summary = "the arguments of main() in later cells, behind its name",
    .max_words = 1000,
    .run = run,
};
