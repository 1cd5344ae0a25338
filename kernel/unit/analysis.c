/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/analysis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/expansion.h"
#include "kernel/unit/sheet.h"
#include "kernel/unit/suggest.h"

#define FLAGS_MAX 1000
#define ATTEMPTS_MAX 8 /* parses of one cell: each one learns something from the last */

struct analysis *analysis_new(void)
{
    struct analysis *analysis = must_alloc(sizeof(*analysis));
    analysis->graph = graph_new();
    types_init(&analysis->types);
    analysis->headers = headers_new();
    analysis->library = library_new();
    analysis->index = clang_createIndex(0, 0);
    return analysis;
}

static void forget_flags(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->n_flags; i++)
        free(analysis->flags[i]);
    free(analysis->flags);
    analysis->flags = NULL;
    analysis->n_flags = 0;
}

void analysis_free(struct analysis *analysis)
{
    if (!analysis)
        return;
    analysis_forget_units(analysis);
    analysis_forget_early(analysis);
    forget_flags(analysis);
    options_clear(analysis);
    builtins_clear(analysis);
    comments_clear(analysis);
    clang_disposeIndex(analysis->index);
    headers_free(analysis->headers);
    library_free(analysis->library);
    graph_free(analysis->graph);
    types_clear(&analysis->types);
    free(analysis);
}

void analysis_set_flags(struct analysis *analysis, const char *const *flags, size_t n)
{
    forget_flags(analysis);
    analysis_forget_units(analysis);
    if (n > FLAGS_MAX)
        n = FLAGS_MAX;
    analysis->flags = must_alloc((n + 1) * sizeof(*analysis->flags));
    for (size_t i = 0; i < n; i++)
        analysis->flags[analysis->n_flags++] = must_strdup(flags[i]);
    analysis_index_flags(analysis);
}

void analysis_index_flags(struct analysis *analysis)
{
    size_t n = analysis->n_flags + analysis->n_language_flags, at = 0;
    CLEANUP(freep) const char **flags = must_alloc((n + 1) * sizeof(*flags));
    for (size_t i = 0; i < analysis->n_flags; i++)
        flags[at++] = analysis->flags[i];
    for (size_t i = 0; i < analysis->n_language_flags; i++)
        if (strncmp(analysis->language_flags[i], "-m", 2) != 0 &&
            strncmp(analysis->language_flags[i], "-f", 2) != 0 &&
            strncmp(analysis->language_flags[i], "-O", 2) != 0)
            flags[at++] = analysis->language_flags[i];
    headers_set_flags(analysis->headers, flags, at);
}

const struct types *analysis_types(const struct analysis *analysis)
{
    return &analysis->types;
}

struct cell_names analysis_names(struct analysis *analysis)
{
    return draft_names(analysis);
}

/* ---- memory
 * ----------------------------------------------------------------------------- */

/* Entries below the table's length are there already. */
static int append_types(struct types *types, uint64_t from, const void *data, size_t size,
                        struct error *err)
{
    struct unpack in = unpack_init(data, size);
    if (from == types->n)
        return types_unpack(types, &in, err);
    if (from > types->n)
        return error_set(err, -EBADMSG, "types are missing before entry %llu",
                         (unsigned long long)from);
    types_truncate(types, from);
    return types_unpack(types, &in, err);
}

int analysis_define(struct analysis *analysis, struct unpack *in, struct error *err)
{
    uint64_t from = unpack_u64(in);
    size_t types_size = 0;
    const void *types = unpack_bytes(in, &types_size);
    if (in->failed)
        return error_set(err, -EBADMSG, "cut short");
    int r = append_types(&analysis->types, from, types, types_size, err);
    if (r < 0)
        return r;
    size_t n = unpack_count(in);
    for (size_t i = 0; i < n && !in->failed; i++) {
        struct definition *definition = NULL;
        r = definition_unpack(in, &definition, err);
        if (r < 0)
            return r;
        graph_add(analysis->graph, definition);
    }
    n = unpack_count(in);
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *name = unpack_string(in);
        if (name)
            graph_forget(analysis->graph, name);
    }
    if (graph_is_prune_due(analysis->graph)) {
        graph_prune(analysis->graph, NULL, 0);
        comments_prune(analysis);
    }
    return unpack_done(in) ? 0 : error_set(err, -EBADMSG, "cut short");
}

