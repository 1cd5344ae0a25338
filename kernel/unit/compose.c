/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The translation unit for the compiler, in the order of the cell: declarations under
 * public names, then the image or body under the name of its own version. Every mention
 * of a session function or variable is thus an undefined symbol, also of one that the
 * unit itself defines. Statements, the value and initialisers that run are functions. */
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/unit/export.h"
#include "kernel/unit/sheet.h"
#include "kernel/unit/value.h"
#include "pickler/graph/own_header.h"
#include "pickler/type/layout.h"

#define CELL_NAME "(cell)" /* __func__ of a cell's statements */

struct composer {
    struct draft *draft;
    struct plan *plan;
    struct buffer out;
    struct buffer entry;  /* the body of achar_entry() */
    struct buffer body;   /* the same for people */
    struct buffer joined; /* of the only run, where all are one; else they are in `out` */
    bool is_run_open, is_run_named;
    size_t runs_capacity, bindings_capacity;
};

static void line_of(struct buffer *out, const struct piece *piece, size_t offset)
{
    uint32_t line, column;
    piece_place(piece, offset, &line, &column);
    piece_line(out, piece, line);
}

static void line_of_entity(struct composer *composer, const struct entity *entity)
{
    const struct piece *piece = &composer->draft->pieces[entity->piece];
    bool is_own = !entity->printed && entity->declarator;
    line_of(&composer->out, piece, is_own ? entity->declarator->name.start : 0);
}

/* ---- names of functions
 * ---------------------------------------------------------------- */

static const char *const function_names[] = {"__func__", "__FUNCTION__",
                                             "__PRETTY_FUNCTION__", NULL};

/* A version's own name must not show in __func__, which macros such as assert() mention.
 */
static void name_function(struct buffer *out, const char *name, bool is_begin)
{
    for (size_t i = 0; function_names[i]; i++) {
        if (is_begin)
            buffer_format(out, "#define %s \"%s\"\n", function_names[i], name);
        else
            buffer_format(out, "#undef %s\n", function_names[i]);
    }
}

static bool mentions_function(const struct composer *composer, const char *text)
{
    for (size_t i = 0; function_names[i]; i++)
        if (tokens_mention(text, strlen(text), function_names[i]) ||
            strstr(buffer_string(&composer->draft->prologue), function_names[i]))
            return true;
    return false;
}

/* ---- functions that run
 * ----------------------------------------------------------------- */

static struct buffer *run_out(struct composer *composer)
{
    return composer->draft->joins_runs ? &composer->joined : &composer->out;
}

static void open_run(struct composer *composer)
{
    struct plan *plan = composer->plan;
    if (composer->is_run_open)
        return;
    char *name = must_format("achar_run_%u_%u_%zu", plan->cell, composer->draft->first_id,
                             plan->n_runs);
    composer->is_run_named = mentions_function(composer, composer->draft->source);
    if (composer->is_run_named)
        name_function(run_out(composer), CELL_NAME, true);
    buffer_format(run_out(composer), "void %s(void)\n{\n", name);
    GROW(plan->runs, plan->n_runs, composer->runs_capacity);
    plan->runs[plan->n_runs++] = name;
    composer->is_run_open = true;
}

static void end_run(struct composer *composer)
{
    if (!composer->is_run_open)
        return;
    buffer_add_string(run_out(composer), ";\n}\n");
    if (composer->is_run_named)
        name_function(run_out(composer), CELL_NAME, false);
    composer->is_run_open = false;
}

static void close_run(struct composer *composer)
{
    if (!composer->draft->joins_runs)
        end_run(composer);
}

/* A part of a run, which the entry holds too. */
static void run_text(struct composer *composer, const char *text, size_t size)
{
    buffer_add(run_out(composer), text, size);
    buffer_add(&composer->entry, text, size);
}

static void run_piece(struct composer *composer, const struct piece *piece)
{
    struct buffer text = {0};
    CLEANUP(freep)
    char *kept = literals_kept(composer->draft, piece, composer->draft->runs[piece->run]);
    line_of(&text, piece, 0);
    buffer_format(&text, "%*s", (int)(piece->column - 1), "");
    buffer_add_string(&text, kept);
    buffer_add_char(&text, '\n');
    run_text(composer, text.data, text.size);
    export_statement(&composer->body, piece);
    buffer_clear(&text);
}

