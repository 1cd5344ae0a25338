/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Completion: libclang's answer for the place in the laid-out cell (members, locals, what
 * the cell declares), merged with the names of the session and of the headers, which a
 * minimal sheet does not declare. */
#include <stdio.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/analysis.h"
#include "kernel/unit/complete_header.h"
#include "kernel/unit/expansion.h"
#include "kernel/unit/prologue.h"
#include "kernel/unit/sheet.h"

#define CANDIDATES_MAX 2000
#define LIBRARY_PREFIX_MIN 3 /* characters from which headers not included count */

struct collector {
    struct candidate *at;
    size_t n, capacity;
    const char *prefix;
    size_t prefix_size;
};

void candidates_free(struct candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(candidates[i].text);
        free(candidates[i].type);
    }
    free(candidates);
}

static void collect(struct collector *collector, const char *text, const char *type)
{
    if (strncmp(text, collector->prefix, collector->prefix_size) != 0 ||
        collector->n >= CANDIDATES_MAX || strncmp(text, "achar_", 6) == 0)
        return;
    GROW(collector->at, collector->n, collector->capacity);
    collector->at[collector->n++] =
        (struct candidate){must_strdup(text), must_strdup(type)};
}

static int by_text(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return strcmp(x->text, y->text);
}

/* Sorted; of equal texts the first one found is kept. */
static void sort_and_merge(struct collector *collector)
{
    if (!collector->n)
        return;
    qsort(collector->at, collector->n, sizeof(*collector->at), by_text);
    size_t n = 1;
    for (size_t i = 1; i < collector->n; i++) {
        if (strcmp(collector->at[i].text, collector->at[n - 1].text) == 0) {
            free(collector->at[i].text);
            free(collector->at[i].type);
        } else {
            collector->at[n++] = collector->at[i];
        }
    }
    collector->n = n;
}

/* ---- libclang's
 * ------------------------------------------------------------------------- */

static const char *kind_name(enum CXCursorKind kind)
{
    switch ((int)kind) {
    case CXCursor_FunctionDecl:
        return "function";
    case CXCursor_VarDecl:
    case CXCursor_ParmDecl:
        return "variable";
    case CXCursor_FieldDecl:
        return "member";
    case CXCursor_StructDecl:
    case CXCursor_UnionDecl:
    case CXCursor_EnumDecl:
    case CXCursor_TypedefDecl:
        return "type";
    case CXCursor_EnumConstantDecl:
        return "enumerator";
    case CXCursor_MacroDefinition:
        return "macro";
    default:
        return "keyword";
    }
}

static void collect_result(struct collector *collector, const CXCompletionResult *result)
{
    CXCompletionString string = result->CompletionString;
    unsigned n = clang_getNumCompletionChunks(string);
    for (unsigned i = 0; i < n; i++) {
        if (clang_getCompletionChunkKind(string, i) != CXCompletionChunk_TypedText)
            continue;
        CLEANUP(freep) char *text = take_string(clang_getCompletionChunkText(string, i));
        if (strncmp(text, "__", 2) != 0 || collector->prefix_size)
            collect(collector, text, kind_name(result->CursorKind));
        return;
    }
}

/* Byte offset of the cursor in the sheet; SIZE_MAX when its text is not in it. */
static size_t sheet_offset(const struct draft *draft, const struct cell *cell,
                           size_t cursor)
{
    for (size_t i = draft->n_pieces; i-- > 0;) {
        const struct piece *piece = &draft->pieces[i];
        const struct item *item = &cell->items[i];
        if (item->start > cursor)
            continue;
        size_t inside = cursor - item->start;
        if (inside > piece->size || piece->is_include)
            return SIZE_MAX;
        return piece->sheet_start + inside;
    }
    return SIZE_MAX;
}

static void ask_clang(struct draft *draft, size_t offset, struct collector *collector)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        column = draft->sheet.data[i] == '\n' ? 1 : column + 1;
        line += draft->sheet.data[i] == '\n';
    }
    analysis_drop_early(draft->analysis);
    struct CXUnsavedFile file = {analysis_sheet_file(), draft->sheet.data,
                                 draft->sheet.size};
    CXCodeCompleteResults *results =
        clang_codeCompleteAt(draft->analysis->unit, analysis_sheet_file(), line, column,
                             &file, 1, CXCodeComplete_IncludeMacros);
    if (!results)
        return;
    for (unsigned i = 0; i < results->NumResults; i++)
        collect_result(collector, &results->Results[i]);
    clang_disposeCodeCompleteResults(results);
}

/* Cuts the text without giving up where it is incomplete: the piece at the cursor may be.
 */
static void cut_loosely(struct draft *draft, struct cell *cell)
{
    struct cell_names names = draft_names(draft->analysis);
    cell_split(draft->source, draft->size, &names, cell); /* places must not move */
    for (size_t i = 0; i < cell->n_items; i++) {
        const struct item *item = &cell->items[i];
        struct piece *piece =
            piece_add(draft, item->kind, draft->source + item->start, item->size);
        piece->line = item->line;
        piece->column = item->column;
        piece->is_include = piece_is_directive(piece, "include");
        if (piece->kind == ITEM_VALUE) /* `p->` has no value to be cast */
            piece->kind = ITEM_STATEMENT;
    }
}