int analysis_keep_types(struct analysis *analysis, struct unpack *in, struct error *err)
{
    struct types *types = &analysis->types;
    CLEANUP(freep) bool *is_kept = must_alloc(types->n * sizeof(*is_kept));
    if (!types_unpack_kept(in, types, is_kept) || !unpack_done(in))
        return error_set(err, -EBADMSG, "the list of types cannot be read");
    types_reach(types, is_kept);
    types_empty(types, is_kept);
    return 0;
}

int analysis_accept(struct analysis *analysis, const struct plan *plan, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer message = {0};
    plan_pack_definitions(plan, &message);
    struct unpack in = unpack_init(message.data, message.size);
    return analysis_define(analysis, &in, err);
}

/* ---- which definition a record is of
 * ------------------------------------------------------ */

static uint32_t definition_of(void *context, CXCursor declaration)
{
    struct draft *draft = context;
    size_t offset = cursor_offset(declaration);
    if (offset == SIZE_MAX)
        return 0;
    const struct piece *piece =
        offset < draft->items_start ? NULL : sheet_piece(draft, offset, &offset);
    if (piece && piece->same_as)
        return piece->same_as;
    for (size_t i = 0; piece && i < draft->n_entities; i++)
        if (draft->entities[i]->role == ENTITY_TYPE &&
            &draft->pieces[draft->entities[i]->piece] == piece)
            return draft->entities[i]->definition->id;
    for (unsigned i = 0; i < 100;
         i++) { /* a record inside a record is of the outer one's */
        CLEANUP(freep)
        char *name = take_string(clang_getTypeSpelling(
            clang_getUnqualifiedType(clang_getCursorType(declaration))));
        const struct definition *current = graph_current(draft->analysis->graph, name);
        if (current)
            return current->kind == DEFINITION_TYPE ? current->id : 0;
        declaration = clang_getCursorLexicalParent(declaration);
        enum CXCursorKind kind = clang_getCursorKind(declaration);
        if (kind != CXCursor_StructDecl && kind != CXCursor_UnionDecl)
            break;
    }
    return 0;
}

struct typing draft_typing(struct draft *draft)
{
    return (struct typing){.types = &draft->analysis->types,
                           .definition_of = definition_of,
                           .context = draft};
}

/* ---- plans
 * -------------------------------------------------------------------------------- */

static void draft_clear(struct draft *draft)
{
    entities_clear(draft);
    pieces_clear(draft);
    splice_clear(draft);
    diagnostics_clear(draft);
    buffer_clear(&draft->prologue);
    buffer_clear(&draft->sheet);
    free(draft->used);
    free(draft->changes);
    free(draft->stale);
    free(draft->dynamic_offsets);
    free(draft->standard);
    plan_free(draft->plan);
}

/* True, and reported: nobody has room for what the macros in the sheet make. */
static bool is_sheet_too_large(struct draft *draft)
{
    size_t offset = expansion_excess(buffer_string(&draft->sheet), draft->sheet.size);
    if (offset == SIZE_MAX)
        return false;
    const struct piece *piece =
        offset < draft->items_start ? NULL : sheet_piece(draft, offset, &offset);
    if (piece)
        diagnostic_in_piece(draft, SEVERITY_ERROR, piece, offset, EXPANSION_ERROR);
    else
        diagnostic_add(draft, SEVERITY_ERROR, draft->cell, 0, 0, EXPANSION_ERROR);
    draft->sheet.size = 0; /* there is no tree of it */
    return true;
}

static int attempt(struct draft *draft, struct error *err)
{
    struct error why = {0};
    diagnostics_clear(draft);
    entities_clear(draft);
    entities_from_directives(draft);
    int r = sheet_build(draft, &why);
    if (r == -ENOENT || r == -EINVAL) {
        includes_report(draft, &why);
        return 0;
    }
    if (r < 0)
        return error_set(err, r, "%s", why.text);
    if (is_sheet_too_large(draft))
        return 0;
    r = (draft->standard ? analysis_parse_c23
                         : analysis_parse)(draft->analysis, buffer_string(&draft->sheet),
                                           draft->sheet.size, draft->is_full, err);
    if (r < 0)
        return r;
    diagnose(draft);
    return 0;
}

