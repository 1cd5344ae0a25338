/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A page that was written to since the last fork is no longer shared with another
 * process, as the kernel tells in /proc/self/pagemap. Pages that are copied here look the
 * same, so after every sixteenth fork nothing is copied, and what is found then counts
 * from then on. */
#include "kernel/worker/hot_pages.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((uintptr_t)4096)
#define REGIONS_MAX 64
#define REGION_PAGES_MAX 4096 /* of one region that are looked at */
#define RUNS_MAX 512
#define PAGES_MAX 1024 /* that are copied */
#define CHUNK 512      /* pages asked for at once */
#define LEARN_EVERY 16 /* forks */
#define IS_PRESENT (1ull << 63)
#define IS_FILE (1ull << 61)
#define IS_EXCLUSIVE (1ull << 56)

struct run {
    uintptr_t start, end;
};

/* Global: pages belong to the process. */
static struct {
    unsigned n_forks;
    int fd; /* /proc/self/pagemap is that of the process that has opened it */
    uintptr_t heap;
    struct run stack;
    struct run runs[RUNS_MAX];
    size_t n_runs, n_pages;
} hot;

void hot_pages_init(void)
{
    char line[512];
    FILE *file = fopen("/proc/self/maps", "re");
    while (file && fgets(line, sizeof(line), file)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) != 2)
            continue;
        if (strstr(line, "[heap]"))
            hot.heap = start;
        if (strstr(line, "[stack]"))
            hot.stack = (struct run){start, end};
    }
    if (file)
        fclose(file);
}

static void add_page(uintptr_t page)
{
    struct run *last = hot.n_runs ? &hot.runs[hot.n_runs - 1] : NULL;
    if (hot.n_pages == PAGES_MAX || (hot.n_runs == RUNS_MAX && last->end != page))
        return;
    if (last && last->end == page)
        last->end += PAGE;
    else
        hot.runs[hot.n_runs++] = (struct run){page, page + PAGE};
    hot.n_pages++;
}

static void look_at(uintptr_t start, uintptr_t end)
{
    uint64_t entries[CHUNK];
    start &= ~(PAGE - 1);
    if (end > start + REGION_PAGES_MAX * PAGE)
        end = start + REGION_PAGES_MAX * PAGE;
    while (start < end) {
        size_t n = (end - start + PAGE - 1) / PAGE;
        if (n > CHUNK)
            n = CHUNK;
        ssize_t size = pread(hot.fd, entries, n * sizeof(*entries),
                             (off_t)(start / PAGE * sizeof(*entries)));
        if (size <= 0)
            return;
        for (size_t i = 0; i < (size_t)size / sizeof(*entries); i++)
            if ((entries[i] & (IS_PRESENT | IS_EXCLUSIVE | IS_FILE)) ==
                (IS_PRESENT | IS_EXCLUSIVE))
                add_page(start + i * PAGE);
        start += (size_t)size / sizeof(*entries) * PAGE;
    }
}

/* Where the writable part of a segment begins: the rest is read-only since relocation. */
static uintptr_t skip_relocated(const struct dl_phdr_info *info, uintptr_t start,
                                uintptr_t end)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *at = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + at->p_vaddr;
        if (at->p_type == PT_GNU_RELRO && low >= start && low < end)
            return (low + at->p_memsz) & ~(PAGE - 1);
    }
    return start;
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *context)
{
    size_t *n = context;
    for (int i = 0; i < info->dlpi_phnum && *n < REGIONS_MAX; i++) {
        const ElfW(Phdr) *at = &info->dlpi_phdr[i];
        if (at->p_type != PT_LOAD || !(at->p_flags & PF_W))
            continue;
        uintptr_t start = info->dlpi_addr + at->p_vaddr;
        look_at(skip_relocated(info, start, start + at->p_memsz), start + at->p_memsz);
        ++*n;
    }
    return 0;
}

void hot_pages_find(void)
{
    size_t n = 0;
    char here;
    if (hot.n_forks++ % LEARN_EVERY != 1)
        return;
    hot.n_runs = hot.n_pages = 0;
    hot.fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (hot.fd < 0)
        return;
    dl_iterate_phdr(look_at_object, &n);
    if (hot.heap)
        look_at(hot.heap, (uintptr_t)sbrk(0));
    uintptr_t stack = (uintptr_t)&here;
    if (stack >= hot.stack.start && stack < hot.stack.end)
        look_at(stack - 16 * PAGE, hot.stack.end);
    close(hot.fd);
}

/* Without the call (Linux 5.14) the pages are copied when they are written to. */
void hot_pages_copy(void)
{
    bool is_learning = hot.n_forks % LEARN_EVERY == 1;
    for (size_t i = 0; i < hot.n_runs && !is_learning; i++)
        madvise((void *)hot.runs[i].start, hot.runs[i].end - hot.runs[i].start,
                MADV_POPULATE_WRITE);
}
