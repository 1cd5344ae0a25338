/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libclang's messages as diagnostics of cells. Its formatter ignores #line, so places are
 * presumed locations; messages that speak of what the layout added are left out or said
 * in a cell's terms. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/unit/ahead.h"
#include "kernel/unit/sheet.h"
#include "kernel/unit/suggest.h"

struct diagnostic *diagnostic_add(struct draft *draft, enum severity severity,
                                  uint32_t cell, uint32_t line, uint32_t column,
                                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = must_vformat(format, args);
    va_end(args);
    GROW(draft->diagnostics, draft->n_diagnostics, draft->diagnostics_capacity);
    struct diagnostic *ret = &draft->diagnostics[draft->n_diagnostics++];
    *ret = (struct diagnostic){.severity = severity,
                               .cell = cell,
                               .line = line,
                               .column = column,
                               .message = message};
    draft->has_errors |= severity == SEVERITY_ERROR;
    return ret;
}

void diagnostics_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_diagnostics; i++)
        diagnostic_clear(&draft->diagnostics[i]);
    free(draft->diagnostics);
    draft->diagnostics = NULL;
    draft->n_diagnostics = draft->diagnostics_capacity = 0;
    draft->has_errors = false;
    draft->n_dynamic = 0;
    draft->n_length_errors = 0;
}

/* ---- lines of text --------------------------------------------------------------------
 */

static char *nth_line(const char *text, uint32_t n)
{
    while (n > 1) {
        text = strchr(text, '\n');
        if (!text)
            return NULL;
        text++;
        n--;
    }
    return must_strndup(text, strcspn(text, "\n"));
}

/* The line of another cell, as far as the source of a definition shows it. */
static char *line_of_cell(const struct draft *draft, uint32_t cell, uint32_t line)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = graph_count(graph); i-- > 0;) {
        const struct definition *at = graph_at(graph, i);
        if (at->cell != cell || !at->source || at->line > line)
            continue;
        char *text = nth_line(at->source, line - at->line + 1);
        if (text)
            return text;
    }
    return NULL;
}

static void add_line_text(struct draft *draft, struct diagnostic *diagnostic)
{
    if (!diagnostic->line)
        return;
    if (diagnostic->cell == draft->cell && draft->source)
        diagnostic->line_text = nth_line(draft->source, diagnostic->line);
    else if (diagnostic->cell)
        diagnostic->line_text = line_of_cell(draft, diagnostic->cell, diagnostic->line);
}

/* A place without a range marks the word that stands there. */
static void finish_range(struct diagnostic *diagnostic)
{
    const char *text = diagnostic->line_text;
    if (!text || diagnostic->end_column || !diagnostic->column || diagnostic->fixit ||
        diagnostic->column > strlen(text))
        return;
    struct lexer lexer =
        lexer_init(text + diagnostic->column - 1, strlen(text) - diagnostic->column + 1);
    struct token token = lexer_next(&lexer);
    if (token.kind == TOKEN_IDENTIFIER && token.column == 1)
        diagnostic->end_column = diagnostic->column + (uint32_t)token.size;
}

static void finish_place(struct draft *draft, struct diagnostic *diagnostic)
{
    if (diagnostic->cell != draft->cell || !draft->source)
        return;
    uint32_t n_lines = 1, length = 0;
    for (const char *p = draft->source; *p; p++) {
        length = *p == '\n' ? 0 : length + 1;
        n_lines += *p == '\n';
    }
    if (diagnostic->line > n_lines) { /* behind the wrapper's end */
        diagnostic->line = n_lines;
        diagnostic->column = length + 1;
        diagnostic->end_column = 0;
    }
}

void diagnostics_finish(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_diagnostics; i++) {
        finish_place(draft, &draft->diagnostics[i]);
        if (!draft->diagnostics[i].line_text)
            add_line_text(draft, &draft->diagnostics[i]);
        finish_range(&draft->diagnostics[i]);
    }
}

