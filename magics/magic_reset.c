/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %reset: the session starts again, with nothing, or with the definitions it has. What it
 * was given to compile and link with are settings, which stay unless all is to go. */
#include <string.h>

#include "magics/libraries.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)err;
    bool only_variables = false, is_all = false;
    for (size_t i = 0; i < arguments->n_words; i++) {
        const char *word = arguments->words[i];
        if (!strcmp(word, "variables")) {
            only_variables = true;
        } else if (!strcmp(word, "all")) {
            is_all = true;
        } else if (strcmp(word, "-f") != 0) {
            result_error(result, "UsageError", "%%reset takes 'variables' or 'all'");
            return 0;
        }
    }
    session_reset(context->session, only_variables);
    if (is_all) {
        session_forget_settings(context->session);
        libraries_forget(context->magics);
    }
    magic_print(context, "%s; %%undo cannot take this back\n",
                only_variables ? "variables have the values they start with; computed "
                                 "ones are zero until their cells run again"
                : is_all       ? "nothing is defined any more, and no library is linked"
                         : "nothing is defined any more; libraries of %link and flags of "
                           "%pkg stay (%reset all)");
    return 0;
}

const struct magic magic_reset = {
    .name = "reset",
    .is_line = true,
    .usage = "[-f] [variables | all]",
    .summary = "forget all definitions (`all`: libraries and flags, too), or bring all "
               "variables back to "
               "where they start",
    .max_words = 2,
    .run = run,
};