/* Hides what clang says was declared before. True when something new is hidden. */
static bool hide_redefined(struct draft *draft)
{
    static const char *const texts[] = {"redefinition of '", "conflicting types for '",
                                        "redefinition of enumerator '", NULL};
    bool is_new = false;
    for (size_t i = 0; i < draft->n_diagnostics; i++) {
        const char *message = draft->diagnostics[i].message;
        for (size_t k = 0; texts[k]; k++) {
            size_t n = strlen(texts[k]);
            if (strncmp(message, texts[k], n) != 0)
                continue;
            CLEANUP(freep)
            char *name = must_strndup(message + n, strcspn(message + n, "'"));
            const struct definition *old = graph_current(draft->analysis->graph, name);
            if (!old || draft_hides(draft, name))
                continue;
            draft_hide(draft, name);
            is_new = true;
        }
    }
    return is_new;
}

/* An error in what stands before the cell is not the cell's, nor is a name unknown that a
 * header declares: the real headers decide. */
static bool is_prologue_broken(const struct draft *draft)
{
    for (size_t i = 0; i < draft->n_diagnostics && !draft->is_full; i++) {
        const struct diagnostic *at = &draft->diagnostics[i];
        if (at->severity != SEVERITY_ERROR)
            continue;
        CLEANUP(freep) char *name = unknown_name(at->message);
        bool is_of_header = at->file && draft->n_headers;
        if ((at->cell != draft->cell && !is_of_header) ||
            (name && headers_is_visible(draft->analysis->headers, name, strlen(name))))
            return true;
    }
    return false;
}

static enum CXChildVisitResult find_return(CXCursor cursor, CXCursor parent,
                                           CXClientData data)
{
    struct draft *draft = data;
    if (clang_getCursorKind(cursor) != CXCursor_ReturnStmt)
        return CXChildVisit_Recurse;
    size_t offset = cursor_offset(cursor);
    const struct piece *piece =
        offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    if (piece)
        diagnostic_in_piece(draft, SEVERITY_ERROR, piece, offset,
                            "'return' outside a function; a cell's value is its last "
                            "expression without ';'");
    return CXChildVisit_Continue;
}

static void check_returns(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_wrappers; i++)
        if (!clang_Cursor_isNull(draft->runs[i]))
            clang_visitChildren(draft->runs[i], find_return, draft);
}

/* An expression alone, for magics that take one. */
static void check_mode(struct draft *draft)
{
    if (draft->mode != PLAN_EXPRESSION || draft->has_errors)
        return;
    if (draft->n_pieces == 1 && draft->pieces[0].kind == ITEM_VALUE)
        return;
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (draft->pieces[i].kind != ITEM_VALUE) {
            line = draft->pieces[i].line;
            column = draft->pieces[i].column;
            break;
        }
    diagnostic_add(draft, SEVERITY_ERROR, draft->cell, line, column,
                   draft->n_pieces
                       ? "exactly one expression is expected here, without ';'"
                       : "an expression is expected here");
}

static int parse_all(struct draft *draft, struct error *err)
{
    for (unsigned i = 0;; i++) {
        int r = attempt(draft, err);
        if (r < 0)
            return r;
        if (i == ATTEMPTS_MAX)
            return 0;
        if (draft->has_new_opaque || forward_declare_again(draft) ||
            dependents_drop_broken(draft))
            continue;
        if (!draft->has_errors)
            return 0;
        if (builtins_give_way(draft) || hide_redefined(draft) || forward_declare(draft) ||
            draft_use_macros(draft))
            continue;
        if (draft->n_uses) {
            draft_drop_uses(draft);
            continue;
        }
        if (!is_prologue_broken(draft))
            return 0;
        if (options_take_c23(draft))
            continue;
        draft->is_full = true;
    }
}

static int settle(struct draft *draft, struct error *err)
{
    struct error why = {0};
    int r = conditionals_settle(draft, draft->text.data, draft->text.size, &why);
    if (r == -ENOENT || r == -EINVAL)
        includes_report(draft, &why);
    else if (r < 0)
        return error_set(err, r, "%s", why.text);
    return 0;
}