void diagnostic_in_piece(struct draft *draft, enum severity severity,
                         const struct piece *piece, size_t offset, const char *format,
                         ...)
{
    va_list args;
    va_start(args, format);
    char *message = must_vformat(format, args);
    va_end(args);
    uint32_t line = piece->line, column = piece->column;
    for (size_t i = 0; i < offset && i < piece->size; i++) {
        column = piece->text[i] == '\n' ? 1 : column + 1;
        line += piece->text[i] == '\n';
    }
    struct diagnostic *ret = diagnostic_add(
        draft, severity, piece->file ? 0 : piece->cell, line, column, "%s", message);
    ret->file = must_strdup(piece->file);
    free(message);
}

/* ---- libclang's -----------------------------------------------------------------------
 */

static enum severity severity_of(CXDiagnostic from)
{
    switch (clang_getDiagnosticSeverity(from)) {
    case CXDiagnostic_Ignored:
    case CXDiagnostic_Note:
        return SEVERITY_NOTE;
    case CXDiagnostic_Warning:
        return SEVERITY_WARNING;
    case CXDiagnostic_Error:
    case CXDiagnostic_Fatal:
        break;
    }
    return SEVERITY_ERROR;
}

static void set_place(struct diagnostic *ret, CXSourceLocation location)
{
    CXString name;
    unsigned line = 0, column = 0;
    clang_getPresumedLocation(location, &name, &line, &column);
    CLEANUP(freep) char *file = take_string(name);
    unsigned cell = 0;
    int n = 0;
    ret->line = line;
    ret->column = column;
    if (sscanf(file, "In[%u]%n", &cell, &n) == 1 && n && !file[n])
        ret->cell = cell;
    else if (*file && !analysis_is_sheet_file(file))
        ret->file = TAKE(file);
    else
        ret->line = ret->column = 0;
}

/* The widest range on the diagnostic's own line. */
static void set_range(struct diagnostic *ret, CXDiagnostic from)
{
    unsigned n = clang_getDiagnosticNumRanges(from);
    for (unsigned i = 0; i < n; i++) {
        CXSourceRange range = clang_getDiagnosticRange(from, i);
        struct diagnostic start = {0}, end = {0};
        set_place(&start, clang_getRangeStart(range));
        set_place(&end, clang_getRangeEnd(range));
        if (start.cell == ret->cell && start.line == ret->line && end.line == ret->line &&
            end.column > ret->end_column && end.column > ret->column &&
            start.column <= ret->column)
            ret->end_column = end.column;
        free(start.file);
        free(end.file);
    }
}

static void set_fixit(struct diagnostic *ret, CXDiagnostic from)
{
    if (!clang_getDiagnosticNumFixIts(from))
        return;
    CXSourceRange range;
    CXString text = clang_getDiagnosticFixIt(from, 0, &range);
    struct diagnostic start = {0}, end = {0};
    set_place(&start, clang_getRangeStart(range));
    set_place(&end, clang_getRangeEnd(range));
    if (start.cell == ret->cell && start.line == ret->line && end.line == ret->line) {
        ret->fixit = take_string(text);
        if (end.column > start.column) {
            ret->column = start.column;
            ret->end_column = end.column;
        }
    } else {
        clang_disposeString(text);
    }
    free(start.file);
    free(end.file);
}

static void push_dynamic(struct draft *draft, size_t offset)
{
    GROW(draft->dynamic_offsets, draft->n_dynamic, draft->dynamic_capacity);
    draft->dynamic_offsets[draft->n_dynamic++] = offset;
}

/* Cuts what a message says about standards the person did not ask about. */
static void shorten(char *message)
{
    static const char *const tails[] = {"; ISO C99 and later do not support",
                                        "; ISO C99 and later require"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        char *tail = strstr(message, tails[i]);
        if (tail)
            *tail = '\0';
    }
}

/* A label that a goto of one run finds in another; the runs become one. */
static bool is_label_elsewhere(const struct draft *draft, const char *message)
{
    static const char start[] = "use of undeclared label '";
    if (strncmp(message, start, sizeof(start) - 1) != 0)
        return false;
    const char *name = message + sizeof(start) - 1;
    CLEANUP(freep) char *label = must_strndup(name, strcspn(name, "'"));
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        struct lexer lexer = lexer_init(piece->text, piece->size);
        struct token last = {0}, token;
        while (piece->kind == ITEM_STATEMENT &&
               (token = lexer_next(&lexer)).kind != TOKEN_END) {
            if (token_is(&token, ":") && token_is(&last, label))
                return true;
            last = token;
        }
    }
    return false;
}

