/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The #include lines of a cell: those in branches of #if that are taken are indexed
 * before the cell is cut, because they declare its types. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/unit/prologue.h"
#include "kernel/unit/sheet.h"

/* True when the header that the text quotes is the one of this line. */
static bool names_header(const struct piece *piece, const char *text)
{
    const char *quote = strchr(text, '\'');
    size_t n = quote ? strcspn(quote + 1, "'") : 0;
    return n && memmem(piece->text, piece->size, quote + 1, n);
}

/* A header that is missing or does not compile is the person's mistake. */
void includes_report(struct draft *draft, const struct error *why)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (draft->pieces[i].is_include && names_header(&draft->pieces[i], why->text)) {
            diagnostic_in_piece(draft, SEVERITY_ERROR, &draft->pieces[i], 0, "%s",
                                why->text);
            return;
        }
    diagnostic_add(draft, SEVERITY_ERROR, 0, 0, 0, "%s", why->text);
}

static enum CXChildVisitResult found_mark(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    struct draft *draft = data;
    CLEANUP(freep) char *name = cursor_name(cursor);
    size_t number = 0;
    if (sscanf(name, SHEET_MARK "%zu", &number) == 1 && number < draft->n_pieces)
        draft->pieces[number].is_active = true;
    return CXChildVisit_Continue;
}

/* Which includes are in branches of #if that are taken: the directives alone decide, with
 * the macros of the session. */
static int skip_includes(struct draft *draft, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        piece->is_active = !piece->is_include;
        if (piece->is_include)
            buffer_format(&text, "extern int " SHEET_MARK "%zu;\n", i);
        else if (!piece_is_directive(piece, "error") &&
                 !piece_is_directive(piece, "warning"))
            buffer_format(&text, "%s\n", piece->text);
    }
    int r = prologue_minimal(draft, buffer_string(&text), text.size, err);
    if (r < 0)
        return r;
    buffer_add_char(&draft->prologue, '\n');
    buffer_add(&draft->prologue, buffer_string(&text), text.size);
    r = analysis_parse(draft->analysis, buffer_string(&draft->prologue),
                       draft->prologue.size, true, err);
    if (r < 0)
        return r;
    clang_visitChildren(clang_getTranslationUnitCursor(draft->analysis->unit), found_mark,
                        draft);
    for (size_t i = 0; i < draft->n_pieces; i++) {
        if (draft->pieces[i].is_active)
            continue;
        GROW(draft->skipped, draft->n_skipped, draft->skipped_capacity);
        draft->skipped[draft->n_skipped++] = draft->pieces[i].line;
    }
    return 0;
}

static bool has_conditional_include(const struct draft *draft)
{
    bool has_condition = false, has_include = false;
    for (size_t i = 0; i < draft->n_pieces; i++) {
        has_condition |= piece_is_directive(&draft->pieces[i], "endif");
        has_include |= draft->pieces[i].is_include;
    }
    return has_condition && has_include;
}

/* A header that is missing or broken is reported by a diagnostic. */
int includes_index(struct draft *draft, struct error *err)
{
    struct error why = {0};
    pieces_find_directives(draft);
    if (has_conditional_include(draft)) {
        int r = skip_includes(draft, err);
        if (r < 0)
            return r;
    }
    entities_from_directives(draft);
    int r = prologue_index(draft, &why);
    if (r == -ENOENT || r == -EINVAL)
        includes_report(draft, &why);
    else if (r < 0)
        return error_set(err, r, "%s", why.text);
    entities_clear(draft);
    pieces_clear(draft);
    return 0;
}
