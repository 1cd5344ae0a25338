/* SPDX-License-Identifier: BSD-3-Clause
 *
 * See userfaultfd(2), ioctl PAGEMAP_SCAN in Documentation/admin-guide/mm/pagemap.rst and
 * Documentation/admin-guide/syscall-user-dispatch.rst of Linux. Pages stay writable once
 * they were written: those that every task writes cost no fault again. */
#include "kernel/worker/renewal.h"

#if defined(__x86_64__) && !defined(ACHAR_ASAN)

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Of newer headers than the oldest that this is built with. */
#define WP_UNPOPULATED (UINT64_C(1) << 13)
#define WP_ASYNC (UINT64_C(1) << 15)
#define USER_MODE_ONLY 1
#define SCAN_WP_MATCHING 1
#define PAGE_WPALLOWED 1
#define PAGE_WRITTEN 2
#define PAGE_PRESENT 8
#define PAGE_SWAPPED 16
#define SYS_USER_DISPATCH_CODE 2
#define SYSCALL_SIZE 2 /* bytes of the instruction */

struct scan_range {
    uint64_t start, end, categories;
};

struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan)

#define PAGE ((uintptr_t)4096)
#define HIGH_FD 100
#define REGIONS_MAX 256
#define RANGES_MAX 8192 /* more than pages that can be to put back */
#define MAPS_MAX (64u << 10)
#define STACK_SIZE (32u << 10)
#define RSEQ_SIZE_MIN 32u

struct region { /* writable private memory */
    uintptr_t start, end;
    bool is_file;
};

struct saved { /* contents at the snapshot */
    uintptr_t start, end;
    char *copy;
};

/* Memory of our own, no part of the snapshot. */
struct scratch {
    volatile char
        is_blocked; /* the kernel reads it: system calls of the task are signals */
    volatile char is_spoiled; /* a task has made one, or something failed */
    struct scan_range ranges[RANGES_MAX];
    char maps[MAPS_MAX];
    _Alignas(16) char stack[STACK_SIZE]; /* that of the tasks is put back as well */
};

/* As well, and read-only from the snapshot on: no stray pointer of a task reaches what
 * the next one starts from. */
struct renewal {
    bool is_taken; /* there is a snapshot */
    int pagemap, statm, userfault;
    uint64_t total_pages, resident_pages; /* at the snapshot */
    unsigned mxcsr;                       /* rounding and exceptions, of SSE ... */
    unsigned short x87;                   /* ... and of the old unit */
    sigjmp_buf start;
    struct region regions[REGIONS_MAX];
    size_t n_regions;
    struct saved saved[RANGES_MAX];
    size_t n_saved;
    struct scratch *scratch;
};

static struct renewal *renewal;

/* The system call is made again, unwatched: this process takes no other task. */
static void on_syscall(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    if (info->si_code != SYS_USER_DISPATCH_CODE) {
        signal(signal_number, SIG_DFL); /* a filter of somebody else's */
        raise(signal_number);
        return;
    }
    renewal->scratch->is_blocked = false;
    renewal->scratch->is_spoiled = true;
    at->uc_mcontext.gregs[REG_RIP] -= SYSCALL_SIZE;
}

static int high(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (fd >= 0)
        close(fd);
    return moved;
}

