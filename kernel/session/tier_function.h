/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tier knows of each function; for its own files. */
#ifndef ACHAR_SESSION_TIER_FUNCTION_H
#define ACHAR_SESSION_TIER_FUNCTION_H

#include "kernel/session/tier.h"

void tier_function_clear(struct tier_function *function);
/* It waits, and others are no longer valid. */
struct tier_function *tier_function_add(struct tier *tier, const char *name);
/* The last one takes its place. */
void tier_function_remove(struct tier *tier, struct tier_function *function);
void tier_function_set(struct tier *tier, struct tier_function *function,
                       enum tier_state state);
void tier_function_refuse(struct tier *tier, struct tier_function *function,
                          const char *why);
/* The definition may be compiled in. */
bool tier_function_needs(const struct tier_function *function, uint32_t id);

#endif
