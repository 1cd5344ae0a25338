/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload as an ordinary program: types and macros, prototypes, variables, functions,
 * in the order in which a person would write them. */
#include <string.h>

#include "pickler/base/lex.h"
#include "pickler/graph/emit.h"
#include "pickler/graph/own_header.h"
#include "pickler/payload/payload.h"

static const struct definition *find(void *context, uint32_t id)
{
    const struct payload *payload = context;
    return id && id <= payload->n_definitions ? payload->definitions[id - 1] : NULL;
}

static bool is_function(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION;
}

static bool is_variable(const struct definition *definition)
{
    return definition->kind == DEFINITION_VARIABLE;
}

/* Something that stands before a variable's definition refers to it. */
static bool is_used_early(const struct payload *payload,
                          const struct definition *variable)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *user = payload->definitions[i];
        bool is_before = user->kind == DEFINITION_TYPE ||
                         user->kind == DEFINITION_INCLUDE ||
                         (is_variable(user) && user->id < variable->id);
        for (size_t k = 0; is_before && k < user->n_refs; k++)
            if (user->refs[k] == variable->id)
                return true;
    }
    return false;
}

static void add_declarations(const struct payload *payload, struct emitter *emitter)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        bool is_needed = is_variable(definition) ? definition_is_constant(definition) ||
                                                       is_used_early(payload, definition)
                                                 : !is_function(definition);
        if (is_needed)
            emitter_declare(emitter, definition);
    }
}

static void add_prototypes(const struct payload *payload, struct emitter *emitter)
{
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (is_function(payload->definitions[i]) &&
            strcmp(payload->definitions[i]->name, "main") != 0)
            emitter_declare(emitter, payload->definitions[i]);
}

static void add_definitions(const struct payload *payload,
                            bool is_wanted(const struct definition *definition),
                            bool has_places, struct emitter *emitter, struct buffer *out)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if (!is_wanted(definition) || !definition->source)
            continue;
        if (!has_places && is_function(definition))
            buffer_add_char(out, '\n');
        emitter_define(emitter, definition);
    }
}

/* Without the kernel it needs functions of its own. */
static bool is_own_header(const struct definition *definition)
{
    return definition->kind == DEFINITION_INCLUDE && definition->source &&
           own_header_is(definition->source, strlen(definition->source));
}

void payload_program(const struct payload *payload, bool has_places, const char *rest,
                     struct buffer *out)
{
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(find, (void *)payload, out);
    if (!has_places)
        emitter_hide_places(emitter);
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (is_own_header(payload->definitions[i]))
            buffer_add_string(out, "#define ACHAR_PROGRAM 1\n");
    add_declarations(payload, emitter);
    buffer_add_char(out, '\n');
    add_prototypes(payload, emitter);
    buffer_add_char(out, '\n');
    add_definitions(payload, is_variable, has_places, emitter, out);
    add_definitions(payload, is_function, has_places, emitter, out);
    CLEANUP(freep) uint32_t *macros = NULL;
    size_t n = 0;
    payload_newest_macros(payload, &macros, &n);
    emitter_macros(emitter, macros, n);
    buffer_add_string(out, rest);
}

/* ---- texts as a person would write them ---- */

/* `spelling` without the const that is the object's own; NULL: it cannot be told. */
static char *without_const(const char *spelling)
{
    const char *pointer = strrchr(spelling, '*');
    struct buffer out = {0};
    if (pointer) {
        size_t size = strlen(spelling), tail = strlen("const");
        const char *end = spelling + size - (size > tail ? tail : 0);
        bool is_own = end > pointer &&
                      strspn(pointer + 1, " ") == (size_t)(end - pointer - 1) &&
                      !strcmp(end, "const");
        return is_own ? must_strndup(spelling, (size_t)(end - spelling)) : NULL;
    }
    struct lexer lexer = lexer_init(spelling, strlen(spelling));
    const char *at = spelling;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        if (token.kind != TOKEN_IDENTIFIER || !token_is(&token, "const"))
            continue;
        buffer_add(&out, at, (size_t)(token.text - at));
        at = token.text + token.size;
    }
    buffer_add_string(&out, at);
    return buffer_take(&out);
}

static bool is_constant(const struct payload *payload, uint32_t type)
{
    const struct type *at = types_get(&payload->types, type);
    while (at->kind == TYPE_ARRAY)
        at = types_get(&payload->types, at->target);
    return at->is_const;
}

/* "int n;", "int n[3];" */
static char *readable_variable(const char *type, const char *name)
{
    if (strchr(type, '('))
        return must_format("__typeof__(%s) %s;", type, name);
    size_t size = strcspn(type, "[");
    const char *dimensions = type + size;
    while (size && type[size - 1] == ' ')
        size--;
    while (size && *type == ' ')
        type++, size--;
    return must_format("%.*s%s%s%s;", (int)size, type,
                       size && type[size - 1] == '*' ? "" : " ", name, dimensions);
}

static void take_variable(const struct payload *payload, struct definition *definition)
{
    if (definition_is_constant(definition))
        return;
    const char *spelling = types_get(&payload->types, definition->type)->spelling;
    CLEANUP(freep)
    char *plain = must_format("__typeof__(%s) %s;", spelling, definition->name);
    bool is_const = is_constant(payload, definition->type);
    if (strchr(definition->source, '=') ||
        (!is_const && strcmp(plain, definition->source)))
        return;
    CLEANUP(freep)
    char *type = is_const ? without_const(spelling) : must_strdup(spelling);
    if (!type)
        return;
    free(definition->source);
    free(definition->declaration);
    definition->source = readable_variable(type, definition->name);
    definition->declaration =
        must_format("extern __typeof__(%s) %s;", type, definition->name);
}

/* The prototype as it was written, which the flat one is not. */
static void take_function(struct definition *definition)
{
    const char *text = definition->source;
    struct lexer lexer = lexer_init(text, strlen(text));
    int depth = 0;
    if (!definition->declaration ||
        !strncmp(definition->declaration, "extern __typeof__", 17))
        return;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END || token.kind == TOKEN_DIRECTIVE)
            return;
        char c = token.size == 1 ? *token.text : '\0';
        depth += (c == '(') - (c == ')');
        if (c != '{' || depth)
            continue;
        size_t size = (size_t)(token.text - text);
        while (size && strchr(" \t\n", text[size - 1]))
            size--;
        free(definition->declaration);
        definition->declaration = must_format("%.*s;", (int)size, text);
        return;
    }
}

void payload_make_program(struct payload *payload)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        struct definition *definition = payload->definitions[i];
        if (definition->source && is_variable(definition))
            take_variable(payload, definition);
        else if (definition->source && is_function(definition))
            take_function(definition);
    }
}
