/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A definition sees the macros that were visible where it was written, and no others:
 * what it reaches is brought to that version, and a macro that is visible only because
 * another definition needed it is put away when the text mentions its name. */
#include "pickler/graph/emit.h"

#include <string.h>

#include "pickler/base/lex.h"
#include "pickler/graph/name_ids.h"
#include "pickler/graph/own_header.h"

struct emitter {
    const struct definition *(*find)(void *context, uint32_t id);
    void *context;
    struct buffer *out;
    struct name_ids active; /* macros that the text so far leaves defined: id */
    size_t n_active;
    bool hides_places;
};

/* What one text asks for. */
struct scope {
    struct name_ids reach; /* macros that may be expanded in it, by name */
    uint32_t *ids;         /* the same, direct ones first */
    size_t n_ids, ids_capacity;
    struct name_ids wanted; /* those that are */
    const struct definition **list;
    size_t n_list, list_capacity;
    bool pastes; /* a name may be made by ##: all are wanted */
};

struct emitter *emitter_new(const struct definition *(*find)(void *context, uint32_t id),
                            void *context, struct buffer *out)
{
    struct emitter *emitter = must_alloc(sizeof(*emitter));
    *emitter = (struct emitter){.find = find, .context = context, .out = out};
    return emitter;
}

void emitter_hide_places(struct emitter *emitter)
{
    emitter->hides_places = true;
}

void emitter_free(struct emitter *emitter)
{
    if (!emitter)
        return;
    name_ids_clear(&emitter->active);
    free(emitter);
}

static void scope_clear(struct scope *scope)
{
    name_ids_clear(&scope->reach);
    name_ids_clear(&scope->wanted);
    free(scope->ids);
    free(scope->list);
}

static void reach(struct emitter *emitter, struct scope *scope, uint32_t id)
{
    const struct definition *macro = emitter->find(emitter->context, id);
    if (!macro || macro->kind != DEFINITION_MACRO ||
        name_ids_get(&scope->reach, macro->name, strlen(macro->name)))
        return;
    name_ids_set(&scope->reach, macro->name, id);
    GROW(scope->ids, scope->n_ids, scope->ids_capacity);
    scope->ids[scope->n_ids++] = id;
    if (macro->source && strstr(macro->source, "##"))
        scope->pastes = true;
}

/* The nearer mention wins: a definition's own references come before those of macros. */
static void reach_all(struct emitter *emitter, struct scope *scope, const uint32_t *ids,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        reach(emitter, scope, ids[i]);
    for (size_t i = 0; i < scope->n_ids; i++) {
        const struct definition *macro = emitter->find(emitter->context, scope->ids[i]);
        for (size_t k = 0; k < macro->n_refs; k++)
            reach(emitter, scope, macro->refs[k]);
    }
}

static void want(struct emitter *emitter, struct scope *scope, uint32_t id)
{
    const struct definition *macro = emitter->find(emitter->context, id);
    if (!macro || name_ids_get(&scope->wanted, macro->name, strlen(macro->name)))
        return;
    name_ids_set(&scope->wanted, macro->name, id);
    GROW(scope->list, scope->n_list, scope->list_capacity);
    scope->list[scope->n_list++] = macro;
}

static void undefine(struct emitter *emitter, const char *name, size_t size)
{
    CLEANUP(freep) char *copy = must_strndup(name, size);
    buffer_format(emitter->out, "#undef %s\n", copy);
    name_ids_set(&emitter->active, copy, 0);
    emitter->n_active--;
}

static void scan(struct emitter *emitter, struct scope *scope, const char *text)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        uint32_t id = name_ids_get(&scope->reach, token.text, token.size);
        if (id)
            want(emitter, scope, id);
        else if (name_ids_get(&emitter->active, token.text, token.size))
            undefine(emitter, token.text, token.size);
    }
}

static void line_directive(struct emitter *emitter, const struct definition *definition,
                           uint32_t line)
{
    uint32_t cell = definition->cell;
    if (definition->file && line && !emitter->hides_places)
        buffer_format(emitter->out, "#line %u \"%s\"\n", line, definition->file);
    else if (cell && line && !emitter->hides_places)
        buffer_format(emitter->out, "#line %u \"In[%u]\"\n", line, cell);
}

