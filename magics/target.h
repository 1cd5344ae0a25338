/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a magic stores what came back: an lvalue of the session, or a new variable when
 * the name is not taken. */
#ifndef ACHAR_MAGICS_TARGET_H
#define ACHAR_MAGICS_TARGET_H

#include "magics/context.h"

/* Plans the user's text alone, after a larger expression made of it was refused: when the
 * text is what is wrong, the result becomes that error, and true is returned. */
bool target_explain(struct magic_context *context, const char *text,
                    struct result *result);

/* The type in which a value of `type` must come home so that the place can take it:
 * numbers are converted as by C's assignment. 0 when it cannot, which is told in the
 * result. */
uint32_t target_type(struct magic_context *context, const char *lvalue,
                     const struct session_place *place, const char *expression,
                     uint32_t type, struct result *result);

/* Finds `lvalue`, or defines it as a variable of `type` (an array of `count` elements
 * when count > 0). `pointer_format` makes a pointer expression of it: "&(%s)" or
 * "&(%s)[0]". False after a mistake, told in the result; a negative *ret_error is one of
 * the world. */
bool target_place(struct magic_context *context, const char *lvalue, uint32_t type,
                  uint64_t count, struct session_place *ret, struct result *result,
                  int *ret_error, struct error *err);

#endif
