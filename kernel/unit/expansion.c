/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A macro is measured once: so many tokens of its own, and so many times each argument.
 * What a use of it makes is then a sum, however deep macros and uses are nested. */
#include "kernel/unit/expansion.h"

#include <stdbool.h>
#include <string.h>

#include "pickler/base/lex.h"
#include "pickler/base/memory.h"

#define PARAMETERS_MAX                                                                   \
    8                 /* that are counted; an argument behind them counts as one token */
#define DEPTH_MAX 400 /* of uses in uses; what is deeper counts as it stands */
#define FULL (EXPANSION_MAX + 1)

/* Tokens, all numbers at most FULL. */
struct measure {
    uint32_t own;
    uint32_t times[PARAMETERS_MAX]; /* that each argument stands there */
};

enum state { STATE_NEW, STATE_UNDER_WAY, STATE_KNOWN };

struct macro {
    const char *name; /* all into the text */
    size_t size;
    const char *parameters[PARAMETERS_MAX];
    size_t parameter_sizes[PARAMETERS_MAX];
    size_t n_parameters;
    bool has_parameters, is_variadic, is_undefined;
    const char *body, *end;
    enum state state;
    struct measure measure;
};

struct measuring {
    struct macro *macros;
    size_t n, capacity;
    uint32_t *slots; /* open addressing: index + 1 of a macro, 0: free */
    size_t n_slots;
    unsigned depth;
};

static void measuring_clear(struct measuring *measuring)
{
    free(measuring->macros);
    free(measuring->slots);
}

static uint32_t plus(uint32_t a, uint64_t b)
{
    return a + b > FULL ? FULL : (uint32_t)(a + b);
}

static void add(struct measure *to, const struct measure *what, uint32_t times)
{
    to->own = plus(to->own, (uint64_t)what->own * times);
    for (size_t i = 0; i < PARAMETERS_MAX; i++)
        to->times[i] = plus(to->times[i], (uint64_t)what->times[i] * times);
}

/* ---- macros by name -------------------------------------------------------------------
 */

static uint32_t *slot_of(const struct measuring *measuring, const char *name, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    for (size_t i = hash;; i++) {
        uint32_t *slot = &measuring->slots[i & (measuring->n_slots - 1)];
        const struct macro *macro = *slot ? &measuring->macros[*slot - 1] : NULL;
        if (!macro || (macro->size == size && !memcmp(macro->name, name, size)))
            return slot;
    }
}

static void make_room(struct measuring *measuring)
{
    if (2 * measuring->n < measuring->n_slots)
        return;
    free(measuring->slots);
    measuring->n_slots = measuring->n_slots ? 2 * measuring->n_slots : 64;
    measuring->slots = must_alloc(measuring->n_slots * sizeof(*measuring->slots));
    for (size_t i = 0; i < measuring->n; i++) {
        const struct macro *macro = &measuring->macros[i];
        *slot_of(measuring, macro->name, macro->size) = (uint32_t)i + 1;
    }
}

static struct macro *find(const struct measuring *measuring, const struct token *name)
{
    if (name->kind != TOKEN_IDENTIFIER || !measuring->n)
        return NULL;
    uint32_t index = *slot_of(measuring, name->text, name->size);
    struct macro *macro = index ? &measuring->macros[index - 1] : NULL;
    return macro && !macro->is_undefined ? macro : NULL;
}

static void read_parameters(struct macro *macro, struct lexer *lexer)
{
    struct token last = {0};
    for (;;) {
        struct token token = lexer_next(lexer);
        if (token.kind == TOKEN_END || token.starts_line || token_is(&token, ")"))
            return;
        bool is_rest = token_is(&token, "..."), is_name = token.kind == TOKEN_IDENTIFIER;
        macro->is_variadic |= is_rest;
        is_rest &= last.kind != TOKEN_IDENTIFIER; /* "rest..." has its name already */
        last = token;
        if ((!is_name && !is_rest) || macro->n_parameters == PARAMETERS_MAX)
            continue;
        macro->parameters[macro->n_parameters] = is_rest ? "__VA_ARGS__" : token.text;
        macro->parameter_sizes[macro->n_parameters++] =
            is_rest ? strlen("__VA_ARGS__") : token.size;
    }
}

/* `lexer` stands behind #define, and is moved to the line's end. */
static void define(struct measuring *measuring, struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    struct token name = lexer_next(&ahead);
    if (name.kind != TOKEN_IDENTIFIER || name.starts_line) {
        lexer_skip_line(lexer);
        return;
    }
    struct macro macro = {.name = name.text, .size = name.size};
    if (ahead.at < ahead.end && *ahead.at == '(') {
        macro.has_parameters = true;
        lexer_next(&ahead);
        read_parameters(&macro, &ahead);
    }
    lexer_skip_line(lexer);
    macro.body = ahead.at < lexer->at ? ahead.at : lexer->at;
    macro.end = lexer->at;
    make_room(measuring);
    uint32_t *slot = slot_of(measuring, name.text, name.size);
    if (*slot) { /* what mentions it is another now */
        for (size_t i = 0; i < measuring->n; i++)
            measuring->macros[i].state = STATE_NEW;
        measuring->macros[*slot - 1] = macro;
        return;
    }
    GROW(measuring->macros, measuring->n, measuring->capacity);
    measuring->macros[measuring->n++] = macro;
    *slot = (uint32_t)measuring->n;
}

