/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What definitions and statements refer to. Functions, variables and enumerators come
 * from the tree, so that a local of the same name is not taken for one; types and macros
 * come from the tokens, because uses inside macro bodies leave no place in the text.
 * Calls that allocate are typed by the pointer that the result is given to, calls that
 * display by what they are given. */
#include <stdio.h>
#include <string.h>

#include "kernel/unit/prologue.h"
#include "kernel/unit/sheet.h"
#include "kernel/unit/shown.h"

#define MACRO_DEPTH_MAX 50
#define SITES_MAX 10000 /* of one definition */

struct reference {
    struct draft *draft;
    struct definition *definition;   /* what gets the references and sites */
    size_t piece;                    /* where macros are looked up */
    const struct definition *origin; /* the version that is compiled again; NULL */
    CXCursor *stack; /* cursors from the definition down to the current one */
    size_t depth, capacity;
    size_t nesting; /* levels that cost a compiler stack: chains such as a + b + ... do
                       not */
    bool is_too_deep;
};

/* ---- tokens ---------------------------------------------------------------------------
 */

static const struct definition *definition_by_id(const struct draft *draft, uint32_t id)
{
    if (id < draft->first_id)
        return graph_get(draft->analysis->graph, id);
    size_t likely = id - draft->first_id; /* they were numbered in their order */
    if (likely < draft->n_entities && draft->entities[likely]->definition->id == id)
        return draft->entities[likely]->definition;
    for (size_t i = 0; i < draft->n_entities; i++)
        if (draft->entities[i]->definition->id == id)
            return draft->entities[i]->definition;
    return NULL;
}

static const char *macro_body(const struct definition *macro)
{
    const char *at = definition_macro_text(macro);
    return at ? at + strlen(macro->name) : "";
}

static void refer_tokens(struct reference *reference, const char *text, size_t size,
                         unsigned depth);

/* What is compiled again keeps the macros of its own time. */
static uint32_t origin_macro(const struct reference *reference, const char *name)
{
    const struct definition *origin = reference->origin;
    for (size_t i = 0; origin && i < origin->n_refs; i++) {
        const struct definition *to = definition_by_id(reference->draft, origin->refs[i]);
        if (to && to->kind == DEFINITION_MACRO && strcmp(to->name, name) == 0)
            return to->id;
    }
    return 0;
}

static void refer_name(struct reference *reference, const char *name, unsigned depth);

/* A type may mention a tag that was completed after it. */
static void refer_late_tags(struct reference *reference, const char *text, unsigned depth)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    struct token last = {0};
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_IDENTIFIER &&
            (token_is(&last, "struct") || token_is(&last, "union"))) {
            CLEANUP(freep)
            char *name = must_format("%.*s %.*s", (int)last.size, last.text,
                                     (int)token.size, token.text);
            refer_name(reference, name, depth);
        }
        last = token;
    }
}

static void refer_name(struct reference *reference, const char *name, unsigned depth)
{
    uint32_t id = origin_macro(reference, name);
    if (!id)
        id = draft_resolve(reference->draft, name, reference->piece);
    const struct definition *to = id ? definition_by_id(reference->draft, id) : NULL;
    if (!to || (to->kind != DEFINITION_TYPE && to->kind != DEFINITION_MACRO))
        return;
    size_t before = reference->definition->n_refs;
    definition_add_ref(reference->definition, id);
    bool is_new = reference->definition->n_refs > before;
    if (is_new && to->kind == DEFINITION_TYPE && to->source && depth < MACRO_DEPTH_MAX)
        refer_late_tags(reference, to->source, depth + 1);
    if (is_new && to->kind == DEFINITION_MACRO && depth < MACRO_DEPTH_MAX) {
        const char *body = macro_body(to);
        refer_tokens(reference, body, strlen(body), depth + 1);
    }
}

/* `struct PACKED point`: a macro stands where a tag does. */
static void refer_macro(struct reference *reference, const char *name, unsigned depth)
{
    uint32_t id = draft_resolve(reference->draft, name, reference->piece);
    const struct definition *to = id ? definition_by_id(reference->draft, id) : NULL;
    if (to && to->kind == DEFINITION_MACRO)
        refer_name(reference, name, depth);
}