static struct piece *origin_at(struct draft *draft, CXDiagnostic from)
{
    size_t offset = location_offset(clang_getDiagnosticLocation(from));
    struct piece *piece = offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    return piece && piece->origin ? piece : NULL;
}

/* An error in a definition that is compiled again concerns that definition. */
static void mark_broken(struct draft *draft, CXDiagnostic from, const char *message)
{
    struct piece *piece = origin_at(draft, from);
    if (piece && !piece->why_broken)
        piece->why_broken = must_strdup(message);
}

/* The initialiser of a variable that is declared again has done its work: one that no
 * longer fits is dropped without a word. */
static bool is_of_initialiser(struct draft *draft, CXDiagnostic from)
{
    const struct piece *piece = origin_at(draft, from);
    return piece && piece->declaration.n_declarators == 1 &&
           !piece->declaration.is_typedef &&
           piece->declaration.declarators[0].initialiser.size;
}

/* A function that holds what only gcc accepts: it is parsed again without its body. */
static bool is_of_gcc(struct draft *draft, CXDiagnostic from, const char *message)
{
    size_t offset = location_offset(clang_getDiagnosticLocation(from));
    struct piece *piece = offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    if (!piece || piece->kind != ITEM_FUNCTION || !piece->declaration.body.size)
        return false;
    if (!piece->is_opaque && !strcmp(message, "function definition is not allowed here"))
        piece->is_opaque = draft->has_new_opaque = true;
    return piece->is_opaque;
}

/* True when the message is about something a cell may do, or is said elsewhere. */
static bool is_expected(struct draft *draft, CXDiagnostic from, const char *message)
{
    if (is_of_gcc(draft, from, message))
        return true;
    if (is_of_initialiser(draft, from)) {
        mark_broken(draft, from, message);
        return true;
    }
    if (strstr(message, DYNAMIC_INITIALISER)) {
        push_dynamic(draft, location_offset(clang_getDiagnosticLocation(from)));
        return true;
    }
    if (is_label_elsewhere(draft, message)) {
        draft->joins_runs = true;
        return true;
    }
    return strstr(message, SHEET_RUN) || strstr(message, SHEET_VALUE);
}

static bool is_about_length(const char *message)
{
    return strstr(message,
                  "variable length array declaration not allowed at file scope") ||
           strstr(message,
                  "variably modified type declaration not allowed at file scope");
}

static bool is_include_of(const char *message, const char *file)
{
    static const char start[] = "in file included from ";
    return !strncmp(message, start, strlen(start)) && strstr(message, file);
}

static const char *own_text(const char *message)
{
    if (is_about_length(message))
        return LENGTH_ERROR;
    if (is_include_of(message, analysis_sheet_file()) ||
        is_include_of(message, AHEAD_FOLDER))
        return "included from here";
    return NULL;
}

static void mark_length(struct draft *draft, CXDiagnostic from)
{
    size_t offset = location_offset(clang_getDiagnosticLocation(from));
    struct piece *piece = offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    if (!piece || piece->origin)
        return;
    piece->has_lengths = true;
    draft->n_length_errors++;
}

/* Notes that point to what the layout added, or say what the message says already. */
static bool is_idle_note(const struct draft *draft, CXDiagnostic from,
                         const char *message)
{
    if (draft->analysis->is_early && is_include_of(message, analysis_sheet_file()))
        return true;
    size_t offset = location_offset(clang_getDiagnosticLocation(from));
    if (offset != SIZE_MAX && offset >= draft->items_start &&
        !sheet_piece(draft, offset, &offset))
        return true;
    return strncmp(message, "include the header <", 20) == 0 ||
           strncmp(message, "unguarded header", 16) == 0;
}