static void undefine(struct measuring *measuring, struct lexer *lexer)
{
    struct token name = lexer_next(lexer);
    struct macro *macro = find(measuring, &name);
    if (!macro)
        return;
    macro->is_undefined = true;
    for (size_t i = 0; i < measuring->n; i++)
        measuring->macros[i].state = STATE_NEW;
}

/* ---- measures -------------------------------------------------------------------------
 */

static struct measure measure_token(struct measuring *measuring, struct lexer *lexer,
                                    const struct token *token,
                                    const struct macro *inside);

/* Up to a comma or the closing parenthesis, which *ret_end is. */
static struct measure measure_argument(struct measuring *measuring, struct lexer *lexer,
                                       const struct macro *inside, bool takes_commas,
                                       struct token *ret_end)
{
    struct measure ret = {0};
    unsigned depth = 0;
    for (;;) {
        struct token token = lexer_next(lexer);
        *ret_end = token;
        bool is_close = token_is(&token, ")");
        if (token.kind == TOKEN_END || (depth == 0 && is_close) ||
            (depth == 0 && !takes_commas && token_is(&token, ",")))
            return ret;
        depth += token_is(&token, "(");
        depth -= is_close;
        struct measure one = measure_token(measuring, lexer, &token, inside);
        add(&ret, &one, 1);
    }
}

static const struct measure *measure_macro(struct measuring *measuring,
                                           struct macro *macro)
{
    if (macro->state != STATE_NEW)
        return &macro->measure;
    struct lexer lexer = lexer_init(macro->body, (size_t)(macro->end - macro->body));
    macro->state = STATE_UNDER_WAY; /* its own name in it is not expanded again */
    macro->measure = (struct measure){.own = 1};
    struct measure all = {.own = 1}; /* an expansion to nothing is work too */
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        struct measure one = measure_token(measuring, &lexer, &token, macro);
        add(&all, &one, 1);
    }
    macro->measure = all;
    macro->state = STATE_KNOWN;
    return &macro->measure;
}

/* A use with arguments; `lexer` stands behind the name. */
static struct measure measure_use(struct measuring *measuring, struct lexer *lexer,
                                  struct macro *macro, const struct macro *inside)
{
    struct measure of = *measure_macro(measuring, macro), ret = {.own = of.own};
    struct token end = lexer_next(lexer); /* the opening parenthesis */
    for (size_t i = 0;; i++) {
        bool is_last = macro->is_variadic && i + 1 >= macro->n_parameters;
        struct measure argument =
            measure_argument(measuring, lexer, inside, is_last, &end);
        add(&ret, &argument, i < macro->n_parameters ? of.times[i] : 1);
        if (!token_is(&end, ","))
            return ret;
    }
}

static bool is_parameter(const struct macro *inside, const struct token *token,
                         size_t *ret)
{
    for (size_t i = 0; inside && i < inside->n_parameters; i++)
        if (inside->parameter_sizes[i] == token->size &&
            !memcmp(inside->parameters[i], token->text, token->size)) {
            *ret = i;
            return true;
        }
    return false;
}

static struct measure measure_token(struct measuring *measuring, struct lexer *lexer,
                                    const struct token *token, const struct macro *inside)
{
    struct measure ret = {.own = 1};
    size_t parameter;
    if (token->kind != TOKEN_IDENTIFIER)
        return ret;
    if (is_parameter(inside, token, &parameter)) {
        ret.own = 0;
        ret.times[parameter] = 1;
        return ret;
    }
    struct macro *macro = find(measuring, token);
    if (!macro || macro->state == STATE_UNDER_WAY || measuring->depth == DEPTH_MAX)
        return ret;
    measuring->depth++;
    struct lexer ahead = *lexer;
    struct token next = lexer_next(&ahead);
    if (!macro->has_parameters)
        ret = *measure_macro(measuring, macro);
    else if (token_is(&next, "("))
        ret = measure_use(measuring, lexer, macro, inside);
    measuring->depth--;
    return ret;
}

static void read_directive(struct measuring *measuring, struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    struct token word = lexer_next(&ahead);
    if (word.starts_line || token_is(&word, "if") || token_is(&word, "elif"))
        return; /* the condition is text like any other */
    if (token_is(&word, "define")) {
        *lexer = ahead;
        define(measuring, lexer);
        return;
    }
    if (token_is(&word, "undef"))
        undefine(measuring, &ahead);
    lexer_skip_line(lexer);
}

size_t expansion_excess(const char *text, size_t size)
{
    if (!memmem(text, size, "define", strlen("define")))
        return SIZE_MAX;
    CLEANUP(measuring_clear) struct measuring measuring = {0};
    struct lexer lexer = lexer_init(text, size);
    for (uint32_t all = 0;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return SIZE_MAX;
        if (token.kind == TOKEN_DIRECTIVE) {
            read_directive(&measuring, &lexer);
            continue;
        }
        all = plus(all, measure_token(&measuring, &lexer, &token, NULL).own);
        if (all == FULL)
            return (size_t)(token.text - text);
    }
}
