/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MADV_COLLAPSE (Linux 6.1) of what /proc/self/pagemap says is all there and shared with
 * the checkpoint, thus not written to since it was made. A write to a huge page that is
 * shared takes it apart again: each time such a range is left alone for longer. */
#include "kernel/worker/huge_pages.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pickler/base/clock.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGE ((uintptr_t)4096)
#define HUGE ((uintptr_t)2 << 20)
#define REST_MS 5        /* without a request: then somebody may be thinking */
#define GROWN_BYTES HUGE /* since the last round ... */
#define ROUND_FORKS 64   /* ... or so many forks: there may be something to do */
#define LOOKS_MAX 4096   /* ranges of a round */
#define STEP_LOOKS 512   /* ... and of a step */
#define RANGES 1024      /* that are remembered, by a hash of their start */
#define LATER_FORKS 16   /* until a range is moved again, and each time 4 times as long */
#define TRIES_MAX 6
#define SLOW_US 10000 /* the system has no huge pages at hand */
#define IS_PRESENT (1ull << 63)
#define IS_FILE (1ull << 61)
#define IS_EXCLUSIVE (1ull << 56)

/* Global: pages belong to the process. */
static struct {
    bool is_due, is_off;
    uint64_t bytes; /* at the last round */
    unsigned n_forks, round_fork;
    unsigned n_looks;
    uintptr_t next; /* where the next step goes on */
    struct range {
        uintptr_t start;
        unsigned tries, due_fork;
    } ranges[RANGES];
} huge;

void huge_pages_begin(uint64_t bytes)
{
    huge.n_forks++;
    if (huge.is_off || huge.is_due || bytes < HUGE)
        return;
    if (bytes < huge.bytes)
        huge.bytes = bytes;
    if (bytes - huge.bytes < GROWN_BYTES && huge.n_forks - huge.round_fork < ROUND_FORKS)
        return;
    huge.is_due = true;
    huge.bytes = bytes;
    huge.round_fork = huge.n_forks;
    huge.next = 0;
    huge.n_looks = 0;
}

int huge_pages_rest(void)
{
    return huge.is_due ? REST_MS : -1;
}

static bool is_its_turn(uintptr_t start)
{
    const struct range *range = &huge.ranges[start / HUGE % RANGES];
    return range->start != start ||
           (range->tries < TRIES_MAX && (int)(huge.n_forks - range->due_fork) >= 0);
}

static void remember(uintptr_t start)
{
    struct range *range = &huge.ranges[start / HUGE % RANGES];
    if (range->start != start)
        *range = (struct range){.start = start};
    range->due_fork = huge.n_forks + (LATER_FORKS << 2 * range->tries);
    range->tries++;
}

static bool is_resting(int fd, uintptr_t start)
{
    uint64_t entries[HUGE / PAGE];
    off_t at = (off_t)(start / PAGE * sizeof(*entries));
    /* most of a large mapping may never have been used */
    if (pread(fd, entries, sizeof(*entries), at) != sizeof(*entries) ||
        !(entries[0] & IS_PRESENT))
        return false;
    if (pread(fd, entries, sizeof(entries), at) != (ssize_t)sizeof(entries))
        return false;
    for (size_t i = 0; i < HUGE / PAGE; i++)
        if ((entries[i] & (IS_PRESENT | IS_FILE | IS_EXCLUSIVE)) != IS_PRESENT)
            return false;
    return true;
}

static void collapse(uintptr_t start)
{
    int64_t began = clock_us();
    remember(start);
    int r = madvise((void *)start, HUGE, MADV_COLLAPSE);
    huge.is_off = r < 0 || clock_us() - began > SLOW_US;
}

/* True when the step is over: something was moved, or enough was looked at. */
static bool look_at(int fd, uintptr_t start, uintptr_t end)
{
    start = (start + HUGE - 1) & ~(HUGE - 1);
    for (; start + HUGE <= end; start += HUGE) {
        huge.next = start + HUGE;
        if (++huge.n_looks % STEP_LOOKS == 0)
            return true;
        if (!is_its_turn(start) || !is_resting(fd, start))
            continue;
        collapse(start);
        return true;
    }
    return false;
}

/* Data without a file behind it, as malloc() and mmap() give it. */
static bool is_data(const char *line, uintptr_t *ret_start, uintptr_t *ret_end)
{
    unsigned long start, end;
    char rights[8] = "";
    int behind = 0;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, rights, &behind) != 3 ||
        strcmp(rights, "rw-p") != 0)
        return false;
    *ret_start = start > huge.next ? start : huge.next;
    *ret_end = end;
    return !line[behind] || !strncmp(line + behind, "[heap]", 6);
}

void huge_pages_step(void)
{
    char line[512];
    bool is_over = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    while (maps && fd >= 0 && !is_over && fgets(line, sizeof(line), maps)) {
        uintptr_t start, end;
        if (is_data(line, &start, &end) && start < end)
            is_over = look_at(fd, start, end);
    }
    if (!is_over || huge.is_off || huge.n_looks >= LOOKS_MAX)
        huge.is_due = false;
    if (fd >= 0)
        close(fd);
    if (maps)
        fclose(maps);
}
