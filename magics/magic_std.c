/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %std: the version of C of later cells. */
#include <string.h>

#include "magics/dialect.h"

static bool is_standard(const char *word)
{
    static const char *const years[] = {"89", "90", "99", "11", "17",
                                        "18", "23", "2x", "2y", NULL};
    const char *year = !strncmp(word, "gnu", 3) ? word + 3 : *word == 'c' ? word + 1 : "";
    for (size_t i = 0; years[i]; i++)
        if (!strcmp(year, years[i]))
            return true;
    return false;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    struct magics *magics = context->magics;
    (void)err;
    if (!arguments->n_words) {
        magic_print(context, "%s\n", magics->standard ? magics->standard : "gnu17");
        return 0;
    }
    const char *word = arguments->words[0];
    bool is_usual = !strcmp(word, "gnu17") || !strcmp(word, "default");
    if (!is_usual && !is_standard(word)) {
        result_error(result, "UsageError",
                     "'%s' is no version of C: c89, c99, c11, c17, c23, or gnu89 ... "
                     "gnu23; %%std default is gnu17",
                     word);
        return 0;
    }
    CLEANUP(freep)
    char *options =
        dialect_options(context, is_usual ? NULL : word, magics->compiler, result);
    if (!options)
        return 0;
    free(magics->standard);
    magics->standard = is_usual ? NULL : must_strdup(word);
    dialect_set(context, options, magics->compiler);
    return 0;
}

const struct magic magic_std = {
    .name = "std",
    .is_line = true,
    .usage = "[c89|c99|c11|c17|c23|gnu...|default]",
    .summary = "the version of C of later cells",
    .max_words = 1,
    .run = run,
};
