/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %link: libraries for all later cells, also those that are made of one's own files. */
#include "magics/libraries.h"
#include "magics/objects.h"

static int link_objects(struct magic_context *context,
                        const struct magic_arguments *arguments, struct result *result,
                        struct error *err)
{
    CLEANUP(freep) char *library = NULL;
    int r = objects_build(context, arguments->words, arguments->n_words, &library, result,
                          err);
    if (r < 0 || !library)
        return r;
    return session_link(context->session, library, context->events, result, err);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    int r = 0;
    bool has_objects = false;
    for (size_t i = 0; r == 0 && i < arguments->n_words && result->kind == RESULT_OK;
         i++) {
        if (objects_is_one(arguments->words[i]))
            has_objects = true; /* which may need the libraries */
        else
            r = library_link(context, arguments->words[i], NULL, 0, result, err);
    }
    if (r == 0 && has_objects && result->kind == RESULT_OK)
        r = link_objects(context, arguments, result, err);
    return r;
}

const struct magic magic_link = {
    .name = "link",
    .is_line = true,
    .usage = "LIBRARY|FILE ...",
    .summary = "open libraries (z, -lz, libz.so.1, a path) and files (.c, .o, .a)",
    .min_words = 1,
    .max_words = 64,
    .run = run,
};
