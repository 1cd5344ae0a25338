/* SPDX-License-Identifier: BSD-3-Clause */
#include <clang-c/Index.h>
#include <dlfcn.h>
#include <glob.h>
#include <string.h>

#include "kernel/unit/header_set.h"

char *header_compiler_folder(void)
{
    static const char *const patterns[] = {
        "/gcc/*/*/include", /* these ask less of the preprocessor */
        "/../gcc/*/*/include", "/../lib/gcc/*/*/include",        "/../../gcc/*/*/include",
        "/clang/*/include",    "/../llvm-*/lib/clang/*/include",
    };
    Dl_info library;
    if (!dladdr((void *)clang_createIndex, &library) || !library.dli_fname)
        return NULL;
    const char *slash = strrchr(library.dli_fname, '/');
    CLEANUP(freep)
    char *folder =
        slash ? must_strndup(library.dli_fname, (size_t)(slash - library.dli_fname))
              : NULL;
    char *found = NULL;
    for (size_t i = 0; folder && !found && i < sizeof(patterns) / sizeof(*patterns);
         i++) {
        CLEANUP(freep) char *pattern = must_format("%s%s", folder, patterns[i]);
        glob_t paths = {0};
        if (glob(pattern, 0, NULL, &paths) == 0 && paths.gl_pathc)
            found = realpath(paths.gl_pathv[paths.gl_pathc - 1], NULL);
        globfree(&paths);
    }
    return found;
}
