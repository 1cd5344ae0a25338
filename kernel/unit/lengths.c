/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrays at the top of a cell whose length is no constant. Such a variable outlives its
 * cell as all others do, so it is given the length that its expression has when the cell
 * comes to it, and is an ordinary array from then on. Here the expressions are found; who
 * runs the cell computes them. */
#include <string.h>

#include "kernel/unit/draft.h"

#define LENGTHS_MAX 64 /* of one declaration */

struct brackets {
    const char *text; /* the draft's */
    struct lexer lexer;
    struct token last;
};

static void skip_group(struct brackets *brackets, const char *open, const char *close)
{
    for (unsigned depth = 1; depth;) {
        struct token token = lexer_next(&brackets->lexer);
        if (token.kind == TOKEN_END)
            return;
        depth += token_is(&token, open);
        depth -= token_is(&token, close);
    }
}

/* What stands in the brackets that were just opened; empty: nothing, or a number. */
static struct span read_length(struct brackets *brackets)
{
    struct lexer ahead = brackets->lexer;
    struct token first = lexer_next(&ahead), second = lexer_next(&ahead);
    const char *start = brackets->lexer.at;
    skip_group(brackets, "[", "]");
    const char *end = brackets->lexer.at;
    bool is_number = first.kind == TOKEN_NUMBER && token_is(&second, "]");
    if (token_is(&first, "]") || is_number || end <= start)
        return (struct span){0};
    return (struct span){(size_t)(start - brackets->text), (size_t)(end - 1 - start)};
}

/* Behind `=`: up to the next declarator or the end. */
static void skip_initialiser(struct brackets *brackets)
{
    for (;;) {
        struct lexer before = brackets->lexer;
        struct token token = lexer_next(&brackets->lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token_is(&token, ",") || token_is(&token, ";")) {
            brackets->lexer = before;
            return;
        }
        if (token_is(&token, "{"))
            skip_group(brackets, "{", "}");
        else if (token_is(&token, "("))
            skip_group(brackets, "(", ")");
        else if (token_is(&token, "["))
            skip_group(brackets, "[", "]");
    }
}

static void add_length(struct plan *plan, struct span length)
{
    if (!length.size || plan->n_lengths >= LENGTHS_MAX)
        return;
    plan->lengths =
        must_realloc(plan->lengths, plan->n_lengths + 1, sizeof(*plan->lengths));
    plan->lengths[plan->n_lengths++] = (struct plan_length){length.start, length.size};
}

/* Brackets of declarators: not those of parameters, members and initialisers. */
static void find_brackets(struct brackets *brackets, struct plan *plan)
{
    for (;;) {
        struct token token = lexer_next(&brackets->lexer);
        if (token.kind == TOKEN_END)
            return;
        bool is_group = brackets->last.kind != TOKEN_IDENTIFIER &&
                        !token_is(&brackets->last, ")") && brackets->last.size;
        bool is_pointer = token_is(&token, "(") && brackets->lexer.at[0] == '*';
        if (token_is(&token, "("))
            if (!is_group && !is_pointer)
                skip_group(brackets, "(", ")");
        if (token_is(&token, "{"))
            skip_group(brackets, "{", "}");
        if (token_is(&token, "="))
            skip_initialiser(brackets);
        if (token_is(&token, "["))
            add_length(plan, read_length(brackets));
        brackets->last = token;
    }
}

/* Other mistakes come first. */
static void drop_length_errors(struct draft *draft)
{
    size_t n = 0;
    for (size_t i = 0; i < draft->n_diagnostics; i++) {
        if (strcmp(draft->diagnostics[i].message, LENGTH_ERROR) != 0)
            draft->diagnostics[n++] = draft->diagnostics[i];
        else
            diagnostic_clear(&draft->diagnostics[i]);
    }
    draft->n_diagnostics = n;
}

void lengths_find(struct draft *draft)
{
    size_t n_errors = 0;
    for (size_t i = 0; i < draft->n_diagnostics; i++)
        n_errors += draft->diagnostics[i].severity == SEVERITY_ERROR;
    if (n_errors > draft->n_length_errors && draft->n_length_errors)
        drop_length_errors(draft);
    if (!n_errors || n_errors != draft->n_length_errors || draft->n_headers)
        return;
    const char *text = buffer_string(&draft->text);
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        if (!piece->has_lengths)
            continue;
        struct brackets brackets = {
            .text = text,
            .lexer = lexer_init(text + piece->text_start, piece->text_size)};
        find_brackets(&brackets, draft->plan);
        draft->plan->lengths_start = piece->text_start;
        return;
    }
}