static void refer_tokens(struct reference *reference, const char *text, size_t size,
                         unsigned depth)
{
    struct lexer lexer = lexer_init(text, size);
    const char *tag = NULL;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_IDENTIFIER) {
            CLEANUP(freep)
            char *name =
                must_format("%s%.*s", tag ? tag : "", (int)token.size, token.text);
            refer_name(reference, name, depth);
            if (tag)
                refer_macro(reference, name + strlen(tag), depth);
        }
        tag = token_is(&token, "struct")  ? "struct "
              : token_is(&token, "union") ? "union "
              : token_is(&token, "enum")  ? "enum "
                                          : NULL;
    }
}

/* ---- types ----------------------------------------------------------------------------
 */

static void refer_type(struct reference *reference, uint32_t id, unsigned depth)
{
    const struct type *type = types_get(&reference->draft->analysis->types, id);
    if (type->definition)
        definition_add_ref(reference->definition, type->definition);
    if (depth > 16 || type->kind == TYPE_STRUCT || type->kind == TYPE_UNION)
        return;
    if (type->target)
        refer_type(reference, type->target, depth + 1);
    for (size_t i = 0; type->kind == TYPE_FUNCTION && i < type->n_fields; i++)
        refer_type(reference, type->fields[i].type, depth + 1);
}

/* ---- the tree -------------------------------------------------------------------------
 */