static void complete_by_clang(struct analysis *analysis, const char *source, size_t size,
                              size_t cursor, struct collector *collector)
{
    CLEANUP(freep) char *text = must_strndup(source, size);
    struct draft draft = {.analysis = analysis, .source = text, .size = strlen(text)};
    struct cell cell = {0};
    draft.first_id = draft.next_id = graph_next_id(analysis->graph);
    analysis_settle(analysis, text);
    splice(&draft);
    pieces_find_directives(&draft);
    entities_from_directives(&draft);
    struct error ignored = {0};
    bool is_indexed = prologue_index(&draft, &ignored) == 0;
    entities_clear(&draft);
    pieces_clear(&draft);
    cut_loosely(&draft, &cell);
    entities_from_directives(&draft);
    if (is_indexed && sheet_build(&draft, &ignored) == 0 &&
        expansion_excess(buffer_string(&draft.sheet), draft.sheet.size) == SIZE_MAX &&
        (analysis->unit ||
         analysis_parse(analysis, buffer_string(&draft.sheet), draft.sheet.size,
                        draft.is_full, &ignored) == 0)) {
        size_t offset = sheet_offset(&draft, &cell, cursor);
        if (offset != SIZE_MAX)
            ask_clang(&draft, offset, collector);
    }
    cell_clear(&cell);
    entities_clear(&draft);
    pieces_clear(&draft);
    splice_clear(&draft);
    buffer_clear(&draft.prologue);
    buffer_clear(&draft.sheet);
    free(draft.used);
}

/* ---- names the sheet does not declare
 * ------------------------------------------------------ */

static void collect_header_name(void *context, const char *name, bool is_macro)
{
    struct collector *collector = context;
    if (*name != '_' || collector->prefix[0] == '_')
        collect(collector, name, is_macro ? "macro" : "header");
}

static const char *const keywords[] = {
    "auto",   "break",  "case",    "char",   "const",    "continue", "default",  "do",
    "double", "else",   "enum",    "extern", "float",    "for",      "goto",     "if",
    "inline", "int",    "long",    "return", "short",    "signed",   "sizeof",   "static",
    "struct", "switch", "typedef", "union",  "unsigned", "void",     "volatile", "while"};

static const char *plain_tag(const char *name)
{
    const char *blank = strchr(name, ' ');
    return blank ? blank + 1 : name;
}

static void collect_session(struct collector *collector, const struct graph *graph)
{
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (!graph_is_current(graph, at) || at->is_local_static || at->is_stale ||
            at->kind == DEFINITION_INCLUDE || at->kind == DEFINITION_PRAGMA ||
            at->kind == DEFINITION_LINK)
            continue;
        collect(collector, plain_tag(at->name), definition_kind_name(at->kind));
        for (size_t k = 0; k < at->n_names; k++)
            collect(collector, plain_tag(at->names[k]), definition_kind_name(at->kind));
    }
}

static bool is_word_character(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* Behind . and -> only members can stand. */
static bool is_member_place(const char *source, size_t start)
{
    while (start && strchr(" \t\n", source[start - 1]))
        start--;
    if (start && source[start - 1] == '.')
        return start < 2 || source[start - 2] < '0' || source[start - 2] > '9';
    return start > 1 && source[start - 1] == '>' && source[start - 2] == '-';
}

static void collect_header(void *context, const char *name)
{
    collect(context, name, "header");
}

void analysis_complete(struct analysis *analysis, const char *source, size_t size,
                       size_t cursor, size_t *ret_start, size_t *ret_end,
                       struct candidate **ret, size_t *ret_n)
{
    if (cursor > size)
        cursor = size;
    size_t start = cursor, end = cursor;
    CLEANUP(freep) char *text = must_strndup(source, cursor);
    bool is_header = header_name_at(text, cursor, &start);
    while (!is_header && start && is_word_character(source[start - 1]))
        start--;
    while (end < size && is_word_character(source[end]))
        end++;
    CLEANUP(freep) char *prefix = must_strndup(source + start, cursor - start);
    struct collector collector = {.prefix = prefix, .prefix_size = strlen(prefix)};
    if (is_header)
        header_names_each(analysis, text, start, collect_header, &collector);
    else
        complete_by_clang(analysis, source, size, start, &collector);
    if (!is_header && !is_member_place(source, start)) {
        collect_session(&collector, analysis->graph);
        for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
            collect(&collector, keywords[i], "keyword");
        if (*prefix)
            headers_each(analysis->headers, prefix, collect_header_name, &collector);
        if (collector.prefix_size >= LIBRARY_PREFIX_MIN)
            library_each(analysis->library, prefix, collect_header_name, &collector);
    }
    sort_and_merge(&collector);
    *ret_start = start;
    *ret_end = end;
    *ret = collector.at;
    *ret_n = collector.n;
}
