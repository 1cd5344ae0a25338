/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls of achar_show(), which display(expression) of <achar.h> expands to. */
#ifndef ACHAR_UNIT_SHOWN_H
#define ACHAR_UNIT_SHOWN_H

#include "kernel/unit/draft.h"

#define SHOWN_FUNCTION "achar_show"

/* The type of the expression that is displayed, and its site (display_site()) for each
 * line that the call may be compiled with. False: its type has no name at file scope. */
bool shown_describe(struct draft *draft, CXCursor call, uint32_t *ret_type,
                    uint32_t ret_sites[2]) MUST_USE;

#endif