/* The initialiser builds a local, which is copied into the variable's storage. */
static void run_initialiser(struct composer *composer, const struct entity *entity)
{
    struct buffer text = {0};
    buffer_add_string(&text, "{\n");
    const struct piece *piece = &composer->draft->pieces[entity->piece];
    size_t at = entity->printed ? 0 : entity->declarator->name.start;
    CLEANUP(freep)
    char *kept = literals_kept_in_text(entity->initialiser);
    line_of(&text, piece, at);
    buffer_format(&text, "__typeof__(%s) achar_initial = %s;\n", entity->type_text, kept);
    value_copy(&text, entity->definition->name, "achar_initial");
    buffer_add_string(&text, "}\n");
    open_run(composer);
    run_text(composer, text.data, text.size);
    export_initialiser(&composer->body, entity);
    buffer_clear(&text);
    close_run(composer);
}

static void run_value(struct composer *composer, const struct piece *piece)
{
    struct draft *draft = composer->draft;
    struct value value;
    if (!value_describe(draft, &value))
        return;
    struct plan *plan = composer->plan;
    struct buffer text = {0};
    export_value(&composer->body, &value, piece);
    if (value.kind == VALUE_NONE) {
        line_of(&text, piece, 0);
        buffer_format(&text, "(%s\n);\n", piece->text);
        open_run(composer);
        run_text(composer, text.data, text.size);
    } else {
        close_run(composer);
        plan->value_symbol =
            must_format("achar_value_%u_%u", plan->cell, draft->first_id);
        plan->value_type = value.type;
        buffer_format(&composer->out, "__typeof__(%s) %s;\n", value.type_text,
                      plan->value_symbol);
        open_run(composer);
        value_assign(run_out(composer), &value, piece, plan->value_symbol);
        value_assign(&composer->entry, &value, piece, "achar_value");
        struct buffer head = {0};
        buffer_format(&head, "__typeof__(%s) achar_value;\n", value.type_text);
        plan->entry_text = buffer_take(&head); /* the body follows in finish_entry() */
    }
    close_run(composer);
    buffer_clear(&text);
    free(value.type_text);
}

static void finish_entry(struct composer *composer)
{
    struct plan *plan = composer->plan;
    if (!composer->entry.size)
        return;
    char *head = plan->entry_text;
    plan->entry_text = must_format("%svoid achar_entry(void)\n{\n%s;\n}\n",
                                   head ? head : "", buffer_string(&composer->entry));
    free(head);
}

/* ---- definitions ----------------------------------------------------------------------
 */

/* Compiled again from its source, or (functions) with the same words. */
static bool is_carried(const struct composer *composer, const struct entity *entity)
{
    const struct draft *draft = composer->draft;
    const struct definition *now = entity->definition;
    const struct definition *old = graph_current(draft->analysis->graph, now->name);
    if (draft->pieces[entity->piece].origin)
        return true;
    if (!old || old->kind != DEFINITION_FUNCTION || now->kind != old->kind)
        return false;
    const struct types *types = &draft->analysis->types;
    return strcmp(types_get(types, old->type)->spelling,
                  types_get(types, now->type)->spelling) == 0;
}

/* What code calls it by: another name where an __asm__ label says so. */
static char *linked_name(const struct entity *entity)
{
    const char *name = entity->definition->name;
    if (entity->owner || clang_Cursor_isNull(entity->cursor))
        return must_strdup(name);
    char *linked = take_string(clang_Cursor_getMangling(entity->cursor));
    if (*linked)
        return linked;
    free(linked);
    return must_strdup(name);
}

static void bind(struct composer *composer, const struct entity *entity,
                 enum binding_kind kind)
{
    struct plan *plan = composer->plan;
    GROW(plan->bindings, plan->n_bindings, composer->bindings_capacity);
    plan->bindings[plan->n_bindings++] =
        (struct binding){.kind = kind,
                         .name = linked_name(entity),
                         .symbol = must_strdup(entity->symbol),
                         .type = entity->definition->type,
                         .definition = entity->definition->id,
                         .is_carried = is_carried(composer, entity)};
}

static void add_line(struct composer *composer, const char *text)
{
    buffer_add_string(&composer->out, text);
    buffer_add_char(&composer->out, '\n');
}

static void define_variable(struct composer *composer, const struct entity *entity)
{
    add_line(composer, entity->definition->declaration);
    line_of_entity(composer, entity);
    CLEANUP(freep) char *image = entity_defined_as(entity, entity->symbol);
    add_line(composer, image);
    bind(composer, entity, BINDING_VARIABLE);
}

