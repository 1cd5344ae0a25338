/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The definitions of a cell. Directives are read by tokens before the parse, because the
 * includes must be indexed for it; the rest is found in the tree. Ids are given in the
 * order in which definitions are found, directives first. */
#include <stdio.h>
#include <string.h>

#include "kernel/unit/sheet.h"

struct entity *entity_add(struct draft *draft, enum entity_role role,
                          enum definition_kind kind, size_t piece, const char *name)
{
    GROW(draft->entities, draft->n_entities, draft->entities_capacity);
    struct entity *entity = must_alloc(sizeof(*entity));
    size_t index = draft->n_entities++;
    draft->entities[index] = entity;
    struct definition *definition = must_alloc(sizeof(*definition));
    const struct piece *at = &draft->pieces[piece];
    definition->id = draft->next_id++;
    definition->kind = kind;
    definition->name = must_strdup(name);
    definition->cell = at->cell;
    definition->line = at->line;
    definition->column = at->column;
    *entity = (struct entity){.role = role,
                              .definition = definition,
                              .piece = piece,
                              .text = at->text,
                              .declaration = &at->declaration,
                              .cursor = clang_getNullCursor(),
                              .index = index};
    entity_names_add(&draft->names, name, entity);
    return entity;
}

static bool is_named(const struct definition *definition, const char *name)
{
    if (strcmp(definition->name, name) == 0)
        return true;
    for (size_t i = 0; i < definition->n_names; i++)
        if (strcmp(definition->names[i], name) == 0)
            return true;
    return false;
}

void entity_add_name(struct draft *draft, struct entity *entity, const char *name)
{
    if (is_named(entity->definition, name))
        return;
    definition_add_name(entity->definition, name);
    entity_names_add(&draft->names, name, entity);
}

static void entity_free(struct entity *entity)
{
    definition_free(entity->definition);
    declaration_clear(&entity->printed_declaration);
    free(entity->printed);
    free(entity->type_text);
    free(entity->initialiser);
    free(entity->symbol);
    for (size_t i = 0; i < entity->n_edits; i++)
        free(entity->edits[i].text);
    free(entity->edits);
    free(entity);
}

void entities_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_entities; i++)
        entity_free(draft->entities[i]);
    free(draft->entities);
    free(draft->runs);
    entity_names_clear(&draft->names);
    draft->entities = NULL;
    draft->runs = NULL;
    draft->n_entities = draft->entities_capacity = 0;
    draft->next_id = draft->first_id;
    draft->has_value = false;
}

/* Lines are counted over the #line directives that a piece may hold. */
void piece_place(const struct piece *piece, size_t offset, uint32_t *ret_line,
                 uint32_t *ret_column)
{
    uint32_t line = piece->line, column = piece->column;
    for (size_t i = 0; i < offset && i < piece->size; i++) {
        if (piece->text[i] != '\n') {
            column++;
            continue;
        }
        column = 1;
        line++;
        unsigned next = 0;
        if (sscanf(piece->text + i + 1, "#line %u", &next) == 1)
            line = next - 1;
    }
    *ret_line = line;
    *ret_column = column;
}

void piece_line(struct buffer *out, const struct piece *piece, uint32_t line)
{
    if (piece->file)
        buffer_format(out, "#line %u \"%s\"\n", line, piece->file);
    else
        buffer_format(out, "#line %u \"In[%u]\"\n", line, piece->cell);
}

/* ---- directives -----------------------------------------------------------------------
 */

static char *include_name(const struct piece *piece)
{
    const char *at = strpbrk(piece->text, "<\"");
    if (!at)
        return NULL;
    const char *end = strchr(at + 1, *at == '<' ? '>' : '"');
    return end ? must_strndup(at, (size_t)(end - at) + 1) : NULL;
}

static void add_include(struct draft *draft, size_t index)
{
    struct piece *piece = &draft->pieces[index];
    CLEANUP(freep) char *name = include_name(piece);
    if (!name || entity_find(draft, name))
        return;
    const struct definition *old = graph_current(draft->analysis->graph, name);
    if (old && *name == '<')
        return;
    if (old) /* a header of the user's own may have changed */
        draft_hide(draft, name);
    struct entity *entity =
        entity_add(draft, ENTITY_INCLUDE, DEFINITION_INCLUDE, index, name);
    entity->definition->source = must_format("#include %s", name);
}

