/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The body of a program's function from a cell: plan->body_text. */
#ifndef ACHAR_UNIT_EXPORT_H
#define ACHAR_UNIT_EXPORT_H

#include "kernel/unit/draft.h"
#include "kernel/unit/value.h"

void export_statement(struct buffer *out, const struct piece *piece);
void export_value(struct buffer *out, const struct value *value,
                  const struct piece *piece);
/* "#undef NAME", before a #define too: the macro may have been another. */
void export_macro(struct buffer *out, const struct piece *piece);
void export_initialiser(struct buffer *out, const struct entity *entity);

#endif