static bool is_allocator(const char *name)
{
    static const char *const names[] = {
        "malloc",        "calloc", "realloc",  "reallocarray",
        "aligned_alloc", "valloc", "memalign", NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The pointer type at the nearest cast, said or implied, around the call. */
static bool allocated_type(const struct reference *reference, CXType *ret)
{
    for (size_t i = reference->depth; i-- > 0;) {
        enum CXCursorKind kind = clang_getCursorKind(reference->stack[i]);
        if (kind != CXCursor_UnexposedExpr && kind != CXCursor_CStyleCastExpr &&
            kind != CXCursor_ParenExpr)
            return false;
        CXType type = clang_getCanonicalType(clang_getCursorType(reference->stack[i]));
        CXType element = clang_getPointeeType(type);
        if (type.kind == CXType_Pointer &&
            clang_getCanonicalType(element).kind != CXType_Void) {
            *ret = element;
            return true;
        }
    }
    return false;
}

static void add_site(struct reference *reference, uint32_t line, uint32_t type)
{
    struct definition *to = reference->definition;
    for (size_t i = 0; i < to->n_sites; i++) {
        if (to->sites[i].line != line)
            continue;
        if (to->sites[i].type != type)
            to->sites[i].type = UINT32_MAX; /* taken out at the end */
        return;
    }
    if (to->n_sites >= SITES_MAX)
        return;
    to->sites = must_realloc(to->sites, to->n_sites + 1, sizeof(*to->sites));
    to->sites[to->n_sites++] = (struct allocation_site){line, type};
}

static void drop_mixed_sites(struct definition *definition)
{
    size_t n = 0;
    for (size_t i = 0; i < definition->n_sites; i++)
        if (definition->sites[i].type != UINT32_MAX)
            definition->sites[n++] = definition->sites[i];
    definition->n_sites = n;
}

static void found_display(struct reference *reference, CXCursor call)
{
    uint32_t type, sites[2];
    if (!shown_describe(reference->draft, call, &type, sites))
        return;
    refer_type(reference, type, 0);
    add_site(reference, sites[0], type);
    if (sites[1] != sites[0])
        add_site(reference, sites[1], type);
}

static void found_call(struct reference *reference, CXCursor call)
{
    CLEANUP(freep) char *name = cursor_name(call);
    CXType element;
    if (!strcmp(name, SHOWN_FUNCTION))
        found_display(reference, call);
    if (!is_allocator(name) || !allocated_type(reference, &element) ||
        typing_is_local(element))
        return;
    unsigned line = 0;
    CXString file;
    clang_getPresumedLocation(clang_getCursorLocation(call), &file, &line, NULL);
    clang_disposeString(file);
    struct typing typing = draft_typing(reference->draft);
    add_site(reference, line, typing_id(&typing, clang_getUnqualifiedType(element)));
}

/* `void f();` inside a function: another cell may define it, as if it stood outside. */
static uint32_t declare_outside(struct draft *draft, CXCursor to, const char *name)
{
    bool is_function = clang_getCursorKind(to) == CXCursor_FunctionDecl;
    CXType type = clang_getCursorType(to);
    size_t offset = cursor_offset(to);
    const struct piece *piece =
        offset == SIZE_MAX ? NULL : sheet_piece(draft, offset, &offset);
    bool is_outside = clang_getCursorKind(clang_getCursorLexicalParent(to)) ==
                      CXCursor_TranslationUnit; /* a builtin: where it is called */
    if (!piece || piece->is_opaque || is_outside || typing_is_local(type))
        return 0;
    struct entity *entity =
        entity_add(draft, is_function ? ENTITY_PROTOTYPE : ENTITY_EXTERN,
                   is_function ? DEFINITION_FUNCTION : DEFINITION_VARIABLE,
                   (size_t)(piece - draft->pieces), name);
    entity->cursor = to;
    entity_source(draft, entity);
    return entity->definition->id;
}

static void found_reference(struct reference *reference, CXCursor cursor)
{
    CXCursor to = clang_getCursorReferenced(cursor);
    enum CXCursorKind kind = clang_getCursorKind(to);
    struct draft *draft = reference->draft;
    bool is_extern =
        kind == CXCursor_VarDecl && clang_Cursor_getStorageClass(to) == CX_SC_Extern;
    if (kind == CXCursor_VarDecl && !is_extern &&
        clang_getCursorKind(clang_getCursorSemanticParent(to)) !=
            CXCursor_TranslationUnit) {
        bool is_static = clang_Cursor_getStorageClass(to) == CX_SC_Static;
        for (size_t i = 0; is_static && i < draft->n_entities; i++)
            if (draft->entities[i]->owner &&
                clang_equalCursors(draft->entities[i]->cursor, to))
                definition_add_ref(reference->definition,
                                   draft->entities[i]->definition->id);
        return;
    }
    if (kind != CXCursor_VarDecl && kind != CXCursor_FunctionDecl &&
        kind != CXCursor_EnumConstantDecl)
        return;
    CLEANUP(freep) char *name = cursor_name(to);
    uint32_t id = draft_resolve(draft, name, SIZE_MAX);
    if (!id && (is_extern || kind == CXCursor_FunctionDecl))
        id = declare_outside(draft, to, name);
    definition_add_ref(reference->definition, id);
}

static bool is_chain(CXCursor cursor, enum CXCursorKind kind)
{
    return kind == CXCursor_BinaryOperator &&
           clang_getCursorBinaryOperatorKind(cursor) != CXBinaryOperator_Assign;
}

static enum CXChildVisitResult walk(CXCursor cursor, CXCursor parent, CXClientData data)
{
    struct reference *reference = data;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (reference->nesting > NESTING_MAX) {
        reference->is_too_deep = true;
        return CXChildVisit_Break;
    }
    if (kind == CXCursor_DeclRefExpr)
        found_reference(reference, cursor);
    else if (kind == CXCursor_CallExpr)
        found_call(reference, cursor);
    GROW(reference->stack, reference->depth, reference->capacity);
    reference->stack[reference->depth++] = cursor;
    size_t level = is_chain(cursor, kind) ? 0 : 1;
    reference->nesting += level;
    clang_visitChildren(cursor, walk, reference);
    reference->nesting -= level;
    reference->depth--;
    return reference->is_too_deep ? CXChildVisit_Break : CXChildVisit_Continue;
}

static void walk_cursor(struct reference *reference, CXCursor cursor)
{
    if (clang_Cursor_isNull(cursor))
        return;
    clang_visitChildren(cursor, walk, reference);
    if (!reference->is_too_deep || reference->draft->has_errors)
        return;
    unsigned line = 0, column = 0;
    clang_getPresumedLocation(clang_getCursorLocation(cursor), NULL, &line, &column);
    diagnostic_add(reference->draft, SEVERITY_ERROR, reference->draft->cell, line, column,
                   "an expression or statement here nests more than %d levels deep",
                   NESTING_MAX);
}

/* ---- headers and pragmas
 * ---------------------------------------------------------------- */

static void refer_headers(struct reference *reference, const char *text, size_t size,
                          size_t piece)
{
    struct draft *draft = reference->draft;
    CLEANUP(freep) uint32_t *used = NULL;
    size_t n_used = 0;
    CLEANUP(buffer_clear) struct buffer ignored = {0};
    int r = draft->is_full
                ? 1
                : headers_prologue(draft->analysis->headers, draft->analysis->graph, text,
                                   size, &draft->is_hidden, NULL, 0, &ignored, &used,
                                   &n_used, NULL);
    const uint32_t *ids = r == 0 ? used : draft->used;
    size_t n = r == 0 ? n_used : draft->n_used;
    for (size_t i = 0; i < n; i++) {
        const struct definition *to = definition_by_id(draft, ids[i]);
        if (to && (to->kind == DEFINITION_INCLUDE || to->kind == DEFINITION_PRAGMA))
            definition_add_ref(reference->definition, to->id);
    }
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct entity *at = draft->entities[i];
        bool is_wanted =
            at->role == ENTITY_PRAGMA || (r != 0 && at->role == ENTITY_INCLUDE);
        if (is_wanted && at->piece < piece)
            definition_add_ref(reference->definition, at->definition->id);
    }
}

/* ---- all of it
 * -------------------------------------------------------------------------- */

static void refer_text(struct reference *reference, const char *text, size_t piece)
{
    size_t size = strlen(text);
    reference->piece = piece;
    refer_tokens(reference, text, size, 0);
    refer_headers(reference, text, size, piece);
}

/* What a header says may depend on macros without parameters that stand before it. */
static void refer_before_include(struct reference *reference,
                                 const struct entity *include)
{
    const struct draft *draft = reference->draft;
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (at->kind == DEFINITION_MACRO && graph_is_current(graph, at) &&
            *macro_body(at) != '(')
            definition_add_ref(reference->definition, at->id);
    }
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct entity *at = draft->entities[i];
        if (at->role == ENTITY_MACRO && at->piece < include->piece &&
            *macro_body(at->definition) != '(')
            definition_add_ref(reference->definition, at->definition->id);
    }
}

