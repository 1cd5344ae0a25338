/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a magic stores what came back: an lvalue of the session, or a new variable when
 * the name is not taken. */
#ifndef ACHAR_MAGICS_TARGET_H
#define ACHAR_MAGICS_TARGET_H

#include "magics/context.h"

/* Finds `lvalue`, or defines it as a variable of `type` (an array of `count` elements when
 * count > 0). `pointer_format` makes a pointer expression of it: "&(%s)" or "&(%s)[0]". False
 * after a mistake, told in the result; a negative *ret_error is one of the world. */
bool target_place(struct magic_context *context, const char *lvalue, uint32_t type,
                  uint64_t count, struct session_place *ret, struct result *result,
                  int *ret_error, struct error *err);

#endif
