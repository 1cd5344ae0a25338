/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pieces as ordinary C: declarations at file scope as they stand, runs of statements
 * and the value each in a function, every piece behind its own #line and at its own
 * column. */
#include "kernel/unit/sheet.h"

#include <errno.h>
#include <string.h>

#include "kernel/unit/prologue.h"
#include "pickler/graph/own_header.h"

static void place(struct buffer *out, const struct piece *piece)
{
    piece_line(out, piece, piece->line);
    buffer_format(out, "%*s", (int)(piece->column - 1), "");
}

/* Between its braces. */
static void blank_body(const struct piece *piece, char *text)
{
    const struct span *body = &piece->declaration.body;
    for (size_t i = body->start + 1; i + 1 < body->start + body->size; i++)
        if (text[i] != '\n')
            text[i] = ' ';
}

static void add_text(struct buffer *out, struct piece *piece)
{
    if (piece->before)
        buffer_add_string(out, piece->before);
    place(out, piece);
    piece->sheet_start = out->size;
    if (piece->is_include)
        own_header_add(out, piece->text, piece->size);
    else
        buffer_add(out, piece->text, piece->size);
    if (piece->is_opaque)
        blank_body(piece, out->data + piece->sheet_start);
    buffer_add_char(out, '\n');
    if (piece->after)
        buffer_add_string(out, piece->after);
}

static void add_directive(struct draft *draft, struct buffer *out, struct piece *piece)
{
    if (piece_is_directive(piece, "define")) {
        struct span name = piece_macro_name(piece);
        buffer_format(out, "#undef %.*s\n", (int)name.size, piece->text + name.start);
    }
    if (!piece->is_include || draft->is_full)
        add_text(out, piece);
    else
        piece->sheet_start = out->size;
}

static void add_items(struct draft *draft, struct buffer *out)
{
    bool is_open = false;
    draft->n_wrappers = 0;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        if (is_open && (piece->kind != ITEM_STATEMENT || piece->n_forward)) {
            buffer_add_string(out, ";}\n");
            is_open = false;
        }
        if (piece->is_broken) {
            piece->sheet_start = out->size;
            continue;
        }
        forward_text(draft, piece, true, out);
        if (piece->kind == ITEM_DIRECTIVE) {
            add_directive(draft, out, piece);
            continue;
        }
        if (piece->kind == ITEM_STATEMENT && !is_open) {
            buffer_format(out, "void " SHEET_RUN "%zu(void) {\n", draft->n_wrappers++);
            is_open = true;
        }
        if (piece->kind == ITEM_STATEMENT)
            piece->run = draft->n_wrappers - 1;
        if (piece->kind == ITEM_VALUE)
            buffer_add_string(out, "void " SHEET_VALUE "(void) { (void)(\n");
        add_text(out, piece);
        if (piece->kind == ITEM_VALUE)
            buffer_add_string(out, ");}\n");
    }
    if (is_open)
        buffer_add_string(out, ";}\n");
}

int sheet_build(struct draft *draft, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer items = {0};
    add_items(draft, &items);
    CLEANUP(buffer_clear) struct buffer reached = {0};
    buffer_add(&reached, buffer_string(&items), items.size);
    for (size_t i = 0; i < draft->n_pieces; i++) /* what is not parsed is compiled */
        if (draft->pieces[i].is_opaque)
            buffer_add(&reached, draft->pieces[i].text, draft->pieces[i].size);
    int r = draft->is_full
                ? 1
                : prologue_minimal(draft, buffer_string(&reached), reached.size, err);
    if (r < 0)
        return r;
    if (r > 0) {
        if (!draft->is_full) { /* the #include lines come back */
            draft->is_full = true;
            items.size = 0;
            add_items(draft, &items);
        }
        prologue_full(draft);
    }
    if (draft->prologue.size + items.size > SHEET_SIZE_MAX)
        return error_set(err, -E2BIG, "the cell is too large");
    draft->sheet.size = 0;
    buffer_add(&draft->sheet, buffer_string(&draft->prologue), draft->prologue.size);
    buffer_add_char(&draft->sheet, '\n');
    draft->items_start = draft->sheet.size;
    buffer_add(&draft->sheet, buffer_string(&items), items.size);
    for (size_t i = 0; i < draft->n_pieces; i++)
        draft->pieces[i].sheet_start += draft->items_start;
    return 0;
}

struct piece *sheet_piece(const struct draft *draft, size_t offset, size_t *ret_offset)
{
    size_t low = 0, high = draft->n_pieces;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (draft->pieces[middle].sheet_start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    struct piece *piece = &draft->pieces[low - 1];
    if (offset > piece->sheet_start + piece->size || piece->is_broken ||
        (piece->is_include && !draft->is_full))
        return NULL;
    *ret_offset = offset - piece->sheet_start;
    return piece;
}