/* The value stands in parentheses of ours: what is missing in it is a semicolon. */
static bool is_value_cut_short(const struct draft *draft, CXDiagnostic from,
                               const char *message)
{
    size_t offset = location_offset(clang_getDiagnosticLocation(from));
    const struct piece *piece =
        offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    CXDiagnosticSet notes = clang_getChildDiagnostics(from);
    if (!piece || piece->kind != ITEM_VALUE || strcmp(message, "expected ')'") != 0 ||
        !clang_getNumDiagnosticsInSet(notes))
        return false;
    CXDiagnostic note = clang_getDiagnosticInSet(notes, 0);
    size_t opener = location_offset(clang_getDiagnosticLocation(note));
    clang_disposeDiagnostic(note);
    return opener != SIZE_MAX && !sheet_piece(draft, opener, &opener);
}

static void add_from(struct draft *draft, CXDiagnostic from, bool is_note)
{
    char *message = take_string(clang_getDiagnosticSpelling(from));
    if (is_note ? is_idle_note(draft, from, message)
                : is_expected(draft, from, message)) {
        free(message);
        return;
    }
    shorten(message);
    if (!is_note && severity_of(from) == SEVERITY_ERROR)
        mark_broken(draft, from, message);
    const char *own = own_text(message);
    if (!is_note && is_about_length(message))
        mark_length(draft, from);
    if (!is_note && is_value_cut_short(draft, from, message))
        own = "expected ';' after expression";
    enum severity severity = is_note ? SEVERITY_NOTE : severity_of(from);
    struct diagnostic *ret =
        diagnostic_add(draft, severity, 0, 0, 0, "%s", own ? own : message);
    free(message);
    CXSourceLocation location = clang_getDiagnosticLocation(from);
    set_place(ret, location);
    set_range(ret, from);
    set_fixit(ret, from);
    if (!is_note && severity == SEVERITY_ERROR)
        suggest(draft, ret);
    CXDiagnosticSet notes = clang_getChildDiagnostics(from);
    for (unsigned i = 0; !is_note && i < clang_getNumDiagnosticsInSet(notes); i++) {
        CXDiagnostic note = clang_getDiagnosticInSet(notes, i);
        add_from(draft, note, true);
        clang_disposeDiagnostic(note);
    }
}

static bool is_same(const struct diagnostic *a, const struct diagnostic *b)
{
    return a->severity == b->severity && a->cell == b->cell && a->line == b->line &&
           a->column == b->column && !a->file == !b->file &&
           (!a->file || !strcmp(a->file, b->file)) && !strcmp(a->message, b->message);
}

/* A macro that mentions its argument twice makes a mistake there two, and notes about a
 * header's macro have no place that would help. */
static void drop_idle(struct draft *draft, size_t start)
{
    bool is_repeated = false;
    size_t n = start;
    for (size_t i = 0; i < start && !is_repeated && start < draft->n_diagnostics; i++)
        is_repeated = is_same(&draft->diagnostics[i], &draft->diagnostics[start]);
    for (size_t i = start; i < draft->n_diagnostics; i++) {
        struct diagnostic *diagnostic = &draft->diagnostics[i];
        bool is_placeless = diagnostic->severity == SEVERITY_NOTE && !diagnostic->line &&
                            strstr(diagnostic->message, "expanded from macro");
        if (is_repeated || is_placeless)
            diagnostic_clear(diagnostic);
        else
            draft->diagnostics[n++] = *diagnostic;
    }
    draft->n_diagnostics = n;
}

void diagnose(struct draft *draft)
{
    draft->has_new_opaque = false;
    CXTranslationUnit unit = draft->analysis->unit;
    unsigned n = clang_getNumDiagnostics(unit);
    for (unsigned i = 0; i < n && draft->n_diagnostics < CELL_DIAGNOSTICS_MAX; i++) {
        CXDiagnostic diagnostic = clang_getDiagnostic(unit, i);
        size_t start = draft->n_diagnostics;
        add_from(draft, diagnostic, false);
        drop_idle(draft, start);
        clang_disposeDiagnostic(diagnostic);
    }
}
