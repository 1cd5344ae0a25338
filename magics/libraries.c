/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/libraries.h"

#include <string.h>
#include <sys/stat.h>

#include "magics/arguments.h"

static char *find_in_folders(const char *name, const char *const *folders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *path = must_format("%s/lib%s.so", folders[i], name);
        if (access(path, R_OK) == 0)
            return TAKE(path);
    }
    return NULL;
}

/* `ldconfig -p` prints "\tlibz.so.1 (libc6,x86-64) => /lib/...": the shortest soname is
 * the one that programs are linked with. */
static char *find_in_cache(const char *cache, const char *name)
{
    CLEANUP(freep) char *start = must_format("\tlib%s.so.", name);
    const char *best = NULL;
    size_t best_size = 0;
    for (const char *at = cache; (at = strstr(at, start)); at++) {
        size_t size = strcspn(at + 1, " \n");
        if (!best || size < best_size) {
            best = at + 1;
            best_size = size;
        }
    }
    return best ? must_strndup(best, best_size) : NULL;
}

/* Owned; NULL when there is no such library. */
static char *find(struct magic_context *context, const char *name,
                  const char *const *folders, size_t n_folders)
{
    if (strchr(name, '/') || strstr(name, ".so"))
        return must_strdup(name);
    if (!strncmp(name, "-l", 2))
        name += 2;
    char *path = find_in_folders(name, folders, n_folders);
    if (path)
        return path;
    static const char *const argv[] = {"/sbin/ldconfig", "-p", NULL};
    CLEANUP(buffer_clear) struct buffer cache = {0};
    int status;
    if (magic_process(context, argv, &cache, &status, NULL) < 0)
        return NULL;
    return find_in_cache(buffer_string(&cache), name);
}

/* What tells a file that was built again from what it was; 0: there is none. */
static uint64_t stamp_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return 0;
    uint64_t parts[] = {(uint64_t)status.st_ino, (uint64_t)status.st_size,
                        (uint64_t)status.st_mtim.tv_sec,
                        (uint64_t)status.st_mtim.tv_nsec};
    uint64_t stamp = 14695981039346656037u;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        stamp = (stamp ^ parts[i]) * 1099511628211u;
    return stamp | 1;
}

void libraries_forget(struct magics *magics)
{
    for (size_t i = 0; i < magics->n_linked; i++)
        free(magics->linked[i].path);
    free(magics->linked);
    magics->linked = NULL;
    magics->n_linked = magics->linked_capacity = 0;
}

/* False, and said: the process has what the file was, and code leads there. */
static bool check_unchanged(struct magic_context *context, const char *file,
                            struct result *result)
{
    struct magics *magics = context->magics;
    CLEANUP(freep) char *path = magic_path(context, file);
    uint64_t stamp = strchr(file, '/') ? stamp_of(path) : 0;
    if (!stamp)
        return true;
    for (size_t i = 0; i < magics->n_linked; i++) {
        if (strcmp(magics->linked[i].path, path) != 0)
            continue;
        if (magics->linked[i].stamp == stamp)
            return true;
        result_error(result, "LinkError",
                     "'%s' has changed since it was linked, and the session still has "
                     "what it was: %%reset all, then %%link takes the new one (a file "
                     "of C source can be linked again as it is)",
                     file);
        return false;
    }
    GROW(magics->linked, magics->n_linked, magics->linked_capacity);
    magics->linked[magics->n_linked++] =
        (struct linked_file){.path = TAKE(path), .stamp = stamp};
    return true;
}

int library_link(struct magic_context *context, const char *name,
                 const char *const *folders, size_t n_folders, struct result *result,
                 struct error *err)
{
    CLEANUP(freep) char *file = find(context, name, folders, n_folders);
    if (!file) {
        result_error(result, "LinkError",
                     "there is no shared library for '%s': no lib%s.so in the dynamic "
                     "linker's cache; give a path, or install the library",
                     name, strncmp(name, "-l", 2) ? name : name + 2);
        return 0;
    }
    if (!check_unchanged(context, file, result))
        return 0;
    return session_link(context->session, file, context->events, result, err);
}

/* ---- flags of a compiler's command line ---- */

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

int library_use(struct magic_context *context, const char *flags, struct result *result,
                struct error *err)
{
    CLEANUP(package_clear) struct package package = {0};
    words_split(flags, &package.words, &package.n_words);
    sort_words(&package);
    int r = session_add_flags(context->session, package.flags, package.n_flags, err);
    for (size_t i = 0; r == 0 && i < package.n_libraries && result->kind == RESULT_OK;
         i++)
        r = library_link(context, package.libraries[i], package.folders,
                         package.n_folders, result, err);
    return r;
}