/* Of what is not parsed: every name that may mean a definition. */
static void refer_names(struct reference *reference, const char *text)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        CLEANUP(freep) char *name = must_strndup(token.text, token.size);
        uint32_t id = draft_resolve(reference->draft, name, SIZE_MAX);
        if (id && id != reference->definition->id)
            definition_add_ref(reference->definition, id);
    }
}

static void refer_entity(struct draft *draft, struct entity *entity)
{
    struct definition *definition = entity->definition;
    uint32_t origin = draft->pieces[entity->piece].origin;
    struct reference reference = {.draft = draft,
                                  .definition = definition,
                                  .piece = entity->piece,
                                  .origin = graph_get(draft->analysis->graph, origin)};
    if (entity->role == ENTITY_STALE)
        return;
    if (entity->role == ENTITY_INCLUDE)
        refer_before_include(&reference, entity);
    if (entity->role == ENTITY_MACRO) {
        reference.piece = SIZE_MAX; /* what it uses may be defined later */
        const char *body = macro_body(definition);
        refer_tokens(&reference, body, strlen(body), 0);
    } else if (entity->role >= ENTITY_TYPE) {
        refer_text(&reference,
                   definition->source ? definition->source : definition->declaration,
                   entity->piece);
        if (entity->role != ENTITY_TYPE)
            refer_type(&reference, definition->type, 0);
        if (definition->is_opaque)
            refer_names(&reference, definition->source);
        if (!entity->is_dynamic) /* else its initialiser is a statement of the cell */
            walk_cursor(&reference, entity->cursor);
        else if (definition->declaration)
            refer_text(&reference, definition->declaration, entity->piece);
    }
    drop_mixed_sites(definition);
    free(reference.stack);
}

/* The cell's statements, its value and the initialisers that run. */
static void refer_plan(struct draft *draft)
{
    struct definition statements = {.id = UINT32_MAX};
    struct reference reference = {.draft = draft, .definition = &statements};
    for (size_t i = 0; i < draft->n_wrappers; i++)
        walk_cursor(&reference, draft->runs[i]);
    if (draft->has_value)
        walk_cursor(&reference, draft->value);
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        if (!piece->origin &&
            (piece->kind == ITEM_STATEMENT || piece->kind == ITEM_VALUE))
            refer_text(&reference, piece->text, i);
    }
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct entity *entity = draft->entities[i];
        if (!entity->is_dynamic)
            continue;
        definition_add_ref(&statements, entity->definition->id);
        walk_cursor(&reference, entity->cursor);
        refer_text(&reference, entity->initialiser, entity->piece);
    }
    drop_mixed_sites(&statements);
    draft->plan->refs = TAKE(statements.refs);
    draft->plan->n_refs = statements.n_refs;
    draft->plan->sites = TAKE(statements.sites);
    draft->plan->n_sites = statements.n_sites;
    free(reference.stack);
}

void refer(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_entities; i++)
        refer_entity(draft, draft->entities[i]);
    refer_plan(draft);
}
