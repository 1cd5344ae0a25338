/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Static locals become variables of the session, so that they are state that can be seen,
 * kept and sent: the declaration is cut out of the function and its uses are renamed, by
 * their places in the text. One that is used inside a macro's body, or refers to labels,
 * types or macros of the function's own, stays where it is. */
#include <string.h>

#include "kernel/unit/sheet.h"

struct local {
    CXCursor cursor;
    char *name, *new_name;
    size_t start, size; /* of its declaration, in the piece */
    struct declaration declaration;
    bool stays;
};

struct hoist {
    struct draft *draft;
    struct entity *function;
    const struct piece *piece;
    struct local *locals;
    size_t n_locals, capacity;
    struct edit *uses;
    size_t n_uses, uses_capacity;
};

static bool in_piece(const struct hoist *hoist, size_t sheet_offset, size_t *ret)
{
    if (sheet_offset == SIZE_MAX)
        return false;
    return sheet_piece(hoist->draft, sheet_offset, ret) == hoist->piece;
}

static bool is_of_function(CXCursor declaration)
{
    for (unsigned i = 0; i < 100; i++) {
        enum CXCursorKind kind = clang_getCursorKind(declaration);
        if (kind == CXCursor_FunctionDecl)
            return i > 0;
        if (clang_isInvalid(kind) || kind == CXCursor_TranslationUnit)
            return false;
        declaration = clang_getCursorSemanticParent(declaration);
    }
    return false;
}

/* Labels, types and enumerators of the function; its other static locals move, too. */
static enum CXChildVisitResult find_inner(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    CXCursor to = clang_getCursorReferenced(cursor);
    bool is_static = clang_getCursorKind(to) == CXCursor_VarDecl &&
                     clang_Cursor_getStorageClass(to) == CX_SC_Static;
    bool is_reference = kind == CXCursor_DeclRefExpr || kind == CXCursor_TypeRef;
    if (kind != CXCursor_AddrLabelExpr &&
        !(is_reference && !is_static && is_of_function(to)))
        return CXChildVisit_Recurse;
    *(bool *)data = true;
    return CXChildVisit_Break;
}

/* A macro that is defined inside the function is not known outside of it. */
static bool is_directive(const struct token *token)
{
    return token->kind == TOKEN_DIRECTIVE;
}

static bool may_move(struct hoist *hoist, struct local *local)
{
    const struct piece *piece = hoist->piece;
    struct cell_names names = draft_names(hoist->draft->analysis);
    declaration_parse(piece->text + local->start, local->size, &names,
                      &local->declaration);
    const struct declaration *declaration = &local->declaration;
    if (!declaration->is_static || declaration->record.size ||
        piece->text[local->start + local->size - 1] != ';')
        return false;
    bool has_inner = false;
    clang_visitChildren(local->cursor, find_inner, &has_inner);
    return !has_inner && !tokens_have(piece->text, piece->size, is_directive) &&
           !typing_is_local(clang_getCursorType(local->cursor));
}

static void found_local(struct hoist *hoist, CXCursor cursor, CXCursor statement)
{
    struct local local = {.cursor = cursor, .name = cursor_name(cursor)};
    size_t start, end;
    local.stays = true;
    if (cursor_extent(statement, &start, &end) && in_piece(hoist, start, &start) &&
        in_piece(hoist, end, &end) && end > start) {
        local.start = start;
        local.size = end - start;
        local.stays = !may_move(hoist, &local);
    }
    local.new_name = must_format("%s__static_%s_%zu", hoist->function->definition->name,
                                 local.name, hoist->n_locals);
    GROW(hoist->locals, hoist->n_locals, hoist->capacity);
    hoist->locals[hoist->n_locals++] = local;
}

static enum CXChildVisitResult find_locals(CXCursor cursor, CXCursor parent,
                                           CXClientData data)
{
    if (clang_getCursorKind(cursor) == CXCursor_VarDecl &&
        clang_Cursor_getStorageClass(cursor) == CX_SC_Static)
        found_local(data, cursor, parent);
    return CXChildVisit_Recurse;
}

static bool is_word_at(const struct piece *piece, size_t at, const char *word)
{
    size_t n = strlen(word);
    if (at + n > piece->size || memcmp(piece->text + at, word, n) != 0)
        return false;
    struct lexer lexer = lexer_init(piece->text + at, piece->size - at);
    struct token token = lexer_next(&lexer);
    return token.kind == TOKEN_IDENTIFIER && token.size == n;
}

