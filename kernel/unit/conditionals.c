/* SPDX-License-Identifier: BSD-3-Clause
 *
 * #if and its kin are settled before a cell is cut: the preprocessor is shown the
 * directives alone, below the session's macros, and what it leaves out becomes blanks, as
 * do the conditional directives themselves. So no other part has to know of them, and a
 * branch that is left out may hold anything. Places stay as they are. */
#include <errno.h>
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/expansion.h"
#include "kernel/unit/prologue.h"

struct line {
    size_t start, end;    /* the logical line in the text, without its newline */
    size_t probe;         /* where it stands in the probe */
    size_t behind;        /* the probe's offset of blanks in the line behind it */
    bool is_conditional;  /* #if, #elif, #else, #endif, ... */
    bool is_active_after; /* the lines behind it are compiled */
};

struct lines {
    struct line *at;
    size_t n, capacity;
    size_t n_conditional;
    bool is_balanced, has_include, has_errors;
    struct buffer probe;
};

static void lines_clear(struct lines *lines)
{
    free(lines->at);
    buffer_clear(&lines->probe);
}

static bool is_one_of(const struct token *token, const char *const *words)
{
    for (; *words; words++)
        if (token_is(token, *words))
            return true;
    return false;
}

/* Counts how deep the conditional directives are nested; false: not one of them. */
static bool step_depth(const struct token *word, size_t *depth, bool *ret_is_balanced)
{
    static const char *const openers[] = {"if", "ifdef", "ifndef", NULL};
    static const char *const others[] = {"else", "elif", "elifdef", "elifndef", NULL};
    if (is_one_of(word, openers)) {
        ++*depth;
        return true;
    }
    bool is_end = token_is(word, "endif");
    if (!is_end && !is_one_of(word, others))
        return false;
    if (*depth == 0)
        *ret_is_balanced = false;
    else
        *depth -= is_end;
    return true;
}

/* Text that is no directive only counts as lines: for __LINE__. */
static void add_gap(struct lines *lines, const char *text, size_t end)
{
    for (size_t i = lines->n ? lines->at[lines->n - 1].end : 0; i < end; i++)
        if (text[i] == '\n')
            buffer_add_string(&lines->probe, "\n  ");
}

static void add_line(struct lines *lines, const char *text, const struct token *hash,
                     const char *end, const struct token *word, size_t *depth)
{
    while (end > hash->text && strchr(" \t\r\n", end[-1]))
        end--;
    add_gap(lines, text, (size_t)(hash->text - text));
    if (lines->n)
        lines->at[lines->n - 1].behind = lines->probe.size - 1;
    GROW(lines->at, lines->n, lines->capacity);
    struct line *line = &lines->at[lines->n++];
    *line = (struct line){.start = (size_t)(hash->text - text),
                          .end = (size_t)(end - text),
                          .probe = lines->probe.size};
    line->is_conditional = step_depth(word, depth, &lines->is_balanced);
    lines->n_conditional += line->is_conditional;
    lines->has_include |= token_is(word, "include");
    if (!token_is(word, "error") && !token_is(word, "warning"))
        buffer_add(&lines->probe, hash->text, (size_t)(end - hash->text));
    line->behind = lines->probe.size + 2; /* of the last one */
}

/* The directives of the text; false when there is nothing to settle, or when the cutting
 * will say what is not closed. */
static bool find_lines(const char *text, size_t size, struct lines *lines)
{
    struct lexer lexer = lexer_init(text, size);
    size_t depth = 0;
    lines->is_balanced = true;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        if (token.kind != TOKEN_DIRECTIVE)
            continue;
        struct lexer ahead = lexer;
        struct token word = lexer_next(&ahead);
        if (word.starts_line)
            word.size = 0; /* the null directive */
        lexer_skip_line(&lexer);
        add_line(lines, text, &token, lexer.at, &word, &depth);
    }
    buffer_add_string(&lines->probe, "\n  \n");
    return lines->n_conditional && lines->is_balanced && depth == 0;
}

static void find_active(struct draft *draft, struct lines *lines, size_t probe_start)
{
    CXTranslationUnit unit = draft->analysis->unit;
    CXFile file = clang_getFile(unit, analysis_sheet_file());
    CXSourceRangeList *skipped = clang_getSkippedRanges(unit, file);
    unsigned at = 0, n = skipped ? skipped->count : 0;
    for (size_t i = 0; i < lines->n; i++) {
        size_t offset = probe_start + lines->at[i].behind;
        while (at < n &&
               location_offset(clang_getRangeEnd(skipped->ranges[at])) <= offset)
            at++;
        lines->at[i].is_active_after =
            at == n || location_offset(clang_getRangeStart(skipped->ranges[at])) > offset;
    }
    if (skipped)
        clang_disposeSourceRangeList(skipped);
}

