/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/look.h"

#include <string.h>

#include "pickler/base/lex.h"

/* A type of the person's own may have a function that shows it, which is a call. */
static bool has_shows(const struct graph *graph)
{
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (at->kind == DEFINITION_FUNCTION && strncmp(at->name, "mime_", 5) == 0)
            return true;
    }
    return false;
}

static bool is_plain_number(const struct types *types, uint32_t id)
{
    const struct type *type = types_get(types, id);
    return type_is_arithmetic(type) && type->kind != TYPE_ENUM && type->spelling &&
           strcmp(type->spelling, type_kind_name(type->kind)) == 0;
}

static bool is_variable(const struct graph *graph, const struct token *token)
{
    CLEANUP(freep) char *name = must_strndup(token->text, token->size);
    const struct definition *definition = graph_current(graph, name);
    return definition && definition->kind == DEFINITION_VARIABLE;
}

/* Assignments, increments, calls through anything but a name, and statements. */
static bool is_harmless(const struct token *token, bool is_behind_operand)
{
    static const char *const harmless[] = {
        "+",  "-",  "*", "/", "%",  "&",  "|",  "^",  "~", "!", "<", ">",  "<=", ">=",
        "==", "!=", "?", ":", "&&", "||", "<<", ">>", "[", "]", ".", "->", ")"};
    if (token_is(token, "("))
        return !is_behind_operand;
    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        if (token_is(token, harmless[i]))
            return true;
    return false;
}

/* The body of a value's cell is "(void)(expression);". */
static bool only_looks(const char *text, const struct graph *graph)
{
    static const char discarded[] = "(void)";
    text += strspn(text, " ");
    if (strncmp(text, discarded, strlen(discarded)) == 0)
        text += strlen(discarded);
    struct lexer lexer = lexer_init(text, strlen(text));
    bool is_behind_operand = false, is_behind_member = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token_is(&token, ";"))
            return lexer_next(&lexer).kind == TOKEN_END;
        if (token.kind == TOKEN_END)
            return true;
        bool is_known =
            token.kind == TOKEN_NUMBER || token.kind == TOKEN_CHARACTER ||
            (token.kind == TOKEN_IDENTIFIER &&
             (is_behind_member || is_variable(graph, &token))) ||
            (token.kind == TOKEN_PUNCTUATOR && is_harmless(&token, is_behind_operand));
        if (!is_known)
            return false;
        is_behind_operand = token.kind != TOKEN_PUNCTUATOR || token_is(&token, ")") ||
                            token_is(&token, "]");
        is_behind_member = token_is(&token, ".") || token_is(&token, "->");
    }
}

bool look_is_all(const struct plan *plan, const struct graph *graph,
                 const struct types *types)
{
    return plan->value_symbol && !plan->n_definitions && !plan->n_bindings &&
           !plan->main_symbol && plan->n_runs == 1 && plan->body_text &&
           only_looks(plan->body_text, graph) &&
           (is_plain_number(types, plan->value_type) || !has_shows(graph));
}
