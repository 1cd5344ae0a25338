/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The #include lines of a cell are indexed before it is cut, because they declare its
 * types. */
#include <errno.h>
#include <string.h>

#include "kernel/unit/prologue.h"

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

/* A header that is missing or broken is reported by a diagnostic. */
int includes_index(struct draft *draft, struct error *err)
{
    struct error why = {0};
    pieces_find_directives(draft);
    entities_from_directives(draft);
    int r = prologue_index(draft, &why);
    if (r == -EINVAL) /* libtcc does not understand a header; libclang may */
        draft->is_full = true;
    else if (r == -ENOENT)
        includes_report(draft, &why);
    else if (r < 0)
        return error_set(err, r, "%s", why.text);
    entities_clear(draft);
    pieces_clear(draft);
    return 0;
}
