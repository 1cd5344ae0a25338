/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell laid out as ordinary C for libclang. */
#ifndef ACHAR_UNIT_SHEET_H
#define ACHAR_UNIT_SHEET_H

#include "kernel/unit/draft.h"

#define SHEET_SIZE_MAX (64u << 20)
#define SHEET_RUN "achar_statements_"  /* functions round statements: + number */
#define SHEET_VALUE "achar_expression" /* the function round the value */

/* Asks headers and graph for what the pieces mention and lays everything out. */
int sheet_build(struct draft *draft, struct error *err) MUST_USE;
/* The piece that a sheet offset is in and the offset in it; NULL: elsewhere. */
struct piece *sheet_piece(const struct draft *draft, size_t offset, size_t *ret_offset);

#endif
