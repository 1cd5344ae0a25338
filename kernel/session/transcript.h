/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the session's cells have run, as statements for a program: the bodies of functions
 * and what they refer to, by where their text stood. */
#ifndef ACHAR_SESSION_TRANSCRIPT_H
#define ACHAR_SESSION_TRANSCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/plan/plan.h"
#include "pickler/graph/graph.h"

#define TRANSCRIPT_MAX (32u << 20) /* bytes; the oldest parts are forgotten first */
#define TRANSCRIPT_PARTS_MAX 5000

struct transcript_part {
    uint32_t cell, line;
    char *text;     /* plan->body_text; "" when it only defines */
    uint32_t *refs; /* ids of what it defines and refers to */
    size_t n_refs;
};

struct transcript {
    struct transcript_part *at;
    size_t n, capacity, size;
};

void transcript_clear(struct transcript *transcript);
/* Keeps of a plan that is about to run what may be asked for. */
void transcript_add(struct transcript *transcript, const struct plan *plan);
/* What has been redefined is referred to by its newest version; macros are not, and are
 * appended to *ret, owned: they must stay. */
void transcript_follow(struct transcript *transcript, const struct graph *graph,
                       uint32_t **ret, size_t *ret_n);
/* What a cell has run no longer counts. */
void transcript_forget_cell(struct transcript *transcript, uint32_t cell);
/* The newest part that stood there, borrowed; NULL: nothing did. */
const struct transcript_part *transcript_find(const struct transcript *transcript,
                                              uint32_t cell, uint32_t line);

#endif
