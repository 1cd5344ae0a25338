/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the session's cells have run, as statements for a program: the bodies of functions
 * and the ids of what they define and refer to, by where their text stood. */
#ifndef ACHAR_SESSION_TRANSCRIPT_H
#define ACHAR_SESSION_TRANSCRIPT_H

#include "kernel/plan/plan.h"
#include "pickler/base/texts.h"
#include "pickler/graph/graph.h"

#define TRANSCRIPT_MAX (16u << 20) /* bytes; the oldest parts are forgotten first */
#define TRANSCRIPT_PARTS_MAX 2000

void transcript_init(struct texts *transcript);
/* Keeps of a plan that is about to run what may be asked for: its body_text, "" when it
 * only defines. */
void transcript_add(struct texts *transcript, const struct plan *plan);
/* What has been redefined is referred to by its newest version; macros are not, and are
 * appended to *ret, owned: they must stay. */
void transcript_follow(struct texts *transcript, const struct graph *graph,
                       uint32_t **ret, size_t *ret_n);
/* What a cell has run no longer counts. */
void transcript_forget_cell(struct texts *transcript, uint32_t cell);

#endif
