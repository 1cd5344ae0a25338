/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/complete_header.h"

#include <dirent.h>
#include <string.h>

#include "kernel/unit/draft.h"
#include "kernel/unit/header_set.h"

static size_t line_start(const char *source, size_t at)
{
    while (at && source[at - 1] != '\n')
        at--;
    return at;
}

/* Offset of what stands behind < or " of the line's #include; 0 when there is none. */
static size_t name_start(const char *source, size_t cursor)
{
    static const char word[] = "include";
    size_t at = line_start(source, cursor);
    at += strspn(source + at, " \t");
    if (source[at++] != '#')
        return 0;
    at += strspn(source + at, " \t");
    if (strncmp(source + at, word, sizeof(word) - 1) != 0)
        return 0;
    at += sizeof(word) - 1;
    at += strspn(source + at, " \t");
    bool is_open = at < cursor && (source[at] == '<' || source[at] == '"');
    return is_open && strcspn(source + at + 1, ">\"\n") >= cursor - at - 1 ? at + 1 : 0;
}

bool header_name_at(const char *source, size_t cursor, size_t *ret_start)
{
    size_t first = name_start(source, cursor), start = cursor;
    if (!first)
        return false;
    while (start > first && source[start - 1] != '/')
        start--;
    *ret_start = start;
    return true;
}

static void list(const char *folder, const char *below,
                 void (*add)(void *context, const char *name), void *context)
{
    CLEANUP(freep) char *path = must_format("%s/%s", folder, below);
    DIR *open = opendir(path);
    for (struct dirent *at; open && (at = readdir(open));) {
        size_t size = strlen(at->d_name);
        if (*at->d_name == '.')
            continue;
        if (size > 2 && !strcmp(at->d_name + size - 2, ".h"))
            add(context, at->d_name);
        else if (at->d_type == DT_DIR)
            add(context, at->d_name);
    }
    if (open)
        closedir(open);
}

void header_names_each(const struct analysis *analysis, const char *source, size_t start,
                       void (*add)(void *context, const char *name), void *context)
{
    static const char *const folders[] = {"/usr/local/include", "/usr/include",
                                          "/usr/include/x86_64-linux-gnu"};
    size_t first = name_start(source, start);
    CLEANUP(freep) char *below = must_strndup(source + first, start - first);
    CLEANUP(freep) char *compiler = header_compiler_folder();
    for (size_t i = 0; i < analysis->n_flags; i++)
        if (!strncmp(analysis->flags[i], "-I", 2))
            list(analysis->flags[i] + 2, below, add, context);
    if (source[first - 1] == '"')
        list(".", below, add, context);
    if (compiler)
        list(compiler, below, add, context);
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        list(folders[i], below, add, context);
}