static void add_text(struct emitter *emitter, const char *text)
{
    buffer_add_string(emitter->out, text);
    size_t size = strlen(text);
    if (!size || text[size - 1] != '\n')
        buffer_add_char(emitter->out, '\n');
}

static void bring(struct emitter *emitter, const struct definition *macro)
{
    uint32_t now = name_ids_get(&emitter->active, macro->name, strlen(macro->name));
    if (now == macro->id || !macro->source)
        return;
    bool is_undef = strstr(macro->source, "undef") &&
                    strspn(macro->source, "# \t") ==
                        (size_t)(strstr(macro->source, "undef") - macro->source);
    if (!is_undef && (now || !emitter->hides_places)) /* it may be a header's */
        buffer_format(emitter->out, "#undef %s\n", macro->name);
    line_directive(emitter, macro, macro->file ? macro->file_line : macro->line);
    add_text(emitter, macro->source);
    name_ids_set(&emitter->active, macro->name, macro->id);
    emitter->n_active += now == 0;
}

static void want_all(struct emitter *emitter, struct scope *scope)
{
    for (size_t i = 0; i < scope->n_ids; i++)
        want(emitter, scope, scope->ids[i]);
}

/* Everything that stands before `text`; NULL: all that `ids` reach. */
static void prepare(struct emitter *emitter, const char *text, const uint32_t *ids,
                    size_t n)
{
    struct scope scope = {0};
    reach_all(emitter, &scope, ids, n);
    if (scope.n_ids || emitter->n_active) {
        if (text)
            scan(emitter, &scope, text);
        if (!text || scope.pastes)
            want_all(emitter, &scope);
        for (size_t i = 0; i < scope.n_list; i++)
            if (scope.list[i]->source)
                scan(emitter, &scope, scope.list[i]->source);
        for (size_t i = 0; i < scope.n_list; i++)
            bring(emitter, scope.list[i]);
    }
    scope_clear(&scope);
}

#define INDENT_MAX 500 /* a longer one is not worth its blanks */

static void emit(struct emitter *emitter, const struct definition *definition,
                 const char *text)
{
    prepare(emitter, text, definition->refs, definition->n_refs);
    uint32_t line, indent;
    definition_start(definition, text, strlen(text), &line, &indent);
    line_directive(emitter, definition, line);
    if (definition->cell && indent && indent <= INDENT_MAX && !emitter->hides_places)
        buffer_format(emitter->out, "%*s", (int)indent, "");
    add_text(emitter, text);
}

void emitter_declare(struct emitter *emitter, const struct definition *definition)
{
    switch (definition->kind) {
    case DEFINITION_MACRO:
    case DEFINITION_LINK:
    case DEFINITION_KIND_COUNT:
        return;
    case DEFINITION_INCLUDE:
    case DEFINITION_PRAGMA: /* a header may depend on macros of the user's */
        prepare(emitter, NULL, definition->refs, definition->n_refs);
        if (definition->source) {
            own_header_add(emitter->out, definition->source, strlen(definition->source));
            buffer_add_char(emitter->out, '\n');
        }
        return;
    case DEFINITION_TYPE:
        if (definition->source)
            emit(emitter, definition, definition->source);
        return;
    case DEFINITION_VARIABLE:
    case DEFINITION_FUNCTION:
        if (definition->declaration)
            emit(emitter, definition, definition->declaration);
        else if (definition->source)
            emit(emitter, definition, definition->source);
        return;
    }
}

void emitter_define(struct emitter *emitter, const struct definition *definition)
{
    if (definition_is_constant(definition))
        return;
    if (definition->source && (definition->kind == DEFINITION_VARIABLE ||
                               definition->kind == DEFINITION_FUNCTION))
        emit(emitter, definition, definition->source);
}

void emitter_macros(struct emitter *emitter, const uint32_t *ids, size_t n)
{
    prepare(emitter, NULL, ids, n);
}
