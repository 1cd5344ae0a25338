/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/cpus.h"

#include <stdlib.h>

static bool read_number(const char **at, unsigned long *ret)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    *ret = strtoul(*at, &end, 10);
    *at = end;
    return *ret < CPU_SETSIZE;
}

bool cpus_read(const char *text, cpu_set_t *ret)
{
    cpu_set_t ours, wanted;
    CPU_ZERO(&wanted);
    for (;;) {
        unsigned long first, last;
        if (!read_number(&text, &first))
            return false;
        last = first;
        if (*text == '-' && (text++, !read_number(&text, &last)))
            return false;
        for (unsigned long i = first; i <= last; i++)
            CPU_SET(i, &wanted);
        if (!*text)
            break;
        if (*text++ != ',')
            return false;
    }
    if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
        return false;
    CPU_AND(ret, &wanted, &ours);
    return CPU_COUNT(ret) > 0;
}
