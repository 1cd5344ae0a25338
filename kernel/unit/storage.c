/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Macros that stand for `static`, as libraries in one file have them: "local int f(void)"
 * is spelled out, because what is static and what is not is decided by tokens. Where the
 * words are longer, places behind them on that line move. */
#include <string.h>

#include "kernel/unit/draft.h"

#define DEPTH_MAX 8 /* macros that stand for such macros */

static struct storage_macro *find(const struct draft *draft, const char *name,
                                  size_t size)
{
    struct storage_macros *macros = (struct storage_macros *)&draft->storage;
    for (size_t i = 0; i < macros->n; i++)
        if (strlen(macros->items[i].name) == size &&
            !memcmp(macros->items[i].name, name, size))
            return &macros->items[i];
    return NULL;
}

/* What stands for it, in the cell or before; NULL: it is none of these macros. Borrowed.
 */
static const char *body_of(const struct draft *draft, const struct token *token)
{
    const struct storage_macro *known = find(draft, token->text, token->size);
    if (known)
        return known->body;
    if (token_is_keyword(token))
        return NULL;
    struct cell_names names = draft_names(draft->analysis);
    const char *text = names.macro(names.context, token->text, token->size);
    return text && text[token->size] != '(' ? text + token->size : NULL;
}

static bool says_static(const struct draft *draft, const char *text, size_t size,
                        unsigned depth)
{
    struct lexer lexer = lexer_init(text, size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END || token_is(&token, "(") || token_is(&token, "{"))
            return false;
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        if (token_is(&token, "static"))
            return true;
        const char *body = depth < DEPTH_MAX ? body_of(draft, &token) : NULL;
        if (body && says_static(draft, body, strlen(body), depth + 1))
            return true;
    }
}

/* Its tokens, with those macros among them spelled out. */
static void spell(const struct draft *draft, const char *text, unsigned depth,
                  struct buffer *out)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        const char *body = token.kind == TOKEN_IDENTIFIER && depth < DEPTH_MAX
                               ? body_of(draft, &token)
                               : NULL;
        if (out->size)
            buffer_add_char(out, ' ');
        if (body && says_static(draft, body, strlen(body), depth))
            spell(draft, body, depth + 1, out);
        else
            buffer_add(out, token.text, token.size);
    }
}

static void note(struct draft *draft, const struct piece *piece)
{
    struct span span = piece_macro_name(piece);
    const char *name = piece->text + span.start, *body = name + span.size;
    bool is_define = piece_is_directive(piece, "define");
    if (!span.size)
        return;
    struct storage_macro *known = find(draft, name, span.size);
    bool is_one = is_define && *body != '(' && says_static(draft, body, strlen(body), 0);
    if (known && !is_one) { /* its old meaning of the session is hidden as well */
        free(known->body);
        known->body = must_strdup("");
        return;
    }
    if (!is_one)
        return;
    if (!known) {
        struct storage_macros *macros = &draft->storage;
        GROW(macros->items, macros->n, macros->capacity);
        known = &macros->items[macros->n++];
        *known = (struct storage_macro){.name = must_strndup(name, span.size)};
    }
    free(known->body);
    known->body = must_strdup(body);
}

/* [at, at + size) of the piece; shorter words are filled up. */
static void replace(struct piece *piece, size_t at, size_t size, const char *words)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_add(&text, piece->text, at);
    buffer_format(&text, "%-*s", (int)size, words);
    buffer_add_string(&text, piece->text + at + size);
    free(piece->text);
    piece->size = text.size;
    piece->text = buffer_take(&text);
}

void storage_spell_out(struct draft *draft, struct piece *piece)
{
    if (piece_is_directive(piece, "define") || piece_is_directive(piece, "undef"))
        note(draft, piece);
    if (piece->kind != ITEM_DECLARATION && piece->kind != ITEM_FUNCTION)
        return;
    struct lexer lexer = lexer_init(piece->text, piece->size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind != TOKEN_IDENTIFIER || token_is(&token, "static"))
            return;
        const char *body = body_of(draft, &token);
        if (!body || !says_static(draft, body, strlen(body), 0))
            continue;
        CLEANUP(buffer_clear) struct buffer words = {0};
        spell(draft, body, 0, &words);
        replace(piece, (size_t)(token.text - piece->text), token.size,
                buffer_string(&words));
        return;
    }
}

void storage_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->storage.n; i++) {
        free(draft->storage.items[i].name);
        free(draft->storage.items[i].body);
    }
    free(draft->storage.items);
    draft->storage = (struct storage_macros){0};
}