static enum CXChildVisitResult find_uses(CXCursor cursor, CXCursor parent,
                                         CXClientData data)
{
    struct hoist *hoist = data;
    if (clang_getCursorKind(cursor) != CXCursor_DeclRefExpr)
        return CXChildVisit_Recurse;
    CXCursor to = clang_getCursorReferenced(cursor);
    for (size_t i = 0; i < hoist->n_locals; i++) {
        struct local *local = &hoist->locals[i];
        size_t at;
        if (!clang_equalCursors(to, local->cursor))
            continue;
        if (in_piece(hoist, cursor_offset(cursor), &at) &&
            is_word_at(hoist->piece, at, local->name))
            edit_add(&hoist->uses, &hoist->n_uses, &hoist->uses_capacity, at,
                     strlen(local->name), local->new_name);
        else
            local->stays = true;
    }
    return CXChildVisit_Recurse;
}

/* One that stays keeps the others of its statement, and its uses their name. */
static void settle(struct hoist *hoist)
{
    for (size_t i = 0; i < hoist->n_locals; i++)
        for (size_t k = 0; k < hoist->n_locals; k++)
            if (hoist->locals[k].start == hoist->locals[i].start &&
                hoist->locals[k].stays)
                hoist->locals[i].stays = true;
    for (size_t i = 0; i < hoist->n_locals; i++) {
        if (!hoist->locals[i].stays)
            continue;
        for (size_t k = 0; k < hoist->n_uses; k++)
            if (strcmp(hoist->uses[k].text, hoist->locals[i].new_name) == 0)
                hoist->uses[k].size = SIZE_MAX / 2; /* fits nowhere */
    }
}

static const struct declarator *declarator_of(const struct entity *entity,
                                              const char *name)
{
    const struct declaration *declaration = entity->declaration;
    for (size_t i = 0; i < declaration->n_declarators; i++) {
        const struct declarator *at = &declaration->declarators[i];
        if (at->name.size == strlen(name) &&
            !memcmp(entity->text + at->name.start, name, at->name.size))
            return at;
    }
    return NULL;
}

static void move_out(struct hoist *hoist, const struct local *local)
{
    const struct piece *piece = hoist->piece;
    size_t index = (size_t)(piece - hoist->draft->pieces);
    struct entity *entity = entity_add(hoist->draft, ENTITY_VARIABLE, DEFINITION_VARIABLE,
                                       index, local->new_name);
    entity->cursor = local->cursor;
    entity->owner = hoist->function;
    entity->definition->is_local_static = true;
    piece_place(piece, local->start, &entity->definition->line,
                &entity->definition->column);
    struct buffer text = {0};
    edits_apply(piece->text, local->start, local->size, hoist->uses, hoist->n_uses,
                &text);
    entity->printed = buffer_take(&text);
    struct cell_names names = draft_names(hoist->draft->analysis);
    declaration_parse(entity->printed, strlen(entity->printed), &names,
                      &entity->printed_declaration);
    entity->text = entity->printed;
    entity->declaration = &entity->printed_declaration;
    entity->declarator = declarator_of(entity, local->name);
}

static void cut_out(struct hoist *hoist, const struct local *local)
{
    struct buffer text = {0};
    buffer_add_char(&text, ';');
    for (size_t i = 0; i < local->size; i++)
        if (hoist->piece->text[local->start + i] == '\n')
            buffer_add_char(&text, '\n');
    struct entity *function = hoist->function;
    edit_add(&function->edits, &function->n_edits, &function->edits_capacity,
             local->start, local->size, buffer_string(&text));
    buffer_clear(&text);
}

static bool is_cut_out(const struct hoist *hoist, size_t at)
{
    for (size_t i = 0; i < hoist->n_locals; i++)
        if (!hoist->locals[i].stays && at >= hoist->locals[i].start &&
            at < hoist->locals[i].start + hoist->locals[i].size)
            return true;
    return false;
}

void hoist_statics(struct draft *draft, struct entity *function)
{
    struct hoist hoist = {
        .draft = draft, .function = function, .piece = &draft->pieces[function->piece]};
    if (function->printed)
        return;
    clang_visitChildren(function->cursor, find_locals, &hoist);
    if (hoist.n_locals)
        clang_visitChildren(function->cursor, find_uses, &hoist);
    settle(&hoist);
    for (size_t i = 0; i < hoist.n_locals; i++) {
        if (hoist.locals[i].stays)
            continue;
        move_out(&hoist, &hoist.locals[i]);
        cut_out(&hoist, &hoist.locals[i]);
    }
    for (size_t i = 0; i < hoist.n_uses; i++)
        if (hoist.uses[i].size < SIZE_MAX / 2 && !is_cut_out(&hoist, hoist.uses[i].start))
            edit_add(&function->edits, &function->n_edits, &function->edits_capacity,
                     hoist.uses[i].start, hoist.uses[i].size, hoist.uses[i].text);
    for (size_t i = 0; i < hoist.n_uses; i++)
        free(hoist.uses[i].text);
    free(hoist.uses);
    for (size_t i = 0; i < hoist.n_locals; i++) {
        declaration_clear(&hoist.locals[i].declaration);
        free(hoist.locals[i].name);
        free(hoist.locals[i].new_name);
    }
    free(hoist.locals);
}
