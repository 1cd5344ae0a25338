/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %pkg: a library with its headers and flags, as pkg-config knows it. */
#include <string.h>
#include <sys/wait.h>

#include "magics/libraries.h"

static int ask_pkg_config(struct magic_context *context,
                          const struct magic_arguments *arguments, char **ret,
                          struct result *result)
{
    CLEANUP(freep)
    const char **argv = must_alloc((arguments->n_words + 5) * sizeof(*argv));
    CLEANUP(buffer_clear) struct buffer output = {0};
    struct error err = {0};
    size_t n = 0;
    int status;
    argv[n++] = "pkg-config";
    argv[n++] = "--cflags";
    argv[n++] = "--libs";
    argv[n++] = "--print-errors";
    for (size_t i = 0; i < arguments->n_words; i++)
        argv[n++] = arguments->words[i];
    int r = magic_process(context, argv, &output, &status, &err);
    if (r > 0) {
        result_error(result, "Interrupted", "pkg-config was interrupted");
        return -1;
    }
    if (r < 0) {
        result_error(result, "PackageError", "%s; install pkg-config", err.text);
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        result_error(result, "PackageError",
                     "pkg-config does not know '%s'; install its development package "
                     "(lib%s-dev, or a name like it)\n%s",
                     arguments->text, arguments->words[0], buffer_string(&output));
        return -1;
    }
    *ret = buffer_take(&output);
    return 0;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(freep) char *output = NULL;
    if (ask_pkg_config(context, arguments, &output, result) < 0)
        return 0;
    return library_use(context, output, result, err);
}

const struct magic magic_pkg = {
    .name = "pkg",
    .is_line = true,
    .usage = "PACKAGE ...",
    .summary = "use a library with its headers, as pkg-config knows it",
    .min_words = 1,
    .max_words = 32,
    .run = run,
};