static int fill(struct draft *draft, struct error *err)
{
    splice(draft);
    int r = settle(draft, err);
    if (r == 0 && !draft->has_errors)
        r = includes_index(draft, err);
    if (r < 0 || draft->has_errors || !pieces_cut(draft))
        return r;
    check_mode(draft);
    if (draft->has_errors)
        return 0;
    dependents_hide_stale(draft);
    dependents_add(draft);
    r = parse_all(draft, err);
    if (r < 0 || (draft->has_errors && !draft->sheet.size))
        return r;
    entities_from_tree(draft);
    while (!draft->has_errors && dependents_grow(draft)) {
        types_truncate(&draft->analysis->types, draft->plan->types_from);
        r = parse_all(draft, err);
        if (r < 0 || (draft->has_errors && !draft->sheet.size))
            return r;
        entities_from_tree(draft);
    }
    check_returns(draft);
    if (draft->has_errors)
        return 0;
    dependents_report(draft);
    refer(draft);
    if (draft->has_errors)
        return 0;
    scan(draft);
    options_settle(draft);
    compose(draft);
    return 0;
}

/* A .c file's variables must be there once, not once in each unit. */
static bool holds_source_file(const struct draft *draft)
{
    for (size_t i = 0; i < draft->n_regions; i++) {
        const char *file = draft->regions[i].file;
        size_t n = file ? strlen(file) : 0;
        if (n > 2 && strcmp(file + n - 2, ".c") == 0)
            return true;
    }
    return false;
}

/* A header of the user's that cannot be cut up goes the way of the system's. */
static bool is_header_broken(const struct draft *draft)
{
    bool is_broken = false;
    for (size_t i = 0; draft->n_headers && i < draft->n_diagnostics; i++)
        is_broken |= draft->diagnostics[i].severity == SEVERITY_ERROR &&
                     draft->diagnostics[i].file;
    return is_broken && !draft->keeps_includes && !holds_source_file(draft);
}

/* A plan with errors holds nothing but its diagnostics. */
static void keep_diagnostics_only(struct draft *draft)
{
    uint32_t cell = draft->plan->cell;
    plan_free(draft->plan);
    draft->plan = must_alloc(sizeof(*draft->plan));
    draft->plan->cell = cell;
    draft->plan->has_errors = true;
    lengths_find(draft);
}

static int fill_again(struct draft *draft, struct error *err)
{
    struct analysis *analysis = draft->analysis;
    struct draft again = {.analysis = analysis,
                          .cell = draft->cell,
                          .mode = draft->mode,
                          .source = draft->source,
                          .size = draft->size,
                          .first_id = draft->first_id,
                          .next_id = draft->first_id,
                          .keeps_includes = true,
                          .plan = must_alloc(sizeof(struct plan))};
    again.plan->types_from = draft->plan->types_from;
    again.plan->cell = draft->cell;
    int r = fill(&again, err);
    types_truncate(&analysis->types, again.plan->types_from);
    draft_clear(draft);
    *draft = again;
    return r;
}

int analysis_plan(struct analysis *analysis, uint32_t cell, int mode, const char *source,
                  size_t size, struct plan **ret, struct error *err)
{
    if (size > CELL_SIZE_MAX)
        return error_set(err, -E2BIG, "the cell is larger than %u bytes", CELL_SIZE_MAX);
    CLEANUP(freep) char *text = must_strndup(source, size);
    CLEANUP(draft_clear)
    struct draft draft = {.analysis = analysis,
                          .cell = cell,
                          .mode = mode,
                          .source = text,
                          .size = strlen(text),
                          .plan = must_alloc(sizeof(struct plan))};
    draft.plan->cell = cell;
    draft.plan->types_from = analysis->types.n;
    draft.first_id = draft.next_id = graph_next_id(analysis->graph);
    int r = fill(&draft, err);
    types_truncate(&analysis->types, draft.plan->types_from);
    if (r == 0 && is_header_broken(&draft))
        r = fill_again(&draft, err);
    if (r < 0)
        return r;
    if (draft.has_errors)
        keep_diagnostics_only(&draft);
    else
        comments_keep(&draft);
    diagnostics_finish(&draft);
    draft.plan->diagnostics = TAKE(draft.diagnostics);
    draft.plan->n_diagnostics = draft.n_diagnostics;
    draft.n_diagnostics = 0;
    *ret = TAKE(draft.plan);
    return 0;
}