static int open_userfault(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY);
    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool renewal_is_supported(void)
{
    int fd = open_userfault();
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool open_files(struct renewal *r)
{
    r->pagemap = high(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    r->statm = high(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
    r->userfault = high(open_userfault());
    return r->pagemap >= 0 && r->statm >= 0 && r->userfault >= 0;
}

/* Memory that is a line of its own in /proc/self/maps: between pages without rights. */
static void *map_apart(size_t size)
{
    size = (size + PAGE - 1) & ~(PAGE - 1);
    char *all =
        mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all + PAGE, size, PROT_READ | PROT_WRITE) < 0)
        return NULL;
    return all + PAGE;
}

/* The kernel writes the number of the processor into the thread's memory, when it
 * changes: it is told to begin anew after that memory was put back. */
static bool set_rseq(bool is_on)
{
    uintptr_t area; /* the thread's descriptor, first */
    __asm__("mov %%fs:0, %0" : "=r"(area));
    area += (uintptr_t)__rseq_offset;
    unsigned size = (__rseq_size + RSEQ_SIZE_MIN - 1) / RSEQ_SIZE_MIN * RSEQ_SIZE_MIN;
    return !size ||
           syscall(SYS_rseq, area, size, is_on ? 0 : RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0;
}

bool renewal_prepare(void)
{
    struct renewal *r = map_apart(sizeof(*r));
    struct scratch *scratch = map_apart(sizeof(*scratch));
    struct sigaction action = {.sa_sigaction = on_syscall,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    if (!r || !scratch)
        return false;
    r->scratch = scratch;
    if (!open_files(r) || !set_rseq(false) || !set_rseq(true) ||
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L,
              &scratch->is_blocked) < 0)
        return false; /* what is open is closed with the process, after its one task */
    sigaction(SIGSYS, &action, NULL);
    renewal = r;
    return true;
}

sigjmp_buf *renewal_start(void)
{
    return &renewal->start;
}

void renewal_watch(void)
{
    /* Once spoiled, SIGSYS may be the task's business. */
    if (renewal && renewal->is_taken && !renewal->scratch->is_spoiled)
        renewal->scratch->is_blocked = true;
}

void renewal_unwatch(void)
{
    if (renewal)
        renewal->scratch->is_blocked = false;
}

/* Ranges of pages with the categories, in `ranges`; -1 when there are too many. */
static long scan(const struct renewal *r, uintptr_t start, uintptr_t end, uint64_t flags,
                 uint64_t all_of, uint64_t any_of)
{
    struct scan scan = {.size = sizeof(scan),
                        .flags = flags,
                        .start = start,
                        .end = end,
                        .category_mask = all_of,
                        .category_anyof_mask = any_of,
                        .return_mask = all_of | any_of};
    if (!flags) {
        scan.vec = (uintptr_t)r->scratch->ranges;
        scan.vec_len = RANGES_MAX;
    }
    long n = ioctl(r->pagemap, SCAN_IOCTL, &scan);
    return n >= 0 && scan.walk_end == end ? n : -1;
}

static uint64_t read_hex(const char **at)
{
    uint64_t value = 0;
    for (;; ++*at) {
        if (**at >= '0' && **at <= '9')
            value = value * 16 + (uint64_t)(**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            value = value * 16 + (uint64_t)(**at - 'a' + 10);
        else
            return value;
    }
}

/* A line of /proc/self/maps (proc(5)): "start-end rwxp offset device inode path". */
static bool add_region(struct renewal *r, const char *line)
{
    struct region region = {.start = read_hex(&line)};
    line++;
    region.end = read_hex(&line);
    const char *rights = line + 1;
    if (rights[1] != 'w' || region.start == (uintptr_t)r ||
        region.start == (uintptr_t)r->scratch)
        return true;
    if (rights[0] != 'r' || rights[3] != 'p' || r->n_regions == REGIONS_MAX)
        return false;
    line = strchr(rights + 5, ' '); /* behind the offset */
    line = line ? strchr(line + 1, ' ') : NULL;
    if (!line)
        return false;
    region.is_file = line[1] != '0';
    r->regions[r->n_regions++] = region;
    return true;
}

static bool find_regions(struct renewal *r)
{
    char *maps = r->scratch->maps;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t n = -1;
    while (fd >= 0 && size < MAPS_MAX - 1 &&
           (n = read(fd, maps + size, MAPS_MAX - 1 - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    maps[size] = '\0';
    for (const char *line = maps; *line;) {
        if (!add_region(r, line))
            return false;
        line = strchr(line, '\n');
        if (!line)
            return false;
        line++;
    }
    return n == 0 && r->n_regions > 0;
}

static bool add_saved(struct renewal *r, uintptr_t start, uintptr_t end, size_t *total)
{
    *total += end - start;
    if (r->n_saved == RANGES_MAX || *total > RENEWAL_BYTES_MAX)
        return false;
    r->saved[r->n_saved++] = (struct saved){.start = start, .end = end};
    return true;
}

/* What is there now: anonymous pages that exist, and all of private files. */
static bool find_contents(struct renewal *r, size_t *ret_total)
{
    *ret_total = 0;
    for (size_t i = 0; i < r->n_regions; i++) {
        const struct region *region = &r->regions[i];
        if (region->is_file) {
            if (!add_saved(r, region->start, region->end, ret_total))
                return false;
            continue;
        }
        long n = scan(r, region->start, region->end, 0, 0, PAGE_PRESENT | PAGE_SWAPPED);
        if (n < 0)
            return false;
        const struct scan_range *ranges = r->scratch->ranges;
        for (long k = 0; k < n; k++)
            if (!add_saved(r, ranges[k].start, ranges[k].end, ret_total))
                return false;
    }
    return true;
}

static bool copy_contents(struct renewal *r, size_t total)
{
    char *copy = mmap(NULL, total, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (copy == MAP_FAILED)
        return false;
    char *at = copy;
    for (size_t i = 0; i < r->n_saved; i++) {
        struct saved *saved = &r->saved[i];
        saved->copy = at;
        memcpy(at, (const void *)saved->start, saved->end - saved->start);
        at += saved->end - saved->start;
    }
    return mprotect(copy, total, PROT_READ) == 0;
}

static bool protect(struct renewal *r)
{
    for (size_t i = 0; i < r->n_regions; i++) {
        struct uffdio_register range = {
            .range = {r->regions[i].start, r->regions[i].end - r->regions[i].start},
            .mode = UFFDIO_REGISTER_MODE_WP};
        if (ioctl(r->userfault, UFFDIO_REGISTER, &range) < 0)
            return false;
    }
    /* Only what is there: page tables for all the address space would be made else. */
    for (size_t i = 0; i < r->n_saved; i++)
        if (scan(r, r->saved[i].start, r->saved[i].end, SCAN_WP_MATCHING,
                 PAGE_WPALLOWED | PAGE_WRITTEN, 0) < 0)
            return false;
    return true;
}

static uint64_t read_number(const char **at)
{
    uint64_t n = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        n = n * 10 + (uint64_t)(**at - '0');
    return n;
}

/* Of address space, and of memory; see proc(5). */
static bool count_pages(const struct renewal *r, uint64_t *ret_total,
                        uint64_t *ret_resident)
{
    char text[128];
    ssize_t size = pread(r->statm, text, sizeof(text) - 1, 0);
    if (size <= 0)
        return false;
    text[size] = '\0';
    const char *at = text;
    *ret_total = read_number(&at);
    at += *at == ' ';
    *ret_resident = read_number(&at);
    return true;
}

__attribute__((noinline)) void renewal_snapshot(void)
{
    struct renewal *r = renewal;
    size_t total;
    r->mxcsr = __builtin_ia32_stmxcsr();
    __asm__ volatile("fnstcw %0" : "=m"(r->x87));
    r->is_taken = find_regions(r) && find_contents(r, &total) &&
                  copy_contents(r, total) && protect(r) &&
                  count_pages(r, &r->total_pages, &r->resident_pages);
    mprotect(r, sizeof(*r), PROT_READ);
}

bool renewal_is_possible(void)
{
    const struct renewal *r = renewal;
    uint64_t total, resident;
    /* The task has mapped nothing; neither may what ran before and after it. */
    return r && r->is_taken && !r->scratch->is_spoiled &&
           count_pages(r, &total, &resident) && total == r->total_pages &&
           resident <= r->resident_pages + RENEWAL_PAGES_MAX;
}

/* The last saved range that starts at or before `address`. */
static size_t find_saved(const struct renewal *r, uintptr_t address)
{
    size_t low = 0, high_end = r->n_saved;
    while (low < high_end) {
        size_t middle = (low + high_end) / 2;
        if (r->saved[middle].start <= address)
            low = middle + 1;
        else
            high_end = middle;
    }
    return low ? low - 1 : 0;
}

/* Pages that were not there hold zeros. */
static void put_back(const struct renewal *r, uintptr_t start, uintptr_t end)
{
    size_t i = find_saved(r, start);
    while (start < end) {
        while (i < r->n_saved && r->saved[i].end <= start)
            i++;
        const struct saved *saved = i < r->n_saved ? &r->saved[i] : NULL;
        bool is_saved = saved && saved->start <= start;
        uintptr_t stop = !saved ? end : is_saved ? saved->end : saved->start;
        if (stop > end)
            stop = end;
        if (is_saved)
            memcpy((void *)start, saved->copy + (start - saved->start), stop - start);
        else
            memset((void *)start, 0, stop - start);
        start = stop;
    }
}

/* On the stack of our own. What is written behind the scan are those pages only, with
 * what they held. */
static _Noreturn void put_all_back(void)
{
    const struct renewal *r = renewal;
    const struct scan_range *ranges = r->scratch->ranges;
    long n = scan(r, 0, r->regions[r->n_regions - 1].end, 0,
                  PAGE_WPALLOWED | PAGE_WRITTEN, PAGE_PRESENT | PAGE_SWAPPED);
    if (n < 0 || !set_rseq(false))
        _exit(0);
    for (long i = 0; i < n; i++)
        put_back(r, ranges[i].start, ranges[i].end);
    if (!set_rseq(true))
        _exit(0);
    __builtin_ia32_ldmxcsr(r->mxcsr);
    __asm__ volatile("fninit; fldcw %0; push $2; popf" : : "m"(r->x87)); /* flags: none */
    siglongjmp((struct __jmp_buf_tag *)r->start, 1);
}

_Noreturn void renewal_restore(void)
{
    char *top = renewal->scratch->stack + STACK_SIZE;
    __asm__ volatile("mov %0, %%rsp\n\txor %%ebp, %%ebp\n\tcall *%1\n\tud2"
                     :
                     : "r"(top), "r"(put_all_back)
                     : "memory");
    __builtin_unreachable();
}

#else

#include <stdlib.h>

bool renewal_is_supported(void)
{
    return false;
}

bool renewal_prepare(void)
{
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

#endif