/* The line of the probe that an offset is in. */
static const struct line *line_at(const struct lines *lines, size_t offset)
{
    size_t low = 0, high = lines->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lines->at[middle].probe <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &lines->at[low - 1] : NULL;
}

/* What clang says about the conditions; about other lines it is asked again later. */
static void report(struct draft *draft, struct lines *lines, size_t probe_start)
{
    unsigned n = clang_getNumDiagnostics(draft->analysis->unit);
    for (unsigned i = 0; i < n && draft->n_diagnostics < CELL_DIAGNOSTICS_MAX; i++) {
        CXDiagnostic diagnostic = clang_getDiagnostic(draft->analysis->unit, i);
        size_t offset = location_offset(clang_getDiagnosticLocation(diagnostic));
        bool is_in_probe = offset != SIZE_MAX && offset >= probe_start;
        const struct line *line =
            is_in_probe ? line_at(lines, offset - probe_start) : NULL;
        if (line && line->is_conditional) {
            CLEANUP(freep)
            char *message = take_string(clang_getDiagnosticSpelling(diagnostic));
            bool is_error = clang_getDiagnosticSeverity(diagnostic) >= CXDiagnostic_Error;
            lines->has_errors |= is_error;
            if (draft->n_regions) /* it is the text of a plan */
                diagnostic_in_text(draft, is_error ? SEVERITY_ERROR : SEVERITY_WARNING,
                                   line->start + (offset - probe_start - line->probe),
                                   message);
        }
        clang_disposeDiagnostic(diagnostic);
    }
}

/* True: nobody has room for what the macros in the conditions make. */
static bool is_too_large(struct draft *draft, const struct lines *lines,
                         size_t probe_start)
{
    size_t offset =
        expansion_excess(buffer_string(&draft->prologue), draft->prologue.size);
    if (offset == SIZE_MAX)
        return false;
    const struct line *line =
        offset < probe_start ? NULL : line_at(lines, offset - probe_start);
    if (line && draft->n_regions)
        diagnostic_in_text(draft, SEVERITY_ERROR,
                           line->start + (offset - probe_start - line->probe),
                           EXPANSION_ERROR);
    return true;
}

static void blank(char *text, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        if (text[i] != '\n')
            text[i] = ' ';
}

static void blank_lines(const struct lines *lines, char *text, size_t size)
{
    bool is_active = true;
    for (size_t i = 0; i < lines->n; i++) {
        const struct line *line = &lines->at[i];
        if (line->is_conditional || !is_active)
            blank(text, line->start, line->end);
        is_active = line->is_active_after;
        if (!is_active)
            blank(text, line->end, i + 1 < lines->n ? line[1].start : size);
    }
}

int conditionals_settle(struct draft *draft, char *text, size_t size, struct error *err)
{
    CLEANUP(lines_clear) struct lines lines = {0};
    if (!memchr(text, '#', size) || !find_lines(text, size, &lines))
        return 0;
    int r = prologue_minimal(draft, buffer_string(&lines.probe), lines.probe.size, err);
    if (r == -EINVAL) /* no header that libtcc understands */
        r = 1;
    if (r < 0)
        return r;
    if (r > 0)
        prologue_full(draft);
    if (draft->analysis->macros) /* behind the headers, which are libclang's to read */
        buffer_add_string(&draft->prologue, draft->analysis->macros);
    buffer_add_string(&draft->prologue, "\n#line 1\n");
    size_t probe_start = draft->prologue.size;
    buffer_add(&draft->prologue, lines.probe.data, lines.probe.size);
    if (is_too_large(draft, &lines, probe_start))
        return 0;
    analysis_drop_early(draft->analysis); /* its text would not be the file's own */
    r = analysis_parse(draft->analysis, buffer_string(&draft->prologue),
                       draft->prologue.size, r > 0 || lines.has_include, err);
    if (r < 0)
        return r;
    find_active(draft, &lines, probe_start);
    report(draft, &lines, probe_start);
    if (!lines.has_errors)
        blank_lines(&lines, text, size);
    return 0;
}

void analysis_settle(struct analysis *analysis, char *text)
{
    struct draft draft = {.analysis = analysis};
    struct error ignored = {0};
    if (conditionals_settle(&draft, text, strlen(text), &ignored) < 0)
        draft.n_used = 0; /* the text stays: its plan will say why */
    buffer_clear(&draft.prologue);
    free(draft.used);
}
