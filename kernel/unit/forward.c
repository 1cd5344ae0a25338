/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions of a cell may stand in any order: one that is called before it is defined
 * gets its prototype in front of what calls it. */
#include <string.h>

#include "kernel/unit/draft.h"
#include "kernel/unit/suggest.h"

static size_t piece_at(const struct draft *draft, const struct diagnostic *at)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        bool is_same_text = at->file ? piece->file && strcmp(piece->file, at->file) == 0
                                     : !piece->file && piece->cell == at->cell;
        bool is_before = piece->line < at->line ||
                         (piece->line == at->line && piece->column <= at->column);
        if (is_same_text && is_before && !piece->origin)
            found = i;
    }
    return found;
}

static size_t piece_that_defines(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_pieces; i++) {
        const struct piece *piece = &draft->pieces[i];
        if (piece->kind != ITEM_FUNCTION || piece->declaration.is_old_style ||
            !piece->declaration.n_declarators)
            continue;
        const struct span *at = &piece->declaration.declarators[0].name;
        if (at->size == strlen(name) && !memcmp(piece->text + at->start, name, at->size))
            return i;
    }
    return SIZE_MAX;
}

static bool add_forward(struct piece *piece, size_t definition)
{
    for (size_t i = 0; i < piece->n_forward; i++)
        if (piece->forward[i] == definition)
            return false;
    piece->forward =
        must_realloc(piece->forward, piece->n_forward + 1, sizeof(*piece->forward));
    piece->forward[piece->n_forward++] = definition;
    return true;
}

bool forward_declare(struct draft *draft)
{
    bool is_new = false;
    for (size_t i = 0; i < draft->n_diagnostics; i++) {
        const struct diagnostic *at = &draft->diagnostics[i];
        CLEANUP(freep)
        char *name = at->severity == SEVERITY_ERROR ? unknown_name(at->message) : NULL;
        if (!name)
            continue;
        size_t user = piece_at(draft, at), definition = piece_that_defines(draft, name);
        if (user < definition && definition != SIZE_MAX)
            is_new |= add_forward(&draft->pieces[user], definition);
    }
    return is_new;
}

/* All functions defined further on that its text mentions. */
static bool forward_mentioned(struct draft *draft, size_t index)
{
    struct piece *piece = &draft->pieces[index];
    struct lexer lexer = lexer_init(piece->text, piece->size);
    bool is_new = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return is_new;
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        CLEANUP(freep) char *name = must_strndup(token.text, token.size);
        size_t definition = piece_that_defines(draft, name);
        if (definition != SIZE_MAX && definition > index)
            is_new |= add_forward(piece, definition);
    }
}

bool forward_declare_again(struct draft *draft)
{
    bool is_new = false;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        CLEANUP(freep)
        char *name = piece->origin && piece->why_broken && !piece->is_broken
                         ? unknown_name(piece->why_broken)
                         : NULL;
        if (name)
            is_new |= forward_mentioned(draft, i);
    }
    for (size_t i = 0; is_new && i < draft->n_pieces; i++) {
        struct piece *piece =
            &draft->pieces[i]; /* perhaps only for want of a prototype */
        if (piece->origin && !piece->is_broken) {
            free(piece->why_broken);
            piece->why_broken = NULL;
        }
    }
    return is_new;
}

void forward_text(const struct draft *draft, const struct piece *piece, bool with_static,
                  struct buffer *out)
{
    for (size_t i = 0; i < piece->n_forward; i++) {
        const struct piece *to = &draft->pieces[piece->forward[i]];
        piece_line(out, to, to->line);
        if (with_static && to->declaration.is_static)
            buffer_add_string(out, "static ");
        declarator_text(to->text, &to->declaration, &to->declaration.declarators[0], out);
        buffer_add_char(out, '\n');
    }
}
