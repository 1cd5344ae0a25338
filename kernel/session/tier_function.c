/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/tier_function.h"

#include <string.h>

#include "pickler/base/clock.h"

void tier_function_clear(struct tier_function *function)
{
    free(function->name);
    free(function->why);
    free(function->needs);
}

void tier_function_set(struct tier *tier, struct tier_function *function,
                       enum tier_state state)
{
    tier->n_state[function->state]--;
    tier->n_state[state]++;
    function->state = state;
    if (state != TIER_REFUSED) {
        free(function->why);
        function->why = NULL;
    }
    if (state == TIER_WAITING && !tier->waiting_since)
        tier->waiting_since = clock_ms();
}

struct tier_function *tier_find(const struct tier *tier, const char *name)
{
    for (size_t i = 0; i < tier->n_functions; i++)
        if (strcmp(tier->functions[i].name, name) == 0)
            return &tier->functions[i];
    return NULL;
}

struct tier_function *tier_function_add(struct tier *tier, const char *name)
{
    GROW(tier->functions, tier->n_functions, tier->functions_capacity);
    struct tier_function *function = &tier->functions[tier->n_functions++];
    *function = (struct tier_function){.name = must_strdup(name)};
    tier->n_state[TIER_WAITING]++;
    return function;
}

void tier_function_remove(struct tier *tier, struct tier_function *function)
{
    tier->n_state[function->state]--;
    tier_function_clear(function);
    *function = tier->functions[--tier->n_functions];
}

bool tier_function_needs(const struct tier_function *function, uint32_t id)
{
    for (size_t i = 0; i < function->n_needs; i++)
        if (function->needs[i] == id)
            return true;
    return false;
}

void tier_function_refuse(struct tier *tier, struct tier_function *function,
                          const char *why)
{
    tier_function_set(tier, function, TIER_REFUSED);
    free(function->why);
    function->why = must_strdup(why ? why : "no reason given");
}
