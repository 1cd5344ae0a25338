/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one long-lived translation unit: every sheet is a new text of the same unsaved file,
 * which costs half of a fresh parse. */
#include <errno.h>
#include <string.h>

#include "kernel/unit/draft.h"

#define SHEET_FILE "/achar/sheet.c" /* never on disk */

static const char *const fixed_flags[] = {
    "-xc",
    "-std=gnu17",
    "-fspell-checking", /* libclang switches it off by itself */
    "-ferror-limit=0",
    "-fparse-all-comments",
    "-Wall",
    "-Wno-unused",
    "-Wunused-comparison",
    "-Wno-missing-braces",
    "-Wno-builtin-requires-header",
    "-Wno-incompatible-library-redeclaration",
    "-Wno-ignored-attributes",
    "-Wno-unknown-pragmas",
    "-Wno-main",
    "-Wno-deprecated-non-prototype",
};
#define N_FIXED_FLAGS (sizeof(fixed_flags) / sizeof(*fixed_flags))

static unsigned options(void)
{
    return CXTranslationUnit_DetailedPreprocessingRecord | CXTranslationUnit_KeepGoing;
}

static int first_parse(struct analysis *analysis, struct CXUnsavedFile *file,
                       struct error *err)
{
    size_t n = N_FIXED_FLAGS + analysis->n_flags;
    CLEANUP(freep) const char **flags = must_realloc(NULL, n, sizeof(*flags));
    memcpy(flags, fixed_flags, sizeof(fixed_flags));
    for (size_t i = 0; i < analysis->n_flags; i++)
        flags[N_FIXED_FLAGS + i] = analysis->flags[i];
    enum CXErrorCode code =
        clang_parseTranslationUnit2(analysis->index, SHEET_FILE, flags, (int)n, file, 1,
                                    options(), &analysis->unit);
    if (code == CXError_Success && analysis->unit)
        return 0;
    analysis->unit = NULL;
    return error_set(err, -EIO, "libclang cannot parse the cell (code %d)", (int)code);
}

int analysis_parse(struct analysis *analysis, const char *text, size_t size,
                   struct error *err)
{
    struct CXUnsavedFile file = {SHEET_FILE, text, size};
    if (analysis->unit) {
        if (clang_reparseTranslationUnit(analysis->unit, 1, &file, 0) == 0)
            return 0;
        clang_disposeTranslationUnit(analysis->unit);
        analysis->unit = NULL;
    }
    return first_parse(analysis, &file, err);
}

const char *analysis_sheet_file(void)
{
    return SHEET_FILE;
}

static bool is_sheet(CXFile file)
{
    if (!file)
        return false;
    CXString name = clang_getFileName(file);
    const char *text = clang_getCString(name);
    bool is = text && strcmp(text, SHEET_FILE) == 0;
    clang_disposeString(name);
    return is;
}

size_t location_offset(CXSourceLocation location)
{
    CXFile file = NULL;
    unsigned offset = 0;
    clang_getFileLocation(location, &file, NULL, NULL, &offset);
    return is_sheet(file) ? offset : SIZE_MAX;
}

size_t cursor_offset(CXCursor cursor)
{
    return location_offset(clang_getCursorLocation(cursor));
}

bool cursor_extent(CXCursor cursor, size_t *ret_start, size_t *ret_end)
{
    if (cursor_offset(cursor) == SIZE_MAX) /* a cursor without a place: its extent may crash */
        return false;
    CXSourceRange range = clang_getCursorExtent(cursor);
    size_t start = location_offset(clang_getRangeStart(range));
    size_t end = location_offset(clang_getRangeEnd(range));
    if (start == SIZE_MAX || end == SIZE_MAX || end < start)
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

char *cursor_name(CXCursor cursor)
{
    return take_string(clang_getCursorSpelling(cursor));
}
