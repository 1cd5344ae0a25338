/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %link: shared libraries for all later cells. */
#include "magics/libraries.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < arguments->n_words && result->kind == RESULT_OK; i++)
        r = library_link(context, arguments->words[i], NULL, 0, result, err);
    return r;
}

const struct magic magic_link = {
    .name = "link",
    .is_line = true,
    .usage = "LIBRARY ...",
    .summary = "open shared libraries: z, -lz, libz.so.1 or a path",
    .min_words = 1,
    .max_words = 64,
    .run = run,
};
