/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %pkg: a library with its headers and flags, as pkg-config knows it. */
#include <string.h>
#include <sys/wait.h>

#include "magics/arguments.h"
#include "magics/libraries.h"

struct package {
    char **words;
    size_t n_words;
    const char **flags, **folders, **libraries; /* borrowed from words */
    size_t n_flags, n_folders, n_libraries;
};

static void package_clear(struct package *package)
{
    words_free(package->words, package->n_words);
    free(package->flags);
    free(package->folders);
    free(package->libraries);
}

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

static void sort_words(struct package *package)
{
    size_t n = package->n_words + 1;
    package->flags = must_alloc(n * sizeof(char *));
    package->folders = must_alloc(n * sizeof(char *));
    package->libraries = must_alloc(n * sizeof(char *));
    for (size_t i = 0; i < package->n_words; i++) {
        const char *word = package->words[i];
        if (!strncmp(word, "-L", 2))
            package->folders[package->n_folders++] = word + 2;
        else if (!strncmp(word, "-l", 2) || strstr(word, ".so"))
            package->libraries[package->n_libraries++] = word;
        else if (!strncmp(word, "-I", 2) || !strncmp(word, "-D", 2))
            package->flags[package->n_flags++] = word;
    }
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(package_clear) struct package package = {0};
    CLEANUP(freep) char *output = NULL;
    if (ask_pkg_config(context, arguments, &output, result) < 0)
        return 0;
    words_split(output, &package.words, &package.n_words);
    sort_words(&package);
    int r = session_add_flags(context->session, package.flags, package.n_flags, err);
    for (size_t i = 0; r == 0 && i < package.n_libraries && result->kind == RESULT_OK;
         i++)
        r = library_link(context, package.libraries[i], package.folders,
                         package.n_folders, result, err);
    return r;
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
