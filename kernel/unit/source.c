/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text of definitions: one declarator a definition, at file scope, without static and
 * inline, initialisers only where the compiler can put them into the image. */
#include <string.h>

#include "kernel/unit/draft.h"

static const char *const dropped_words[] = {
    "static", "extern", "inline", "__inline", "__inline__", "register", "auto", NULL};

/* The specifiers on one line; a record that is defined among them only by its name. */
static void specifiers_text(const char *text, const struct declaration *declaration,
                            struct buffer *out)
{
    const struct span *all = &declaration->specifiers, *record = &declaration->record;
    if (!record->size) {
        declaration_flat(text, *all, dropped_words, out);
        return;
    }
    struct span before = {all->start, record->start - all->start};
    struct span after = {record->start + record->size, 0};
    after.size = all->start + all->size - after.start;
    declaration_flat(text, before, dropped_words, out);
    if (before.size)
        buffer_add_char(out, ' ');
    buffer_add(out, text + declaration->keyword.start, declaration->keyword.size);
    buffer_add_char(out, ' ');
    buffer_add(out, text + declaration->tag.start, declaration->tag.size);
    buffer_add_char(out, ' ');
    declaration_flat(text, after, dropped_words, out);
}

void declarator_text(const char *text, const struct declaration *declaration,
                     const struct declarator *declarator, struct buffer *out)
{
    specifiers_text(text, declaration, out);
    buffer_add_char(out, ' ');
    declaration_flat(text, declarator->text, NULL, out);
    buffer_add_char(out, ';');
}

/* ---- initialisers -------------------------------------------------------------------
 */

struct constness {
    CXCursor parents[8]; /* the innermost ones, a ring */
    unsigned depth;
    bool is_dynamic;
};

static bool is_address_taken(const struct constness *constness)
{
    for (unsigned i = 1; i < 8 && i <= constness->depth; i++) {
        CXCursor parent = constness->parents[(constness->depth - i) % 8];
        enum CXCursorKind kind = clang_getCursorKind(parent);
        if (kind == CXCursor_UnaryOperator)
            return clang_getCursorUnaryOperatorKind(parent) == CXUnaryOperator_AddrOf;
        if (kind == CXCursor_UnaryExpr) /* sizeof */
            return true;
        if (kind != CXCursor_MemberRefExpr && kind != CXCursor_ArraySubscriptExpr &&
            kind != CXCursor_ParenExpr && kind != CXCursor_UnexposedExpr)
            return false;
    }
    return false;
}

static bool is_value_of_variable(const struct constness *constness, CXCursor cursor)
{
    CXCursor variable = clang_getCursorReferenced(cursor);
    if (clang_getCursorKind(variable) != CXCursor_VarDecl)
        return false;
    enum CXTypeKind kind = clang_getCanonicalType(clang_getCursorType(variable)).kind;
    if (kind == CXType_ConstantArray || kind == CXType_IncompleteArray)
        return false; /* it decays; where an element is read, libclang objects itself */
    return !is_address_taken(constness);
}

/* libclang folds calls of library functions and reads of constants that a plain compiler
 * does not. */
static enum CXChildVisitResult look(CXCursor cursor, CXCursor parent, CXClientData data)
{
    struct constness *constness = data;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (kind == CXCursor_TypeRef)
        return CXChildVisit_Continue;
    if (kind == CXCursor_CallExpr || kind == CXCursor_StmtExpr ||
        (kind == CXCursor_DeclRefExpr && is_value_of_variable(constness, cursor))) {
        constness->is_dynamic = true;
        return CXChildVisit_Break;
    }
    constness->parents[constness->depth % 8] = cursor;
    constness->depth++;
    clang_visitChildren(cursor, look, constness);
    constness->depth--;
    return constness->is_dynamic ? CXChildVisit_Break : CXChildVisit_Continue;
}

static bool is_initialiser_dynamic(const struct draft *draft, const struct entity *entity)
{
    size_t start, end;
    if (entity->owner) /* a static local's must be constant */
        return false;
    if (cursor_extent(entity->cursor, &start, &end)) {
        const struct piece *piece = &draft->pieces[entity->piece];
        if (!entity->printed) { /* the extent starts with the specifiers of all
                                   declarators */
            start = piece->sheet_start + entity->declarator->initialiser.start;
            end = start + entity->declarator->initialiser.size;
        }
        for (size_t i = 0; i < draft->n_dynamic; i++)
            if (draft->dynamic_offsets[i] >= start && draft->dynamic_offsets[i] < end)
                return true;
    }
    struct constness constness = {0};
    clang_visitChildren(entity->cursor, look, &constness);
    return constness.is_dynamic;
}