/* Reaching the end of main() returns 0 (C11 5.1.2.2.3), but not under another name. */
static void end_main(const struct entity *entity, char **body)
{
    char *end = strrchr(*body, '}');
    CXType result = clang_getResultType(clang_getCursorType(entity->cursor));
    if (!end || strcmp(entity->definition->name, "main") != 0 ||
        result.kind != CXType_Int)
        return;
    char *text = must_format("%.*sreturn 0; %s", (int)(end - *body), *body, end);
    free(*body);
    *body = text;
}

/* `void f(void) __attribute__((constructor));`: what prototypes say of a function is said
 * of its version, too. */
static void repeat_attributes(struct composer *composer, const struct entity *entity)
{
    const struct draft *draft = composer->draft;
    const struct definition *definition = entity->definition;
    const struct definition *old =
        graph_current(draft->analysis->graph, definition->name);
    CLEANUP(buffer_clear) struct buffer text = {0};
    if (old && !old->source && old->declaration &&
        strstr(old->declaration, "__attribute"))
        buffer_format(&text, "%s\n", old->declaration);
    for (size_t i = 0; i < entity->piece; i++) {
        const struct piece *piece = &draft->pieces[i];
        const struct declaration *declaration = &piece->declaration;
        if (piece->kind != ITEM_DECLARATION || declaration->is_typedef ||
            !strstr(piece->text, "__attribute"))
            continue;
        for (size_t k = 0; k < declaration->n_declarators; k++) {
            const struct span *name = &declaration->declarators[k].name;
            if (!declaration->declarators[k].is_function ||
                strlen(definition->name) != name->size ||
                memcmp(piece->text + name->start, definition->name, name->size) != 0)
                continue;
            declarator_text(piece->text, declaration, &declaration->declarators[k],
                            &text);
            buffer_add_char(&text, '\n');
        }
    }
    if (!text.size || tokens_mention(text.data, text.size, "alias"))
        return;
    buffer_format(&composer->out, "#define %s %s\n%s#undef %s\n", definition->name,
                  entity->symbol, buffer_string(&text), definition->name);
}

static void define_function(struct composer *composer, const struct entity *entity)
{
    struct draft *draft = composer->draft;
    for (size_t i = 0; i < draft->n_entities; i++)
        if (draft->entities[i]->owner == entity)
            define_variable(composer, draft->entities[i]);
    const struct definition *definition = entity->definition;
    add_line(composer, definition->declaration);
    repeat_attributes(composer, entity);
    if (clang_Cursor_isFunctionInlined(entity->cursor)) /* a macro may say so, too */
        buffer_format(&composer->out, "extern __typeof__(%s) %s;\n", definition->name,
                      entity->symbol);
    bool is_named = mentions_function(composer, definition->source);
    if (is_named)
        name_function(&composer->out, definition->name, true);
    line_of(&composer->out, &draft->pieces[entity->piece],
            entity->printed ? 0 : entity->declaration->specifiers.start);
    CLEANUP(freep) char *body = entity_defined_as(entity, entity->symbol);
    end_main(entity, &body);
    if (!entity->declarator) { /* the print of what a macro made */
        buffer_format(&composer->out, "#define %s %s\n", definition->name,
                      entity->symbol);
        add_line(composer, body);
        buffer_format(&composer->out, "#undef %s\n", definition->name);
    } else {
        add_line(composer, body);
    }
    if (is_named)
        name_function(&composer->out, definition->name, false);
    bind(composer, entity, BINDING_FUNCTION);
    bool is_again = draft->pieces[entity->piece].origin; /* it has run with its cell */
    if (strcmp(definition->name, "main") == 0 && !is_again) {
        composer->plan->main_symbol = must_strdup(entity->symbol);
        composer->plan->main_has_arguments =
            clang_Cursor_getNumArguments(entity->cursor) > 0;
    }
}

static bool is_weak(const struct entity *entity)
{
    const char *text = entity->definition->declaration;
    return tokens_mention(text, strlen(text), "weak") ||
           tokens_mention(text, strlen(text), "__weak__");
}

