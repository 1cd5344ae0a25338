/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The long way to say what stands before a cell: every #include line of the session and
 * every definition that is current. Used where the index of headers cannot serve. */
#ifndef ACHAR_UNIT_PROLOGUE_H
#define ACHAR_UNIT_PROLOGUE_H

#include "kernel/unit/draft.h"

/* Fills draft->prologue and draft->used. */
void prologue_full(struct draft *draft);
/* Indexes the includes of the session and of the entities found so far. */
int prologue_index(struct draft *draft, struct error *err) MUST_USE;
/* The same by the index: only what `text` reaches. 1: only prologue_full() will do. */
int prologue_minimal(struct draft *draft, const char *text, size_t size,
                     struct error *err) MUST_USE;

#endif
