/* SPDX-License-Identifier: BSD-3-Clause */
#include <clang-c/Index.h>
#include <errno.h>
#include <string.h>

#include "kernel/unit/header_set.h"

/* The text without #define and #undef, lines kept: it is preprocessed already. */
static void without_macros(const char *text, size_t size, struct buffer *out)
{
    const char *end = text + size;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        if (strncmp(text, "#define ", 8) == 0 || strncmp(text, "#undef ", 7) == 0)
            buffer_add_char(out, '\n');
        else
            buffer_add(out, text, (size_t)(next - text));
        text = next;
    }
}

static int report(CXTranslationUnit unit, struct error *err)
{
    int result = 0;
    for (unsigned i = 0; !result && i < clang_getNumDiagnostics(unit); i++) {
        CXDiagnostic diagnostic = clang_getDiagnostic(unit, i);
        CXString file, text = clang_getDiagnosticSpelling(diagnostic);
        unsigned line;
        clang_getPresumedLocation(clang_getDiagnosticLocation(diagnostic), &file, &line,
                                  NULL);
        const char *name = clang_getCString(file);
        if (clang_getDiagnosticSeverity(diagnostic) >= CXDiagnostic_Error && name &&
            strncmp(name, "/usr/", 5) != 0)
            result = error_set(err, -EINVAL, "header '%s' does not compile, line %u: %s",
                               name, line, clang_getCString(text));
        clang_disposeString(file);
        clang_disposeString(text);
        clang_disposeDiagnostic(diagnostic);
    }
    return result;
}

int header_check(const char *text, size_t size, struct error *err)
{
    static const char *const arguments[] = {"-xc", "-std=gnu17", "-w", "-fsyntax-only"};
    CLEANUP(buffer_clear) struct buffer flat = {0};
    without_macros(text, size, &flat);
    struct CXUnsavedFile file = {"headers.c", buffer_string(&flat), flat.size};
    CXIndex index = clang_createIndex(0, 0);
    CXTranslationUnit unit = NULL;
    clang_parseTranslationUnit2(index, file.Filename, arguments,
                                sizeof(arguments) / sizeof(*arguments), &file, 1, 0,
                                &unit);
    int result = unit ? report(unit, err) : 0;
    if (unit)
        clang_disposeTranslationUnit(unit);
    clang_disposeIndex(index);
    return result;
}