/* ---- definitions ----------------------------------------------------------------------
 */

static bool lacks_length(const struct entity *entity)
{
    CXType type = clang_getCanonicalType(clang_getCursorType(entity->cursor));
    const struct span *text = &entity->declarator->text;
    return type.kind == CXType_ConstantArray && entity->declarator->initialiser.size &&
           memmem(entity->text + text->start, text->size, "[", 1);
}

static const char *storage_text(const struct entity *entity)
{
    bool is_thread_local = clang_getCursorTLSKind(entity->cursor) != CXTLS_None;
    return is_thread_local ? "_Thread_local " : "";
}

static bool is_constexpr(const struct entity *entity)
{
    const struct span *part = &entity->declaration->specifiers;
    return tokens_mention(entity->text + part->start, part->size, "constexpr");
}

/* C23's `auto x = 3;` and __auto_type: the type is the initialiser's. */
static bool is_inferred(const struct entity *entity)
{
    const struct span *part = &entity->declaration->specifiers;
    const char *text = entity->text + part->start;
    return tokens_mention(text, part->size, "auto") ||
           tokens_mention(text, part->size, "__auto_type");
}

static char *variable_defined_as(const struct entity *entity, const char *name)
{
    const struct declarator *declarator = entity->declarator;
    struct buffer out = {0};
    if (!declarator || (entity->is_dynamic && lacks_length(entity)) ||
        is_inferred(entity) || is_constexpr(entity)) {
        buffer_format(&out, "%s__typeof__(%s) %s", storage_text(entity),
                      entity->type_text, name);
    } else {
        struct edit rename = {declarator->name.start, declarator->name.size,
                              (char *)name};
        specifiers_text(entity->text, entity->declaration, &out);
        buffer_add_char(&out, ' ');
        edits_apply(entity->text, declarator->text.start, declarator->text.size, &rename,
                    1, &out);
    }
    if (entity->initialiser && !entity->is_dynamic)
        buffer_format(&out, " = %s", entity->initialiser);
    buffer_add_char(&out, ';');
    return buffer_take(&out);
}

static bool is_dropped(const struct token *token)
{
    for (const char *const *word = dropped_words; *word; word++)
        if (token_is(token, *word))
            return true;
    return false;
}

/* Edits that strip the specifiers of a function where they stand, so that lines stay. */
static void strip_specifiers(const struct entity *entity, struct edit **edits, size_t *n,
                             size_t *capacity)
{
    const struct declaration *declaration = entity->declaration;
    const struct span *part = &declaration->specifiers;
    struct lexer lexer = lexer_init(entity->text + part->start, part->size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        size_t at = (size_t)(token.text - entity->text);
        bool is_inside = declaration->record.size && at >= declaration->record.start &&
                         at < declaration->record.start + declaration->record.size;
        if (!is_inside && token.kind == TOKEN_IDENTIFIER && is_dropped(&token))
            edit_add(edits, n, capacity, at, token.size, "");
    }
    if (declaration->record.size && declaration->tag.size) {
        CLEANUP(freep)
        char *named = must_format("%.*s %.*s", (int)declaration->keyword.size,
                                  entity->text + declaration->keyword.start,
                                  (int)declaration->tag.size,
                                  entity->text + declaration->tag.start);
        edit_add(edits, n, capacity, declaration->record.start, declaration->record.size,
                 named);
    }
}

static char *function_defined_as(const struct entity *entity, const char *name)
{
    const struct declaration *declaration = entity->declaration;
    struct edit *edits = NULL;
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < entity->n_edits; i++)
        edit_add(&edits, &n, &capacity, entity->edits[i].start, entity->edits[i].size,
                 entity->edits[i].text);
    strip_specifiers(entity, &edits, &n, &capacity);
    if (entity->declarator)
        edit_add(&edits, &n, &capacity, entity->declarator->name.start,
                 entity->declarator->name.size, name);
    size_t start = declaration->specifiers.size || !entity->declarator
                       ? declaration->specifiers.start
                       : entity->declarator->text.start;
    size_t end = declaration->body.start + declaration->body.size;
    if (!declaration->body.size)
        end = strlen(entity->text);
    struct buffer out = {0};
    edits_apply(entity->text, start, end - start, edits, n, &out);
    for (size_t i = 0; i < n; i++)
        free(edits[i].text);
    free(edits);
    char *text = buffer_take(&out);
    size_t blanks = strspn(text, " \t");
    memmove(text, text + blanks, strlen(text + blanks) + 1);
    return text;
}

char *entity_defined_as(const struct entity *entity, const char *name)
{
    return entity->role == ENTITY_FUNCTION ? function_defined_as(entity, name)
                                           : variable_defined_as(entity, name);
}

