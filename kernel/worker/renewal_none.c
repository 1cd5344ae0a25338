/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a process cannot be put back: on processors whose kernels do not give system
 * calls back to the process that makes them, and under AddressSanitizer, whose shadow is
 * memory as well. Every job worker then takes one task. */
#include "kernel/worker/renewal.h"

#include <stdlib.h>

bool renewal_is_supported(void)
{
    return false;
}

bool renewal_is_worth_it(void)
{
    return false;
}

bool renewal_prepare(const void *kept, size_t kept_size)
{
    (void)kept, (void)kept_size;
    return false;
}

sigjmp_buf *renewal_start(void)
{
    static sigjmp_buf unused;
    return &unused;
}

void renewal_snapshot(void)
{
}

void renewal_watch(void)
{
}

void renewal_unwatch(void)
{
}

bool renewal_is_possible(void)
{
    return false;
}

_Noreturn void renewal_restore(void)
{
    abort();
}
