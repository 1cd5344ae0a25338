/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/objects.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "pickler/code/cc.h"

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), n = strlen(end);
    return size > n && !strcmp(name + size - n, end);
}

bool objects_is_one(const char *name)
{
    return ends_with(name, ".o") || ends_with(name, ".a") || ends_with(name, ".c");
}

static int make_folder(struct magics *magics, struct error *err)
{
    return magics->objects_folder.path
               ? 0
               : folder_make(&magics->objects_folder, NULL, "link", err);
}

static char *library_name(const struct magics *magics, size_t number)
{
    return must_format("%s/lib%zu.so", magics->objects_folder.path, number);
}

void objects_clear(struct magics *magics)
{
    folder_remove(&magics->objects_folder);
    magics->n_objects = 0;
}

/* "cc -shared -fPIC ... -o LIBRARY": owned array of borrowed words. */
static const char **command(const char *compiler, const char *library,
                            const char *const *words, size_t n)
{
    static const char *const first[] = {"-shared", "-fPIC", "-O2", "-g",
                                        "-Wl,-Bsymbolic"}; /* its own, not older ones */
    size_t n_first = sizeof(first) / sizeof(*first), at = 0;
    const char **argv = must_alloc((3 * n + n_first + 6) * sizeof(*argv));
    argv[at++] = compiler;
    for (size_t i = 0; i < n_first; i++)
        argv[at++] = first[i];
    for (size_t i = 0; i < n; i++) {
        bool is_archive = ends_with(words[i], ".a");
        if (!is_archive && !objects_is_one(words[i]))
            continue;
        if (is_archive) /* nobody asks for its members yet */
            argv[at++] = "-Wl,--whole-archive";
        argv[at++] = words[i];
        if (is_archive)
            argv[at++] = "-Wl,--no-whole-archive";
    }
    argv[at++] = "-o";
    argv[at++] = library;
    argv[at++] = "-lm";
    return argv;
}

int objects_build(struct magic_context *context, const char *const *words, size_t n,
                  char **ret, struct result *result, struct error *err)
{
    struct magics *magics = context->magics;
    CLEANUP(freep) char *compiler = cc_find();
    CLEANUP(buffer_clear) struct buffer output = {0};
    int status = 0;
    if (!compiler) {
        result_error(result, "LinkError",
                     "files can be linked only where there is a C compiler");
        return 0;
    }
    int r = make_folder(magics, err);
    if (r < 0)
        return r;
    CLEANUP(freep) char *library = library_name(magics, magics->n_objects + 1);
    CLEANUP(freep) const char **argv = command(compiler, library, words, n);
    r = magic_process(context, argv, &output, &status, err);
    if (r < 0)
        return r;
    if (r > 0)
        result_error(result, "Interrupted", "the compiler was interrupted");
    else if (!WIFEXITED(status) || WEXITSTATUS(status))
        result_error(result, "LinkError", "%s",
                     output.size ? buffer_string(&output) : "the compiler failed");
    else
        *ret = TAKE(library);
    magics->n_objects += *ret != NULL;
    return 0;
}
