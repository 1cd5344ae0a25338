/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The long-lived translation units: every sheet is a new text of the same unsaved file,
 * which costs half of a fresh parse. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/unit/ahead.h"
#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"

#define SHEET_FILE "/achar/sheet.c"    /* never on disk */
#define AHEAD_STACK_SIZE (256ul << 20) /* reserved, not used */

static const char *const fixed_flags[] = {
    "-xc",
    "-std=gnu17",
    "-fspell-checking", /* libclang switches it off by itself */
    "-ferror-limit=0",
    "-D_OPENMP=201511", /* cc is given -fopenmp where a unit asks for it */
    "-fparse-all-comments",
    "-iquote",
    ".", /* the sheet has no folder of its own */
    "-Wall",
    "-Wno-unused",
    "-Wunused-comparison",
    "-Wno-missing-braces",
    "-Wno-builtin-requires-header",
    "-Wno-incompatible-library-redeclaration",
    "-Wno-ignored-attributes",
    "-Wno-unknown-pragmas",
    "-Wno-main",
    "-Wno-error=incompatible-function-pointer-types", /* as gcc 12 */
    "-Wno-error=int-conversion",
    "-Wno-deprecated-non-prototype",
};
#define N_FIXED_FLAGS (sizeof(fixed_flags) / sizeof(*fixed_flags))
static const char *const bare_flags[] = {"-undef", "-nostdinc"};
#define N_BARE_FLAGS 2

static unsigned options(void)
{
    return CXTranslationUnit_DetailedPreprocessingRecord | CXTranslationUnit_KeepGoing;
}

static int first_parse(struct analysis *analysis, bool is_bare, bool is_c23,
                       struct CXUnsavedFile *file, struct error *err)
{
    size_t n = N_FIXED_FLAGS + analysis->n_flags + analysis->n_language_flags +
               analysis->n_forgotten;
    size_t n_bare = is_bare ? N_BARE_FLAGS : 0;
    CLEANUP(freep)
    const char **flags = must_realloc(NULL, n + n_bare + 1, sizeof(*flags));
    memcpy(flags, fixed_flags, sizeof(fixed_flags));
    for (size_t i = 0; i < analysis->n_flags; i++)
        flags[N_FIXED_FLAGS + i] = analysis->flags[i];
    for (size_t i = 0; i < analysis->n_language_flags; i++)
        flags[N_FIXED_FLAGS + analysis->n_flags + i] = analysis->language_flags[i];
    for (size_t i = 0; i < analysis->n_forgotten; i++)
        flags[n - analysis->n_forgotten + i] = analysis->forgotten[i];
    memcpy(flags + n, bare_flags, n_bare * sizeof(*flags));
    n += n_bare;
    if (is_c23)
        flags[n++] = "-std=gnu2x";
    CXTranslationUnit unit = NULL;
    enum CXErrorCode code = clang_parseTranslationUnit2(
        analysis->index, SHEET_FILE, flags, (int)n, file, 1, options(), &unit);
    if (code != CXError_Success || !unit)
        return error_set(err, -EIO, "libclang cannot parse the cell (code %d)",
                         (int)code);
    analysis->unit = unit;
    (is_c23 ? analysis->c23_units : analysis->units)[is_bare] = unit;
    return 0;
}

static bool starts_with(const struct token *token, const char *prefix)
{
    size_t n = strlen(prefix);
    return token->size >= n && !memcmp(token->text, prefix, n);
}

/* What a compiler defines by itself looks like __this__, or is one of a few words. */
static bool may_be_predefined(const struct token *token)
{
    static const char *const harmless[] = {
        "__typeof__",   "__attribute__", "__extension__",
        "__func__",     "__inline__",    "__asm__",
        "__volatile__", "__restrict__",  "__restrict",
        "__const",      "__inline",      "__LINE__",
        "__FILE__",     "__FUNCTION__",  "__PRETTY_FUNCTION__",
        "__alignof__",  "__signed__",    "__complex__",
        "__real__",     "__imag__"};
    /* attributes as the headers of the C library spell them */
    static const char *const attributes[] = {
        "__const__",         "__pure__",       "__nothrow__",  "__leaf__",
        "__format__",        "__printf__",     "__scanf__",    "__strftime__",
        "__strfmon__",       "__format_arg__", "__nonnull__",  "__malloc__",
        "__alloc_size__",    "__access__",     "__noreturn__", "__warn_unused_result__",
        "__returns_twice__", "__deprecated__", "__unused__",   "__may_alias__",
        "__aligned__",       "__packed__",     "__cold__",     "__transparent_union__"};
    if (token_is(token, "linux") || token_is(token, "unix") ||
        starts_with(token, "_LP64"))
        return true;
    if (!starts_with(token, "__") || starts_with(token, "__builtin_"))
        return false;
    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        if (token_is(token, harmless[i]))
            return false;
    for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
        if (token_is(token, attributes[i]))
            return false;
    return (token->text[2] >= 'A' && token->text[2] <= 'Z') ||
           !memcmp(token->text + token->size - 2, "__", 2) ||
           starts_with(token, "__x86") || starts_with(token, "__i386") ||
           starts_with(token, "__has");
}

static bool needs_environment(const char *text, size_t size)
{
    return tokens_have(text, size, may_be_predefined);
}