/* `extern int x;`: another cell may define it, so that the unit must load without. */
static void declare_variable(struct composer *composer, struct entity *entity)
{
    const struct definition *definition = entity->definition;
    CXType type = clang_getCanonicalType(clang_getCursorType(entity->cursor));
    add_line(composer, definition->declaration);
    if (clang_Type_getSizeOf(type) <= 0 || definition_is_thread_local(definition))
        return;
    free(entity->symbol);
    entity->symbol = must_format("%s__achar%u", definition->name, definition->id);
    buffer_format(&composer->out, "__typeof__(%s) %s;\n", entity->type_text,
                  entity->symbol);
    bind(composer, entity, BINDING_EXTERN);
}

static void define_entity(struct composer *composer, struct entity *entity)
{
    if (entity->owner)
        return; /* with its function */
    switch (entity->role) {
    case ENTITY_VARIABLE:
        define_variable(composer, entity);
        if (entity->is_dynamic)
            run_initialiser(composer, entity);
        break;
    case ENTITY_FUNCTION:
        define_function(composer, entity);
        break;
    case ENTITY_PROTOTYPE:
        add_line(composer, entity->definition->declaration);
        if (!is_weak(entity)) /* such a one may stay without a body, and is NULL then */
            bind(composer, entity, BINDING_DECLARED);
        break;
    case ENTITY_EXTERN:
        declare_variable(composer, entity);
        break;
    case ENTITY_TYPE:
        line_of(&composer->out, &composer->draft->pieces[entity->piece], 0);
        add_line(composer, entity->definition->source);
        break;
    case ENTITY_STALE:
        if (entity->symbol)
            bind(composer, entity, BINDING_STALE);
        break;
    case ENTITY_INCLUDE:
    case ENTITY_PRAGMA:
    case ENTITY_MACRO:
        break;
    }
}

/* `int x; int x = 3;`: the first one only declares. */
static bool is_defined_later(const struct draft *draft, const struct piece *piece,
                             const struct declarator *declarator)
{
    CLEANUP(freep)
    char *name =
        must_strndup(piece->text + declarator->name.start, declarator->name.size);
    const struct entity *entity = entity_find(draft, name);
    return entity && entity->role == ENTITY_VARIABLE &&
           &draft->pieces[entity->piece] > piece;
}

/* `.globl f` in assembly: a function that other cells may call, too. */
static void bind_assembly(struct composer *composer, const struct piece *piece)
{
    static const char *const words[] = {".globl", ".global"};
    struct plan *plan = composer->plan;
    for (size_t k = 0; k < 2; k++)
        for (const char *at = piece->text; (at = strstr(at, words[k]));) {
            at += strlen(words[k]);
            struct lexer lexer = lexer_init(at, strlen(at));
            struct token name = lexer_next(&lexer);
            if (name.kind != TOKEN_IDENTIFIER || name.text == at)
                continue;
            GROW(plan->bindings, plan->n_bindings, composer->bindings_capacity);
            plan->bindings[plan->n_bindings++] =
                (struct binding){.kind = BINDING_FUNCTION,
                                 .name = must_strndup(name.text, name.size),
                                 .symbol = must_strndup(name.text, name.size)};
        }
}

/* Declarations that make no definition of their own: repeated prototypes and the like. */
static void declare_rest(struct composer *composer, const struct piece *piece)
{
    const struct declaration *declaration = &piece->declaration;
    if (piece->kind != ITEM_DECLARATION || declaration->is_typedef)
        return;
    for (size_t i = 0; i < declaration->n_declarators; i++) {
        const struct declarator *declarator = &declaration->declarators[i];
        bool is_object = !declaration->is_extern && !declarator->is_function;
        if (declarator->initialiser.size || !declarator->is_confirmed ||
            (is_object && !is_defined_later(composer->draft, piece, declarator)))
            continue;
        if (!declarator->is_function)
            buffer_add_string(&composer->out, "extern ");
        declarator_text(piece->text, declaration, declarator, &composer->out);
        buffer_add_char(&composer->out, '\n');
    }
    buffer_add_string(&composer->out, piece->prototypes ? piece->prototypes : "");
    struct lexer lexer = lexer_init(piece->text, piece->size);
    struct token first = lexer_next(&lexer);
    if (token_is(&first, "asm") || token_is(&first, "__asm__") ||
        token_is(&first, "__asm")) {
        add_line(composer, piece->text);
        bind_assembly(composer, piece);
    }
}

