/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Just enough macro expansion to see where items end: arguments are not expanded on their
 * own, and names pasted by ## are taken for their first part. */
#include "kernel/cell/code.h"

#include <string.h>

#define EXPANSION_DEPTH_MAX 32
/* Tokens looked at or made while expanding; behind it macros stay as they are. */
#define EXPANSION_WORK_MAX 2000000

struct expander {
    struct code *code;
    size_t work;
    int depth;
    size_t n_brackets;     /* open ones of what was pushed */
    struct place place;    /* of the macro use that is being expanded */
    struct place pending;  /* of uses that expanded to nothing; start NULL: none */
    const size_t *closers; /* of the lexed tokens: index of the matching parenthesis */
    const struct token *lexed;
};

struct tokens {
    struct token *items;
    size_t n, capacity;
};

struct range {
    size_t from, to;
};

static void tokens_add(struct tokens *tokens, struct token token)
{
    GROW(tokens->items, tokens->n, tokens->capacity);
    tokens->items[tokens->n++] = token;
}

static void push(struct expander *expander, const struct token *token, struct word *word)
{
    struct code *code = expander->code;
    if (token->kind == TOKEN_PUNCTUATOR && token->size == 1) {
        if (strchr("([{", *token->text))
            expander->n_brackets++;
        else if (strchr(")]}", *token->text) && expander->n_brackets)
            expander->n_brackets--;
    }
    GROW(code->tokens, code->n_tokens, code->capacity);
    code->tokens[code->n_tokens++] = (struct code_token){.kind = token->kind,
                                                         .text = token->text,
                                                         .size = token->size,
                                                         .word = word,
                                                         .place = expander->place};
}

static bool is_punctuator(const struct token *token, const char *text)
{
    return token->kind == TOKEN_PUNCTUATOR && token_is(token, text);
}

/* The index of the parenthesis that closes the one at `open`, or n. */
static size_t find_closer(struct expander *expander, const struct token *tokens, size_t n,
                          size_t open)
{
    if (tokens == expander->lexed)
        return expander->closers[open];
    int depth = 0;
    for (size_t i = open; i < n && expander->work < EXPANSION_WORK_MAX; i++) {
        expander->work++;
        if (is_punctuator(&tokens[i], "("))
            depth++;
        else if (is_punctuator(&tokens[i], ")") && --depth == 0)
            return i;
    }
    return n;
}

/* Cuts what stands between the parentheses at commas; the last of a variadic macro's
 * arguments takes the rest. */
static void cut_arguments(const struct macro *macro, const struct token *tokens,
                          size_t open, size_t close, struct range *arguments)
{
    size_t argument = 0, from = open + 1;
    int depth = 0;
    for (size_t i = open + 1; i < close && argument + 1 < macro->n_parameters; i++) {
        if (tokens[i].kind != TOKEN_PUNCTUATOR || tokens[i].size != 1)
            continue;
        if (strchr("([{", *tokens[i].text))
            depth++;
        else if (strchr(")]}", *tokens[i].text))
            depth--;
        else if (depth == 0 && *tokens[i].text == ',') {
            arguments[argument++] = (struct range){from, i};
            from = i + 1;
        }
    }
    if (argument < macro->n_parameters)
        arguments[argument] = (struct range){from, close};
}

static const struct range *find_argument(struct expander *expander,
                                         const struct macro *macro,
                                         const struct range *arguments,
                                         const struct token *token)
{
    if (token->kind != TOKEN_IDENTIFIER || !macro->n_parameters)
        return NULL;
    struct word *word = words_get(expander->code->words, token->text, token->size);
    for (size_t i = 0; i < macro->n_parameters; i++)
        if (macro->parameters[i] == word)
            return &arguments[i];
    return NULL;
}

static void substitute(struct expander *expander, const struct macro *macro,
                       const struct token *tokens, const struct range *arguments,
                       struct tokens *out)
{
    for (size_t i = 0; i < macro->n_body; i++) {
        const struct token *token = &macro->body[i];
        bool is_hash = token->kind == TOKEN_DIRECTIVE || is_punctuator(token, "#");
        if (is_hash && i + 1 < macro->n_body && macro->has_arguments) {
            struct token string = macro->body[++i];
            string.kind = TOKEN_STRING;
            tokens_add(out, string);
            continue;
        }
        if (is_punctuator(token, "##")) {
            i++;
            continue;
        }
        const struct range *argument = find_argument(expander, macro, arguments, token);
        if (!argument) {
            tokens_add(out, *token);
            continue;
        }
        for (size_t k = argument->from; k < argument->to; k++) {
            if (++expander->work > EXPANSION_WORK_MAX)
                return;
            tokens_add(out, tokens[k]);
        }
    }
    expander->work += macro->n_body;
}

static size_t expand_at(struct expander *expander, const struct token *tokens, size_t n,
                        size_t index);