/* ---- begun before there is a text
 * ---------------------------------------------------------- */

struct early_parse {
    struct ahead *ahead;
    CXTranslationUnit unit;
    int code; /* of the parse */
    char text[128];
};

static void parse_early(void *context)
{
    struct early_parse *early = context;
    struct CXUnsavedFile file = {SHEET_FILE, early->text, strlen(early->text)};
    early->code = clang_reparseTranslationUnit(early->unit, 1, &file, 0);
}

void analysis_prepare(struct analysis *analysis)
{
    struct early_parse *early = analysis->early;
    if (!analysis->units[1] ||
        (early && (!early->ahead || ahead_is_waiting(early->ahead))))
        return;
    if (!early) {
        early = analysis->early = must_alloc(sizeof(*early));
        early->ahead = ahead_new(AHEAD_STACK_SIZE);
        if (!early->ahead)
            return;
    }
    snprintf(early->text, sizeof(early->text), "#include \"%s\"\n",
             ahead_path(early->ahead));
    early->unit = analysis->units[1];
    ahead_begin(early->ahead, parse_early, early);
}

static bool is_early(const struct analysis *analysis)
{
    return analysis->early && ahead_is_waiting(analysis->early->ahead);
}

void analysis_drop_early(struct analysis *analysis)
{
    if (is_early(analysis))
        ahead_finish(analysis->early->ahead, "", 0);
}

/* Mistakes are looked for once more in a text that stands alone. */
static bool is_usable(CXDiagnostic diagnostic)
{
    CLEANUP(freep) char *message = take_string(clang_getDiagnosticSpelling(diagnostic));
    return clang_getDiagnosticSeverity(diagnostic) < CXDiagnostic_Error ||
           strstr(message, DYNAMIC_INITIALISER);
}

static bool has_mistakes(CXTranslationUnit unit)
{
    bool is_free = true;
    unsigned n = clang_getNumDiagnostics(unit);
    for (unsigned i = 0; i < n && is_free; i++) {
        CXDiagnostic diagnostic = clang_getDiagnostic(unit, i);
        is_free = is_usable(diagnostic);
        clang_disposeDiagnostic(diagnostic);
    }
    return !is_free;
}

static bool finish_early(struct analysis *analysis, const char *text, size_t size)
{
    if (!is_early(analysis))
        return false;
    ahead_finish(analysis->early->ahead, text, size);
    return analysis->early->code == 0 && !has_mistakes(analysis->units[1]);
}

int analysis_parse(struct analysis *analysis, const char *text, size_t size, bool is_full,
                   struct error *err)
{
    struct CXUnsavedFile file = {SHEET_FILE, text, size};
    bool is_bare = !is_full && !needs_environment(text, size);
    analysis->unit = analysis->units[is_bare];
    analysis->is_early = is_bare && finish_early(analysis, text, size);
    if (analysis->is_early)
        return 0;
    if (!analysis->unit)
        return first_parse(analysis, is_bare, false, &file, err);
    if (clang_reparseTranslationUnit(analysis->unit, 1, &file, 0) == 0)
        return 0;
    clang_disposeTranslationUnit(analysis->unit);
    analysis->unit = analysis->units[is_bare] = NULL;
    return first_parse(analysis, is_bare, false, &file, err);
}

int analysis_parse_c23(struct analysis *analysis, const char *text, size_t size,
                       bool is_full, struct error *err)
{
    struct CXUnsavedFile file = {SHEET_FILE, text, size};
    bool is_bare = !is_full && !needs_environment(text, size);
    CXTranslationUnit *unit = &analysis->c23_units[is_bare];
    analysis->unit = *unit;
    analysis->is_early = false;
    if (*unit && clang_reparseTranslationUnit(*unit, 1, &file, 0) == 0)
        return 0;
    if (*unit)
        clang_disposeTranslationUnit(*unit);
    analysis->unit = *unit = NULL;
    return first_parse(analysis, is_bare, true, &file, err);
}

void analysis_forget_early(struct analysis *analysis)
{
    if (analysis->early)
        ahead_free(analysis->early->ahead);
    free(TAKE(analysis->early));
}

void analysis_forget_units(struct analysis *analysis)
{
    analysis_drop_early(analysis);
    for (size_t i = 0; i < 2; i++) {
        if (analysis->units[i])
            clang_disposeTranslationUnit(analysis->units[i]);
        if (analysis->c23_units[i])
            clang_disposeTranslationUnit(analysis->c23_units[i]);
        analysis->units[i] = analysis->c23_units[i] = NULL;
    }
    analysis->unit = NULL;
}

const char *analysis_sheet_file(void)
{
    return SHEET_FILE;
}

bool analysis_is_sheet_file(const char *name)
{
    return !strcmp(name, SHEET_FILE) ||
           !strncmp(name, AHEAD_FOLDER, strlen(AHEAD_FOLDER));
}

static bool is_sheet(CXFile file)
{
    if (!file)
        return false;
    CXString name = clang_getFileName(file);
    const char *text = clang_getCString(name);
    bool is = text && analysis_is_sheet_file(text);
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
    if (cursor_offset(cursor) ==
        SIZE_MAX) /* a cursor without a place: its extent may crash */
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
