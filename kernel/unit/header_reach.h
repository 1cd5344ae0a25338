/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The closure of a text over headers and session. Two kinds of mention: as code (of the
 * cell, of a macro's body, of a session definition) a name may be a macro; inside the
 * macro-free text of a header it only means what is declared. */
#ifndef ACHAR_UNIT_HEADER_REACH_H
#define ACHAR_UNIT_HEADER_REACH_H

#include "kernel/unit/header_set.h"

struct number_list {
    uint32_t *items;
    size_t n, capacity;
};

struct reach {
    struct headers *headers;
    struct header_index *index;
    struct header_marks *marks;
    const struct graph *graph;
    const struct name_ids *hidden; /* full names ("struct point"); or NULL */
    struct name_ids
        seen; /* names that no header knows: 1 as itself, 2 as a tag, 3 both */
    struct number_list mentions;       /* of header text, still to be followed */
    struct number_list chunks, macros; /* reached, from headers */
    struct number_list
        definitions; /* reached ids, from the session; all before `done` followed */
    size_t macros_done, definitions_done;
    unsigned char *has_definition; /* by id */
    bool pastes;
};

void reach_clear(struct reach *reach);
/* Adds the text's mentions; reach_all() then follows them until nothing new is reached.
 */
void reach_text(struct reach *reach, const char *text, size_t size);
void reach_definition(struct reach *reach, const struct definition *definition);
void reach_all(struct reach *reach);

void number_list_add(struct number_list *list, uint32_t item);

#endif