static void add_macro(struct draft *draft, size_t index)
{
    const struct piece *piece = &draft->pieces[index];
    struct span span = piece_macro_name(piece);
    if (!span.size)
        return;
    CLEANUP(freep) char *name = must_strndup(piece->text + span.start, span.size);
    const struct definition *old = graph_current(draft->analysis->graph, name);
    size_t size = piece->size;
    while (size && strchr("\n\r \t", piece->text[size - 1]))
        size--;
    if (old && old->kind == DEFINITION_MACRO && !entity_find(draft, name) &&
        strlen(old->source) == size && !memcmp(old->source, piece->text, size))
        return;
    struct entity *entity =
        entity_add(draft, ENTITY_MACRO, DEFINITION_MACRO, index, name);
    piece_place(piece, span.start, &entity->definition->line,
                &entity->definition->column);
    entity->definition->source = must_strndup(piece->text, size);
}

/* Packing is written into the types that it concerns. */
static void add_pragma(struct draft *draft, size_t index)
{
    const struct piece *piece = &draft->pieces[index];
    if (tokens_mention(piece->text, piece->size, "once") ||
        tokens_mention(piece->text, piece->size, "pack") ||
        tokens_mention(piece->text, piece->size, "ms_struct"))
        return;
    struct entity *entity =
        entity_add(draft, ENTITY_PRAGMA, DEFINITION_PRAGMA, index, "#pragma");
    entity->definition->source = must_strdup(piece->text);
}

static size_t after_last_include(const struct draft *draft)
{
    size_t n = draft->n_pieces;
    while (n && !draft->pieces[n - 1].is_include)
        n--;
    return n;
}

/* Headers see the macros in front of their #include, and those only. */
void entities_from_directives(struct draft *draft)
{
    size_t n_early = after_last_include(draft);
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        if (piece->is_include)
            add_include(draft, i);
        else if (piece_is_directive(piece, "define") ||
                 piece_is_directive(piece, "undef"))
            add_macro(draft, i);
        if (i + 1 == n_early)
            for (size_t k = 0; k < draft->n_entities; k++)
                draft->entities[k]->is_early = true;
    }
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (piece_is_directive(&draft->pieces[i], "pragma"))
            add_pragma(draft, i);
}

/* ---- the tree -------------------------------------------------------------------------
 */

static const struct declarator *declarator_at(const struct piece *piece, size_t offset,
                                              const char *name)
{
    const struct declaration *declaration = &piece->declaration;
    for (size_t i = 0; i < declaration->n_declarators; i++) {
        struct declarator *at = &declaration->declarators[i];
        if (at->name.start != offset || at->name.size != strlen(name) ||
            memcmp(piece->text + offset, name, at->name.size) != 0)
            continue;
        at->is_confirmed = true;
        return at;
    }
    return NULL;
}

/* Uses libclang's print of a declaration whose own text is inside a macro. */
static void use_print(struct draft *draft, struct entity *entity)
{
    entity->printed = take_string(clang_getCursorPrettyPrinted(entity->cursor, NULL));
    struct cell_names names = draft_names(draft->analysis);
    size_t size = strlen(entity->printed);
    declaration_parse(entity->printed, size, &names, &entity->printed_declaration);
    entity->text = entity->printed;
    entity->declaration = &entity->printed_declaration;
    entity->declarator = entity->printed_declaration.n_declarators
                             ? &entity->printed_declaration.declarators[0]
                             : NULL;
}

static struct entity *add_named(struct draft *draft, enum entity_role role,
                                enum definition_kind kind, size_t index, CXCursor cursor,
                                size_t offset)
{
    CLEANUP(freep) char *name = cursor_name(cursor);
    const struct piece *piece = &draft->pieces[index];
    struct entity *entity = entity_add(draft, role, kind, index, name);
    entity->cursor = cursor;
    if (piece->origin)
        entity->definition->is_local_static =
            graph_get(draft->analysis->graph, piece->origin)->is_local_static;
    piece_place(piece, offset, &entity->definition->line, &entity->definition->column);
    entity->declarator = declarator_at(piece, offset, name);
    if (!entity->declarator)
        use_print(draft, entity);
    return entity;
}

static bool is_defined_here(CXCursor cursor)
{
    return !clang_Cursor_isNull(clang_getCursorDefinition(cursor));
}

/* `API(int) f(int);`: the tokens do not know what it declares. */
static void keep_prototype(struct draft *draft, struct piece *piece, CXCursor cursor)
{
    struct cell_names names = draft_names(draft->analysis);
    CLEANUP(freep) char *print = take_string(clang_getCursorPrettyPrinted(cursor, NULL));
    struct declaration declaration = {0};
    declaration_parse(print, strlen(print), &names, &declaration);
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_add_string(&text, piece->prototypes ? piece->prototypes : "");
    for (size_t i = 0; i < declaration.n_declarators; i++) {
        declarator_text(print, &declaration, &declaration.declarators[i], &text);
        buffer_add_char(&text, '\n');
    }
    declaration_clear(&declaration);
    free(piece->prototypes);
    piece->prototypes = must_strdup(buffer_string(&text));
}