/* The use at `index` ends at `last`. */
static void expand_use(struct expander *expander, struct word *word,
                       const struct macro *macro, const struct token *tokens,
                       size_t index, size_t last)
{
    struct range *arguments = NULL;
    if (macro->has_arguments && macro->n_parameters) {
        arguments = must_alloc(macro->n_parameters * sizeof(*arguments));
        cut_arguments(macro, tokens, index + 1, last, arguments);
    }
    struct tokens body = {0};
    substitute(expander, macro, tokens, arguments, &body);
    word->is_expanding = true;
    expander->depth++;
    for (size_t i = 0; i < body.n;)
        i = expand_at(expander, body.items, body.n, i);
    expander->depth--;
    word->is_expanding = false;
    free(body.items);
    free(arguments);
}

/* Pushes what the token at `index` becomes; returns the index behind what was used. */
static size_t expand_at(struct expander *expander, const struct token *tokens, size_t n,
                        size_t index)
{
    const struct token *token = &tokens[index];
    struct word *word = NULL;
    if (token->kind == TOKEN_IDENTIFIER)
        word = words_get(expander->code->words, token->text, token->size);
    const struct macro *macro = word ? words_macro(expander->code->words, word) : NULL;
    if (!macro || !macro->has_structure || word->is_expanding ||
        expander->depth >= EXPANSION_DEPTH_MAX || expander->work >= EXPANSION_WORK_MAX) {
        push(expander, token, word);
        return index + 1;
    }
    size_t last = index;
    if (macro->has_arguments) {
        bool is_call = index + 1 < n && is_punctuator(&tokens[index + 1], "(");
        last = is_call ? find_closer(expander, tokens, n, index + 1) : n;
        if (last >= n) {
            push(expander, token, word);
            return index + 1;
        }
    }
    expand_use(expander, word, macro, tokens, index, last);
    return last + 1;
}

static void apply_directive(struct code *code, const struct directive *directive)
{
    size_t size = (size_t)(directive->place.end - directive->place.start);
    struct lexer lexer = lexer_init(directive->place.start, size);
    lexer_next(&lexer);
    struct token name = lexer_next(&lexer);
    size_t left = (size_t)(lexer.end - lexer.at);
    if (token_is(&name, "define"))
        words_define(code->words, lexer.at, left);
    else if (token_is(&name, "undef"))
        words_undefine(code->words, lexer.at, left);
}

static size_t *match_parentheses(const struct token *tokens, size_t n)
{
    size_t *closers = must_alloc((n + 1) * sizeof(*closers));
    size_t *open = must_alloc((n + 1) * sizeof(*open)), n_open = 0;
    for (size_t i = 0; i < n; i++) {
        closers[i] = n;
        if (is_punctuator(&tokens[i], "("))
            open[n_open++] = i;
        else if (is_punctuator(&tokens[i], ")") && n_open)
            closers[open[--n_open]] = i;
    }
    free(open);
    return closers;
}

static struct place place_of(const struct token *first, const struct token *last)
{
    return (struct place){.start = first->text,
                          .end = last->text + last->size,
                          .line = first->line,
                          .column = first->column};
}

/* Expands the use at `index`. What becomes nothing is joined to the token behind it. */
static size_t expand_lexed(struct expander *expander, const struct token *tokens,
                           size_t n, size_t index)
{
    struct code *code = expander->code;
    size_t first = code->n_tokens;
    expander->place = place_of(&tokens[index], &tokens[index]);
    size_t next = expand_at(expander, tokens, n, index);
    struct place place = place_of(&tokens[index], &tokens[next - 1]);
    if (expander->pending.start) {
        place.start = expander->pending.start;
        place.line = expander->pending.line;
        place.column = expander->pending.column;
    }
    expander->pending.start = NULL;
    if (code->n_tokens == first)
        expander->pending = place;
    for (size_t i = first; i < code->n_tokens; i++)
        code->tokens[i].place = place;
    return next;
}

static void push_empty_statement(struct expander *expander)
{
    struct token empty = {.kind = TOKEN_PUNCTUATOR, .text = ";", .size = 1};
    expander->place = expander->pending;
    expander->pending.start = NULL;
    push(expander, &empty, NULL);
}

/* What becomes nothing between two items, in front of a directive, which would else be
 * inside the item that it is joined to. */
static bool is_pending_alone(const struct expander *expander)
{
    const struct code *code = expander->code;
    const struct code_token *last =
        code->n_tokens ? &code->tokens[code->n_tokens - 1] : NULL;
    return expander->pending.start && !expander->n_brackets &&
           (!last || code_token_is(last, ';') || code_token_is(last, '}'));
}

void code_expand(struct code *code, const struct token *tokens, size_t n)
{
    CLEANUP(freep) size_t *closers = match_parentheses(tokens, n);
    struct expander expander = {.code = code, .closers = closers, .lexed = tokens};
    size_t directive = 0;
    for (size_t i = 0; i < n;) {
        for (; directive < code->n_directives && code->directives[directive].before <= i;
             directive++) {
            if (is_pending_alone(&expander))
                push_empty_statement(&expander);
            apply_directive(code, &code->directives[directive]);
        }
        i = expand_lexed(&expander, tokens, n, i);
    }
    struct token end = {.kind = TOKEN_END, .text = "", .size = 0};
    if (expander.pending.start) /* nothing is behind it */
        push_empty_statement(&expander);
    expander.place = (struct place){0};
    push(&expander, &end, NULL);
    code->n_tokens--;
}