static char *function_declaration(const struct entity *entity)
{
    const struct declaration *declaration = entity->declaration;
    if (!entity->declarator || declaration->is_old_style)
        return must_format("extern __typeof__(%s) %s;", entity->type_text,
                           entity->definition->name);
    struct buffer out = {0};
    declarator_text(entity->text, declaration, entity->declarator, &out);
    return buffer_take(&out);
}

/* #line directives that a piece was given keep places right in this cell only. */
static char *without_lines(const char *text, size_t size)
{
    struct buffer out = {0};
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && text[end] != '\n')
            end++;
        if (strncmp(text + i, "#line ", 6) == 0) {
            if (out.size && out.data[out.size - 1] == '\n')
                out.data[--out.size] = '\0';
        } else {
            buffer_add(&out, text + i, end + (end < size) - i);
        }
        i = end + 1;
    }
    return buffer_take(&out);
}

char *type_source(const struct piece *piece)
{
    const struct declaration *declaration = &piece->declaration;
    struct buffer out = {0};
    if (piece->pack)
        buffer_format(&out, "#pragma pack(push, %u)\n", piece->pack);
    if (piece->is_ms_struct)
        buffer_add_string(&out, "#pragma ms_struct on\n");
    if (declaration->is_typedef || !declaration->n_declarators) {
        buffer_add(&out, piece->text, piece->size);
    } else {
        CLEANUP(freep)
        char *record = without_lines(piece->text + declaration->record.start,
                                     declaration->record.size);
        buffer_format(&out, "%s;", record);
    }
    if (piece->is_ms_struct)
        buffer_add_string(&out, "\n#pragma ms_struct off");
    if (piece->pack)
        buffer_add_string(&out, "\n#pragma pack(pop)");
    return buffer_take(&out);
}

/* "int *x", "wchar_t x[4]": typeof() would hide the names of typedefs, which values are
 * shown by. */
static char *declared_as(const char *type, const char *name)
{
    if (strchr(type, '('))
        return must_format("__typeof__(%s) %s", type, name);
    size_t n = strcspn(type, "[");
    return must_format("%.*s %s%s", (int)n, type, name, type + n);
}

static void source_of_variable(struct draft *draft, struct entity *entity)
{
    struct definition *definition = entity->definition;
    if (entity->declarator && entity->declarator->initialiser.size &&
        !entity->initialiser)
        entity->initialiser =
            must_strndup(entity->text + entity->declarator->initialiser.start,
                         entity->declarator->initialiser.size);
    entity->is_dynamic = entity->initialiser && is_initialiser_dynamic(draft, entity);
    CLEANUP(freep) char *object = declared_as(entity->type_text, definition->name);
    definition->declaration = must_format("extern %s%s;", storage_text(entity), object);
    if (entity->role == ENTITY_VARIABLE && is_constexpr(entity) && entity->initialiser) {
        free(definition->declaration); /* a constant for all that use it */
        definition->declaration =
            must_format("static constexpr __typeof__(%s) %s = %s;", entity->type_text,
                        definition->name, entity->initialiser);
    }
    if (entity->role == ENTITY_EXTERN)
        definition->source = must_strdup(definition->declaration);
    else
        definition->source = entity_defined_as(entity, definition->name);
}

void entity_source(struct draft *draft, struct entity *entity)
{
    struct definition *definition = entity->definition;
    struct typing typing = draft_typing(draft);
    if (entity->role == ENTITY_TYPE) {
        if (!definition->source)
            definition->source = type_source(&draft->pieces[entity->piece]);
        const struct definition *old =
            graph_current(draft->analysis->graph, definition->name);
        if (old && old->kind == DEFINITION_TYPE) /* values of the old one become these */
            typing_id(&typing, clang_getCursorType(entity->cursor));
        return;
    }
    if (entity->role < ENTITY_PROTOTYPE || entity->role == ENTITY_STALE)
        return;
    CXType type = clang_getCursorType(entity->cursor);
    definition->type = typing_id(&typing, type);
    entity->type_text = typing_spelling(&typing, type);
    if (entity->role == ENTITY_VARIABLE || entity->role == ENTITY_EXTERN) {
        source_of_variable(draft, entity);
    } else {
        definition->declaration = function_declaration(entity);
        if (entity->role == ENTITY_FUNCTION)
            definition->source = entity_defined_as(entity, definition->name);
    }
    if (entity->role == ENTITY_VARIABLE || entity->role == ENTITY_FUNCTION)
        entity->symbol = must_format("%s__achar%u", definition->name, definition->id);
}
