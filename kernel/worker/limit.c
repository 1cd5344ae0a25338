/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/worker/heap.h"

#define OWN_ROOM (16u << 20) /* for what our code beside the task's needs */
#define NULL_PAGE 65536      /* addresses below are offsets from a null pointer */

/* Global, as the limits of a process are. */
static struct {
    uint64_t start; /* bytes of data of the process before any cell */
    uint64_t bytes; /* 0: none */
    uint64_t kept;  /* of limit_keep() */
} limit;

static uint64_t data_size(void)
{
    char line[256];
    unsigned long long size = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, "VmData:", 7))
            size = strtoull(line + 7, NULL, 10) * 1024;
    if (file)
        fclose(file);
    return size;
}

void limit_init(void)
{
    limit.start = data_size();
}

void limit_set(uint64_t bytes)
{
    limit.bytes = bytes;
}

static void set(rlim_t bytes)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_DATA, &now) < 0)
        return;
    now.rlim_cur = bytes < now.rlim_max ? bytes : now.rlim_max;
    setrlimit(RLIMIT_DATA, &now);
}

void limit_keep(uint64_t bytes)
{
    limit.kept = bytes;
    if (bytes)
        set(limit.start + bytes + OWN_ROOM);
}

void limit_begin(void)
{
    heap_forget_refusal();
    if (limit.bytes)
        set(limit.start + limit.bytes);
}

void limit_end(void)
{
    if (limit.bytes)
        set(RLIM_INFINITY);
}

bool limit_is_cause(const siginfo_t *info, char *text, size_t size, bool *ret_is_limit)
{
    size_t refused = heap_refusal();
    if (!refused || info->si_code <= 0 || (uintptr_t)info->si_addr >= NULL_PAGE)
        return false;
    *ret_is_limit = limit.bytes || limit.kept;
    if (limit.bytes)
        snprintf(
            text, size,
            "%zu bytes of memory were refused before, since %%limit memory is %.4g MB",
            refused, (double)limit.bytes / (1 << 20));
    else if (limit.kept)
        snprintf(text, size,
                 "%zu bytes of memory were refused before, since --memory=%gM is the "
                 "limit of a task",
                 refused, (double)limit.kept / (1 << 20));
    else
        snprintf(text, size, "%zu bytes of memory were refused before", refused);
    return true;
}
