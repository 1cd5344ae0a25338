/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Units of the optimised tier: what is compiled together. For the tier's own files. */
#ifndef ACHAR_SESSION_TIER_UNIT_H
#define ACHAR_SESSION_TIER_UNIT_H

#include "kernel/session/tier_function.h"

/* Gives the compiler a unit of functions that wait; false when none does. */
bool tier_unit_make(struct tier *tier, const struct tier_context *context);

#endif