static void found_function(struct draft *draft, size_t index, CXCursor cursor,
                           size_t offset)
{
    CLEANUP(freep) char *name = cursor_name(cursor);
    bool is_plain = declarator_at(&draft->pieces[index], offset, name);
    if (clang_isCursorDefinition(cursor)) {
        struct entity *entity =
            add_named(draft, ENTITY_FUNCTION, DEFINITION_FUNCTION, index, cursor, offset);
        entity->definition->is_opaque = draft->pieces[index].is_opaque;
        return;
    }
    if (!is_plain)
        keep_prototype(draft, &draft->pieces[index], cursor);
    const struct definition *old = graph_current(draft->analysis->graph, name);
    bool is_known = old && old->kind == DEFINITION_FUNCTION && !draft_hides(draft, name);
    if (!is_defined_here(cursor) && !is_known && !entity_find(draft, name))
        add_named(draft, ENTITY_PROTOTYPE, DEFINITION_FUNCTION, index, cursor, offset);
}

static void found_variable(struct draft *draft, size_t index, CXCursor cursor,
                           size_t offset)
{
    CLEANUP(freep) char *name = cursor_name(cursor);
    struct entity *known = entity_find(draft, name);
    declarator_at(&draft->pieces[index], offset, name);
    bool is_extern = clang_Cursor_getStorageClass(cursor) == CX_SC_Extern &&
                     !clang_isCursorDefinition(cursor);
    if (is_extern) {
        const struct definition *old = graph_current(draft->analysis->graph, name);
        if (!known && !(old && !draft_hides(draft, name)) && !is_defined_here(cursor))
            add_named(draft, ENTITY_EXTERN, DEFINITION_VARIABLE, index, cursor, offset);
        return;
    }
    bool is_declared = known && known->role == ENTITY_EXTERN; /* `extern int x; int x;` */
    if (is_declared ||
        (known && known->role == ENTITY_VARIABLE)) { /* `int x; int x = 3;` */
        const struct declarator *declarator =
            declarator_at(&draft->pieces[index], offset, name);
        bool is_completed = /* `int a[]; int a[8];` */
            clang_getCursorType(known->cursor).kind == CXType_IncompleteArray;
        if (!declarator ||
            (!is_declared && !declarator->initialiser.size && !is_completed))
            return;
        known->role = ENTITY_VARIABLE;
        known->piece = index;
        known->text = draft->pieces[index].text;
        known->declaration = &draft->pieces[index].declaration;
        known->declarator = declarator;
        known->cursor = cursor;
        return;
    }
    add_named(draft, ENTITY_VARIABLE, DEFINITION_VARIABLE, index, cursor, offset);
}

/* A macro among the enumerators is no name. */
static bool is_used_macro(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_uses; i++)
        if (!strcmp(draft->uses[i], name))
            return true;
    return false;
}

static void add_type_names(struct draft *draft, struct entity *entity)
{
    const struct declaration *declaration = entity->declaration;
    for (size_t i = 0; i < declaration->n_names; i++)
        if (!is_used_macro(draft, declaration->names[i]) &&
            strcmp(declaration->names[i], entity->definition->name) != 0 &&
            (declaration->is_typedef || !declaration->n_declarators ||
             i + declaration->n_declarators < declaration->n_names))
            entity_add_name(draft, entity, declaration->names[i]);
}

struct enumeration {
    struct draft *draft;
    struct entity *entity;
};

/* Those that a macro makes do not stand in the declaration's tokens. */
static enum CXChildVisitResult add_enumerator_name(CXCursor cursor, CXCursor parent,
                                                   CXClientData data)
{
    const struct enumeration *to = data;
    if (clang_getCursorKind(cursor) != CXCursor_EnumConstantDecl)
        return CXChildVisit_Continue;
    CLEANUP(freep) char *name = cursor_name(cursor);
    entity_add_name(to->draft, to->entity, name);
    return CXChildVisit_Continue;
}

static void add_enumerators(struct draft *draft, struct entity *entity, CXCursor cursor)
{
    struct enumeration to = {draft, entity};
    if (clang_getCursorKind(cursor) == CXCursor_TypedefDecl)
        cursor = clang_getTypeDeclaration(clang_getTypedefDeclUnderlyingType(cursor));
    if (clang_getCursorKind(cursor) == CXCursor_EnumDecl)
        clang_visitChildren(cursor, add_enumerator_name, &to);
}