static void add_directive(struct composer *composer, const struct piece *piece)
{
    bool is_define = piece_is_directive(piece, "define");
    if (is_define) {
        struct span name = piece_macro_name(piece);
        buffer_format(&composer->out, "#undef %.*s\n", (int)name.size,
                      piece->text + name.start);
    }
    if (is_define || piece_is_directive(piece, "undef"))
        export_macro(&composer->body, piece);
    if (is_define || piece_is_directive(piece, "undef") ||
        piece_is_directive(piece, "pragma"))
        add_line(composer, piece->text);
    if (piece->is_include && composer->draft->is_full) {
        own_header_add(&composer->out, piece->text, piece->size);
        buffer_add_char(&composer->out, '\n');
    }
}

static void compose_piece(struct composer *composer, size_t index)
{
    struct draft *draft = composer->draft;
    const struct piece *piece = &draft->pieces[index];
    if (piece->is_broken)
        return;
    if (piece->n_forward) {
        close_run(composer);
        forward_text(draft, piece, false, &composer->out);
    }
    if (piece->before)
        buffer_add_string(&composer->out, piece->before);
    if (piece->same_as) {
        CLEANUP(freep) char *source = type_source(piece);
        line_of(&composer->out, piece, 0);
        add_line(composer, source);
    }
    if (piece->kind != ITEM_STATEMENT && piece->kind != ITEM_VALUE)
        close_run(composer);
    if (piece->kind == ITEM_DIRECTIVE)
        add_directive(composer, piece);
    else if (piece->kind == ITEM_STATEMENT) {
        open_run(composer);
        run_piece(composer, piece);
    } else if (piece->kind == ITEM_VALUE && draft->has_value) {
        run_value(composer, piece);
    } else {
        declare_rest(composer, piece);
    }
    for (size_t i = 0; i < draft->n_entities; i++)
        if (draft->entities[i]->piece == index)
            define_entity(composer, draft->entities[i]);
    if (piece->after)
        buffer_add_string(&composer->out, piece->after);
}

/* ---- the plan
 * --------------------------------------------------------------------------- */

static void add_layouts(struct composer *composer)
{
    struct plan *plan = composer->plan;
    const struct types *types = &composer->draft->analysis->types;
    size_t capacity = 0;
    for (uint32_t id = (uint32_t)plan->types_from; id < types->n; id++) {
        const struct type *type = types_get(types, id);
        if (!type_is_record(type) || type->is_incomplete)
            continue;
        for (size_t i = 0; i < type->n_fields; i++)
            if (*type->fields[i].name) /* a macro may have the name of a member */
                buffer_format(&composer->out, "#undef %s\n", type->fields[i].name);
        layout_emit(types, id, id, &composer->out);
        GROW(plan->layouts, plan->n_layouts, capacity);
        plan->layouts[plan->n_layouts++] = id;
    }
}

static void hand_over_definitions(struct composer *composer)
{
    struct draft *draft = composer->draft;
    struct plan *plan = composer->plan;
    plan->definitions = must_alloc((draft->n_entities + 1) * sizeof(*plan->definitions));
    for (size_t i = 0; i < draft->n_entities; i++)
        plan->definitions[plan->n_definitions++] = TAKE(draft->entities[i]->definition);
}

static void hand_over_types(struct composer *composer)
{
    struct plan *plan = composer->plan;
    struct buffer types = {0};
    types_pack(&composer->draft->analysis->types, plan->types_from, &types);
    plan->types_size = types.size;
    plan->types = buffer_take(&types);
}

void compose(struct draft *draft)
{
    struct composer composer = {.draft = draft, .plan = draft->plan};
    buffer_add(&composer.out, buffer_string(&draft->prologue), draft->prologue.size);
    buffer_add_char(&composer.out, '\n');
    for (size_t i = 0; i < draft->n_pieces; i++)
        compose_piece(&composer, i);
    end_run(&composer);
    buffer_add(&composer.out, buffer_string(&composer.joined), composer.joined.size);
    add_layouts(&composer);
    finish_entry(&composer);
    bool is_needed =
        draft->plan->n_runs || draft->plan->n_layouts || draft->plan->n_bindings;
    if (is_needed)
        draft->plan->text = buffer_take(&composer.out);
    buffer_clear(&composer.out);
    buffer_clear(&composer.entry);
    if (draft->mode == PLAN_CELL && composer.body.size)
        draft->plan->body_text = buffer_take(&composer.body);
    buffer_clear(&composer.body);
    buffer_clear(&composer.joined);
    hand_over_types(&composer);
    if (!draft->has_errors)
        hand_over_definitions(&composer);
}
