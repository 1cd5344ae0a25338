/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/tcc_helper.h"

#include <string.h>

#include "pickler/code/machine.h"

void *tcc_helper(const char *name)
{
    for (const struct machine_helper *at = machine_helpers; at->name; at++)
        if (!strcmp(at->name, name))
            return at->address;
    return NULL;
}