/* Neither its name nor its keyword stands where it is declared. */
static bool is_made_by_macro(const struct piece *piece, CXCursor cursor, size_t offset)
{
    CLEANUP(freep) char *name = cursor_name(cursor);
    struct lexer lexer = lexer_init(piece->text + offset, piece->size - offset);
    struct token token = lexer_next(&lexer);
    return !token_is(&token, name) && !token_is(&token, "struct") &&
           !token_is(&token, "union") && !token_is(&token, "enum");
}

/* `typedef char ALIGNED(8) bytes;`: the tokens have it that ALIGNED is declared; in
 * `RECORD(point)`, they know no `struct point`. */
static bool is_misread(const struct piece *piece, CXCursor cursor)
{
    CLEANUP(freep)
    char *name = take_string(clang_getTypeSpelling(clang_getCursorType(cursor)));
    const struct declaration *declaration = &piece->declaration;
    if (declaration->record.size || !clang_isCursorDefinition(cursor) ||
        strchr(name, '('))
        return false;
    for (size_t i = 0; i < declaration->n_names; i++)
        if (!strcmp(declaration->names[i], name))
            return false;
    return true;
}

/* Owned print of the record or enum that is declared, or named by a typedef, when it has
 * no tag; else NULL. */
static char *untagged_record(CXCursor cursor)
{
    CXCursor record = cursor;
    if (clang_getCursorKind(cursor) == CXCursor_TypedefDecl)
        record = clang_getTypeDeclaration(clang_getTypedefDeclUnderlyingType(cursor));
    enum CXCursorKind kind = clang_getCursorKind(record);
    if (kind != CXCursor_StructDecl && kind != CXCursor_UnionDecl &&
        kind != CXCursor_EnumDecl)
        return NULL;
    char *text = take_string(clang_getCursorPrettyPrinted(record, NULL));
    if (text[strcspn(text, " ")] == ' ' && text[strcspn(text, " ") + 1] == '{')
        return text;
    free(text);
    return NULL;
}

/* One definition for all tags, enumerators and typedef names of a declaration. */
static void found_type(struct draft *draft, size_t index, CXCursor cursor, size_t offset)
{
    struct piece *piece = &draft->pieces[index];
    const struct declaration *declaration = &piece->declaration;
    struct entity *entity;
    if (is_made_by_macro(piece, cursor, offset) || is_misread(piece, cursor)) {
        CLEANUP(freep)
        char *spelling = take_string(clang_getTypeSpelling(clang_getCursorType(cursor)));
        CLEANUP(freep) char *record = untagged_record(cursor);
        bool is_typedef = clang_getCursorKind(cursor) == CXCursor_TypedefDecl;
        if (record && !is_typedef && record[0] != 'e')
            return; /* its typedef follows */
        entity = entity_add(draft, ENTITY_TYPE, DEFINITION_TYPE, index, spelling);
        entity->cursor = cursor;
        use_print(draft, entity);
        entity->declarator = NULL;
        entity->definition->source = record && is_typedef
                                         ? must_format("typedef %s %s;", record, spelling)
                                         : must_format("%s;", entity->printed);
        add_enumerators(draft, entity, cursor);
        return;
    }
    for (size_t i = 0; i < draft->n_entities; i++)
        if (draft->entities[i]->piece == index && draft->entities[i]->role == ENTITY_TYPE)
            return;
    bool is_own = declaration->is_typedef || declaration->record.size ||
                  !declaration->n_declarators;
    if (!is_own || piece->same_as || !declaration->n_names)
        return;
    size_t name = 0;
    bool has_alias = declaration->is_typedef && declaration->n_declarators;
    if (has_alias)
        name = declaration->n_names - declaration->n_declarators;
    entity =
        entity_add(draft, ENTITY_TYPE, DEFINITION_TYPE, index, declaration->names[name]);
    entity->cursor = cursor;
    struct span place = has_alias               ? declaration->declarators[0].name
                        : declaration->tag.size ? declaration->tag
                                                : declaration->keyword;
    piece_place(piece, place.start, &entity->definition->line,
                &entity->definition->column);
    add_type_names(draft, entity);
    add_enumerators(draft, entity, cursor);
}

