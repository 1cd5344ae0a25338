/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %reset: the session starts again, with nothing, or with the definitions it has. */
#include <string.h>

#include "magics/context.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)err;
    bool only_variables = false;
    for (size_t i = 0; i < arguments->n_words; i++) {
        const char *word = arguments->words[i];
        if (!strcmp(word, "variables")) {
            only_variables = true;
        } else if (strcmp(word, "-f") != 0 && strcmp(word, "all") != 0) {
            result_error(result, "UsageError", "%%reset takes 'variables' or 'all'");
            return 0;
        }
    }
    session_reset(context->session, only_variables);
    magic_print(context, only_variables
                             ? "variables have the values they start with; computed "
                               "ones are zero until their cells run again\n"
                             : "nothing is defined any more\n");
    return 0;
}

const struct magic magic_reset = {
    .name = "reset",
    .is_line = true,
    .usage = "[-f] [variables | all]",
    .summary = "forget everything, or bring all variables back to where they start",
    .max_words = 2,
    .run = run,
};
