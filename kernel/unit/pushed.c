/* SPDX-License-Identifier: BSD-3-Clause
 *
 * #pragma pop_macro("M") brings M back to what it was at the push_macro("M") before it:
 * within a cell such a line becomes the #define or #undef that says so, as the session
 * knows macros by these. */
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"

/* The name between the quotes of `#pragma WORD("NAME")`; size 0: it is another line. */
static struct span pragma_name(const struct piece *piece, const char *word)
{
    if (!piece_is_directive(piece, "pragma"))
        return (struct span){0};
    const char *at = strstr(piece->text, word);
    const char *start = at ? strchr(at, '"') : NULL;
    size_t size = start ? strcspn(start + 1, "\"\n") : 0;
    return size && start[1 + size] == '"'
               ? (struct span){(size_t)(start + 1 - piece->text), size}
               : (struct span){0};
}

static bool is_about(const struct piece *piece, struct span span, const char *name)
{
    return span.size == strlen(name) &&
           !memcmp(piece->text + span.start, name, span.size);
}

/* Owned line that makes `name` what it is before a piece; NULL: a header may define it.
 */
static char *meaning_at(const struct draft *draft, size_t piece, const char *name)
{
    while (piece-- > 0) {
        const struct piece *at = &draft->pieces[piece];
        bool is_macro =
            piece_is_directive(at, "define") || piece_is_directive(at, "undef");
        if (is_macro && is_about(at, piece_macro_name(at), name))
            return must_strndup(at->text, at->size);
    }
    const struct definition *now = graph_current(draft->analysis->graph, name);
    return now && now->kind == DEFINITION_MACRO ? must_strdup(now->source) : NULL;
}

/* The piece of the push that a pop belongs to, which is taken; SIZE_MAX: there is none in
 * the cell. */
static size_t take_push(const struct draft *draft, bool *is_taken, size_t pop,
                        const char *name)
{
    for (size_t i = pop; i-- > 0;) {
        const struct piece *at = &draft->pieces[i];
        if (is_taken[i] || !is_about(at, pragma_name(at, "push_macro"), name))
            continue;
        is_taken[i] = true;
        return i;
    }
    return SIZE_MAX;
}

static void join_lines(char *text)
{
    for (char *at = text; (at = strstr(at, "\\\n")); at += 2)
        at[0] = at[1] = ' ';
}

/* By the first line of a text, which is taken. */
static void replace(struct piece *piece, char *line)
{
    size_t size = strcspn(line, "\n");
    line[size] = '\0';
    free(piece->text);
    piece->text = line;
    piece->size = size;
}

void pieces_pop_macros(struct draft *draft)
{
    CLEANUP(freep) bool *is_taken = must_alloc(draft->n_pieces + 1);
    for (size_t i = 0; i < draft->n_pieces; i++) {
        struct piece *piece = &draft->pieces[i];
        struct span span = pragma_name(piece, "pop_macro");
        if (!span.size)
            continue;
        CLEANUP(freep) char *name = must_strndup(piece->text + span.start, span.size);
        size_t push = take_push(draft, is_taken, i, name);
        char *line = push == SIZE_MAX ? NULL : meaning_at(draft, push, name);
        if (push == SIZE_MAX ||
            (!line && headers_is_visible(draft->analysis->headers, name, strlen(name))))
            continue;
        if (!line)
            line = must_format("#undef %s", name);
        join_lines(line);
        replace(piece, line);
    }
}