static bool is_forward_of_known(const struct draft *draft, const struct piece *piece)
{
    const struct declaration *declaration = &piece->declaration;
    return declaration->n_names == 1 && !declaration->record.size &&
           !declaration->n_declarators &&
           graph_current(draft->analysis->graph, declaration->names[0]);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Functions that the layout added; true when it was one. */
static bool found_wrapper(struct draft *draft, CXCursor cursor)
{
    CLEANUP(freep) char *name = cursor_name(cursor);
    size_t number = 0;
    if (sscanf(name, SHEET_RUN "%zu", &number) == 1 && number < draft->n_wrappers) {
        draft->runs[number] = cursor;
        return true;
    }
    if (strcmp(name, SHEET_VALUE) == 0) {
        draft->value = cursor;
        draft->has_value = true;
        return true;
    }
    return starts_with(name, SHEET_RUN);
}

static enum CXChildVisitResult found(CXCursor cursor, CXCursor parent, CXClientData data)
{
    struct draft *draft = data;
    size_t offset = cursor_offset(cursor);
    if (offset == SIZE_MAX || offset < draft->items_start)
        return CXChildVisit_Continue;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if ((kind == CXCursor_FunctionDecl || kind == CXCursor_VarDecl) &&
        found_wrapper(draft, cursor))
        return CXChildVisit_Continue;
    struct piece *piece = sheet_piece(draft, offset, &offset);
    if (!piece)
        return CXChildVisit_Continue;
    size_t index = (size_t)(piece - draft->pieces);
    if (kind == CXCursor_FunctionDecl)
        found_function(draft, index, cursor, offset);
    else if (kind == CXCursor_VarDecl)
        found_variable(draft, index, cursor, offset);
    else if ((kind == CXCursor_StructDecl || kind == CXCursor_UnionDecl ||
              kind == CXCursor_EnumDecl || kind == CXCursor_TypedefDecl) &&
             !is_forward_of_known(draft, piece))
        found_type(draft, index, cursor, offset);
    return CXChildVisit_Continue;
}

static int by_piece(const void *a, const void *b)
{
    const struct entity *x = *(struct entity *const *)a, *y = *(struct entity *const *)b;
    if (x->is_early != y->is_early)
        return x->is_early ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return (x->definition->id > y->definition->id) -
           (x->definition->id < y->definition->id);
}

/* Ids in the order of the text, behind the early ones, which are in use already.
 */
static void renumber(struct draft *draft)
{
    if (draft->n_entities)
        qsort(draft->entities, draft->n_entities, sizeof(*draft->entities), by_piece);
    for (size_t i = 0; i < draft->n_entities; i++)
        draft->entities[i]->index = i;
    uint32_t id = draft->first_id;
    for (size_t i = 0; i < draft->n_entities; i++)
        if (draft->entities[i]->is_early && draft->entities[i]->definition->id >= id)
            id = draft->entities[i]->definition->id + 1;
    for (size_t i = 0; i < draft->n_entities; i++)
        if (!draft->entities[i]->is_early)
            draft->entities[i]->definition->id = id++;
    draft->next_id = id;
}

/* The cell's place of what stands in a file is where it is included. */
static void place_in_file(const struct draft *draft, const struct piece *piece,
                          struct definition *definition)
{
    const struct definition *origin =
        piece->origin ? graph_get(draft->analysis->graph, piece->origin) : NULL;
    const char *file = origin ? origin->file : piece->file;
    if (!file)
        return;
    const char *slash = strrchr(file, '/');
    free(definition->file);
    definition->file = must_strdup(slash ? slash + 1 : file);
    definition->file_line = origin ? origin->file_line : definition->line;
    definition->line = origin ? origin->line : piece->include_line;
    definition->column = 1;
}

void entities_from_tree(struct draft *draft)
{
    draft->runs = must_alloc((draft->n_wrappers + 1) * sizeof(*draft->runs));
    for (size_t i = 0; i < draft->n_wrappers; i++)
        draft->runs[i] = clang_getNullCursor();
    for (size_t i = 0; i < draft->n_pieces; i++) {
        if (draft->pieces[i].kind == ITEM_VALUE)
            draft->value_piece = i;
        free(TAKE(draft->pieces[i].prototypes));
    }
    clang_visitChildren(clang_getTranslationUnitCursor(draft->analysis->unit), found,
                        draft);
    renumber(draft);
    size_t n = draft->n_entities; /* static locals are added behind */
    for (size_t i = 0; i < n; i++)
        if (draft->entities[i]->role == ENTITY_FUNCTION)
            hoist_statics(draft, draft->entities[i]);
    for (size_t i = 0; i < draft->n_entities; i++) {
        struct definition *definition = draft->entities[i]->definition;
        const struct piece *piece = &draft->pieces[draft->entities[i]->piece];
        entity_source(draft, draft->entities[i]);
        place_in_file(draft, piece, definition);
    }
}
