/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All writable memory is made read-only for the first task. A page that is written to
 * faults once: it is copied, made writable, and from then on put back after every task,
 * so tasks that write the same few pages cost a copy of those and no system call. See
 * Documentation/admin-guide/syscall-user-dispatch.rst of Linux.
 *
 * While memory is protected, system calls of our own must not have the kernel write to
 * it (it would answer EFAULT): only to what was written to before by the program. */
#include "kernel/worker/renewal.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "kernel/worker/heap_scratch.h"

#define SYS_USER_DISPATCH_CODE 2 /* of a newer header */
#define SYSCALL_SIZE 2           /* bytes of the instruction */
#define RESTORER 0x04000000UL    /* SA_RESTORER of the kernel */

#define PAGE ((uintptr_t)4096)
#define REGIONS_MAX 256
#define MAPS_MAX (64u << 10)
#define STACK_SIZE (32u << 10)
#define STACK_GROWTH ((uintptr_t)1 << 30)
#define RSEQ_BYTES 32u
#define PAGES_FEW                                                                        \
    64               /* looking at them costs less than faults of those that come back   \
                      */
#define CLEAN_MAX 64 /* tasks in a row that left a page as it was */
#define CLEAN_FEW_MAX 2000
#define HOT_TASKS 16
#define SPOILED_MAX 8 /* job workers that took one task only, before it is given up */
#define PAGES_SPOILED_MAX 2 /* as well, because of what the tasks wrote */

struct region { /* writable private memory */
    uintptr_t start, end;
    int rights;
    bool is_stack;
};

struct page { /* written to since the snapshot */
    uintptr_t start;
    char *copy; /* what it held then */
};

/* Memory of our own, no part of the snapshot. */
struct scratch {
    volatile char
        is_blocked; /* the kernel reads it: system calls of the task are signals */
    volatile char is_spoiled; /* a task has made one, or something failed */
    unsigned n_tasks;
    unsigned n_clean[RENEWAL_PAGES_MAX]; /* tasks since each page was written to */
    char maps[MAPS_MAX];
    _Alignas(16) char stack[STACK_SIZE];   /* that of the tasks is put back as well */
    _Alignas(16) char signals[STACK_SIZE]; /* where the worker has none for signals */
    struct heap_scratch heap;
};

/* Shared by the job workers of one zygote. */
struct experience {
    volatile unsigned n_renewed, n_spoiled, n_too_many;
};

/* As the scratch, and read-only while tasks run: no stray pointer of a task reaches what
 * the next one starts from. */
struct renewal {
    bool is_taken; /* there is a snapshot */
    struct scratch *scratch;
    uintptr_t kept_start, kept_end; /* the caller's, no part of it either */
    stack_t signals;
    uintptr_t rseq;     /* the kernel writes to it; 0: not */
    unsigned mxcsr;     /* rounding and exceptions, of SSE ... */
    unsigned short x87; /* ... and of the old unit */
    struct sigaction on_fault;
    sigjmp_buf start;
    struct region regions[REGIONS_MAX];
    size_t n_regions;
    struct page pages[RENEWAL_PAGES_MAX];
    size_t n_pages;
    _Alignas(4096) char copies[RENEWAL_PAGES_MAX][PAGE];
};

static struct renewal *renewal;
static struct experience *experience;

/* The one place from where the kernel lets system calls pass: a handler's return. */
void renewal_return(void);
__asm__(".pushsection .text\n.globl renewal_return\n.type renewal_return, @function\n"
        ".hidden renewal_return\nrenewal_return:\n\tmov $15, %eax\n\tsyscall\n\tud2\n"
        ".size renewal_return, .-renewal_return\n.popsection");
#define RETURN_SIZE 9UL

struct kernel_action { /* rt_sigaction(2) takes this */
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static bool set_handler(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct kernel_action action = {.handler = handler,
                                   .flags =
                                       SA_SIGINFO | SA_ONSTACK | SA_NODEFER | RESTORER,
                                   .restorer = renewal_return,
                                   .mask = ~UINT64_C(0)};
    return syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(action.mask)) == 0;
}

/* From here on it is a process as any other, and takes no other task. */
static void spoil(struct renewal *r)
{
    r->scratch->is_blocked = false;
    r->scratch->is_spoiled = true;
    heap_scratch_close();
    if (!r->is_taken)
        return;
    sigaction(SIGSEGV, &r->on_fault, NULL);
    for (size_t i = 0; i < r->n_regions; i++) {
        const struct region *at = &r->regions[i];
        size_t size = at->end - at->start;
        /* With what it has grown by since; in one call, which may not part the two. */
        if (at->is_stack &&
            mprotect((void *)at->start, size, at->rights | PROT_GROWSDOWN) == 0)
            continue;
        if (mprotect((void *)at->start, size, at->rights) < 0)
            _exit(1);
    }
}

/* The system call is made again, unwatched. */
static void on_syscall(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    if (info->si_code != SYS_USER_DISPATCH_CODE) {
        signal(signal_number, SIG_DFL); /* a filter of somebody else's */
        raise(signal_number);
        return;
    }
    spoil(renewal);
    at->uc_mcontext.gregs[REG_RIP] -= SYSCALL_SIZE;
}

static const struct region *find_region(const struct renewal *r, uintptr_t address)
{
    for (size_t i = 0; i < r->n_regions; i++)
        if (address >= r->regions[i].start && address < r->regions[i].end)
            return &r->regions[i];
    return NULL;
}

static bool is_stack_growth(const struct renewal *r, uintptr_t address)
{
    for (size_t i = 0; i < r->n_regions; i++)
        if (r->regions[i].is_stack && address < r->regions[i].start &&
            address >= r->regions[i].start - STACK_GROWTH)
            return true;
    return false;
}

static bool is_open(const struct renewal *r, uintptr_t page)
{
    for (size_t i = 0; i < r->n_pages; i++)
        if (r->pages[i].start == page)
            return true;
    return false;
}

static bool set_rights(struct renewal *r, int rights)
{
    return mprotect(r, sizeof(*r), rights) == 0;
}

/* The page can be written to and will be put back; false when that cannot be had. */
static bool open_page(struct renewal *r, const struct region *region, uintptr_t page)
{
    if (r->n_pages == RENEWAL_PAGES_MAX || !set_rights(r, PROT_READ | PROT_WRITE))
        return false;
    struct page *at = &r->pages[r->n_pages];
    at->start = page;
    if (!at->copy)
        at->copy = r->copies[r->n_pages];
    r->scratch->n_clean[r->n_pages] = 0;
    memcpy(at->copy, (const void *)page, PAGE);
    bool is_done = mprotect((void *)page, PAGE, region->rights) == 0;
    r->n_pages += is_done;
    return set_rights(r, PROT_READ) && is_done;
}

static void on_write(int signal_number, siginfo_t *info, void *context)
{
    struct renewal *r = renewal;
    uintptr_t address = (uintptr_t)info->si_addr, page = address & ~(PAGE - 1);
    char was_blocked = r->scratch->is_blocked;
    r->scratch->is_blocked = false;
    bool is_denied = info->si_code == SEGV_ACCERR;
    const struct region *region = is_denied ? find_region(r, address) : NULL;
    bool is_ours = region ? !is_open(r, page) : is_denied && is_stack_growth(r, address);
    if (region && is_ours && open_page(r, region, page)) {
        r->scratch->is_blocked = was_blocked;
        return;
    }
    if (is_ours)
        experience->n_too_many++;
    spoil(r);
    /* A fault of the task's own happens again, one that was sent does not. */
    if (info->si_code <= 0 && r->on_fault.sa_flags & SA_SIGINFO)
        r->on_fault.sa_sigaction(signal_number, info, context);
    else if (info->si_code <= 0)
        raise(signal_number);
}

bool renewal_is_supported(void)
{
    if (!experience) {
        void *shared =
            mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        experience = shared == MAP_FAILED ? NULL : shared;
    }
    static volatile char is_blocked;
    bool is_supported =
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &is_blocked) == 0;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L);
    return experience && is_supported;
}

bool renewal_is_worth_it(void)
{
    return experience->n_too_many <= PAGES_SPOILED_MAX + experience->n_renewed / 8 &&
           experience->n_spoiled <= SPOILED_MAX + experience->n_renewed / 2;
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

/* The kernel writes the number of the processor there, whenever it changes. */
static uintptr_t rseq_area(void)
{
    uintptr_t thread; /* its descriptor */
    __asm__("mov %%fs:0, %0" : "=r"(thread));
    return __rseq_size ? thread + (uintptr_t)__rseq_offset : 0;
}

/* Handlers run on a stack that is not protected. */
static bool find_signal_stack(struct renewal *r)
{
    if (sigaltstack(NULL, &r->signals) < 0)
        return false;
    if (!(r->signals.ss_flags & SS_DISABLE))
        return true;
    r->signals = (stack_t){.ss_sp = r->scratch->signals, .ss_size = STACK_SIZE};
    return sigaltstack(&r->signals, NULL) == 0;
}

bool renewal_prepare(const void *kept, size_t kept_size)
{
    struct renewal *r = map_apart(sizeof(*r));
    struct scratch *scratch = map_apart(sizeof(*scratch));
    if (!r || !scratch)
        return false;
    r->scratch = scratch;
    r->kept_start = (uintptr_t)kept;
    r->kept_end = (uintptr_t)kept + kept_size;
    r->rseq = rseq_area();
    heap_scratch_init(&scratch->heap);
    if (!find_signal_stack(r) || sigaction(SIGSEGV, NULL, &r->on_fault) < 0 ||
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, renewal_return,
              RETURN_SIZE, &scratch->is_blocked) < 0)
        return false;
    renewal = r;
    return set_handler(SIGSYS, on_syscall);
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

static bool overlaps(const struct region *region, uintptr_t start, uintptr_t end)
{
    return region->start < end && start < region->end;
}

/* Ours, or not to be protected. */
static bool is_apart(const struct renewal *r, const struct region *region)
{
    uintptr_t signals = (uintptr_t)r->signals.ss_sp, shared = (uintptr_t)experience;
    return overlaps(region, (uintptr_t)r, (uintptr_t)(r + 1)) ||
           overlaps(region, (uintptr_t)r->scratch, (uintptr_t)(r->scratch + 1)) ||
           overlaps(region, r->kept_start, r->kept_end) ||
           overlaps(region, shared, shared + PAGE) ||
           overlaps(region, signals, signals + 1);
}

/* The signal stack may share a line with other memory. */
static bool add_around_signals(struct renewal *r, struct region region)
{
    uintptr_t start = (uintptr_t)r->signals.ss_sp & ~(PAGE - 1);
    uintptr_t end =
        ((uintptr_t)r->signals.ss_sp + r->signals.ss_size + PAGE - 1) & ~(PAGE - 1);
    if (r->n_regions + 2 > REGIONS_MAX)
        return false;
    if (region.start < start)
        r->regions[r->n_regions++] =
            (struct region){region.start, start, region.rights, false};
    if (region.end > end)
        r->regions[r->n_regions++] =
            (struct region){end, region.end, region.rights, false};
    return true;
}

/* A line of /proc/self/maps (proc(5)): "start-end rwxp offset device inode path". */
static bool add_region(struct renewal *r, const char *line, const char *line_end)
{
    struct region region = {.start = read_hex(&line)};
    line++;
    region.end = read_hex(&line);
    const char *rights = line + 1;
    if (rights[1] != 'w')
        return true;
    region.rights = PROT_WRITE | (rights[0] == 'r' ? PROT_READ : 0) |
                    (rights[2] == 'x' ? PROT_EXEC : 0);
    region.is_stack = line_end - line > 7 && memcmp(line_end - 7, "[stack]", 7) == 0;
    uintptr_t signals = (uintptr_t)r->signals.ss_sp;
    if (rights[3] == 'p' && overlaps(&region, signals, signals + 1) &&
        !overlaps(&region, (uintptr_t)r->scratch, (uintptr_t)(r->scratch + 1)))
        return add_around_signals(r, region);
    if (is_apart(r, &region))
        return true;
    if (rights[0] != 'r' || rights[3] != 'p' || r->n_regions == REGIONS_MAX)
        return false;
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
        const char *end = strchr(line, '\n');
        if (!end || !add_region(r, line, end))
            return false;
        line = end + 1;
    }
    return n == 0 && r->n_regions > 0;
}

static bool make_read_only(const struct region *region, uintptr_t start, uintptr_t end)
{
    return start >= end ||
           mprotect((void *)start, end - start, region->rights & ~PROT_WRITE) == 0;
}

/* All but the page that the kernel writes to at any time. */
static bool protect(struct renewal *r)
{
    uintptr_t open = r->rseq & ~(PAGE - 1);
    for (size_t i = 0; i < r->n_regions; i++) {
        const struct region *at = &r->regions[i];
        bool has_open = open >= at->start && open < at->end;
        if (!make_read_only(at, at->start, has_open ? open : at->end) ||
            (has_open && !make_read_only(at, open + PAGE, at->end)))
            return false;
    }
    return true;
}

/* While memory is being protected the stack, this function's too, is written to: the
 * handler must work by then. */
__attribute__((noinline)) void renewal_snapshot(void)
{
    struct renewal *r = renewal;
    r->mxcsr = __builtin_ia32_stmxcsr();
    __asm__ volatile("fnstcw %0" : "=m"(r->x87));
    if (!find_regions(r) || !set_handler(SIGSEGV, on_write))
        return;
    r->is_taken = true;
    const struct region *region = find_region(r, r->rseq);
    bool is_ready = !r->rseq || (region && open_page(r, region, r->rseq & ~(PAGE - 1)));
    if (!is_ready || !set_rights(r, PROT_READ) || !protect(r))
        spoil(r);
}

bool renewal_is_possible(void)
{
    const struct renewal *r = renewal;
    if (!r || !r->is_taken)
        return false;
    if (r->scratch->is_spoiled)
        experience->n_spoiled++;
    else
        experience->n_renewed++;
    return !r->scratch->is_spoiled;
}

/* What the kernel keeps there is its own; a task has no critical section left. */
static void put_back_around_rseq(const struct renewal *r, const struct page *page)
{
    size_t at = r->rseq - page->start, behind = at + RSEQ_BYTES;
    memcpy((void *)page->start, page->copy, at);
    memcpy((void *)(page->start + behind), page->copy + behind, PAGE - behind);
    *(volatile uint64_t *)(r->rseq + offsetof(struct rseq, rseq_cs)) = 0;
}

/* A page that no task has written to for long is protected again. */
static bool close_page(struct renewal *r, size_t i)
{
    const struct page page = r->pages[i];
    const struct region *region = find_region(r, page.start);
    if (!set_rights(r, PROT_READ | PROT_WRITE) ||
        !make_read_only(region, page.start, page.start + PAGE))
        return false;
    r->pages[i] = r->pages[--r->n_pages];
    r->pages[r->n_pages] = page; /* its copy is used again */
    r->scratch->n_clean[i] = r->scratch->n_clean[r->n_pages];
    return set_rights(r, PROT_READ);
}

/* By the C library's copy, which is faster than what compilers make of a constant size.
 */
static void copy_page(void *to, const void *from)
{
    size_t size = PAGE;
    __asm__("" : "+r"(size));
    memcpy(to, from, size);
}

static bool put_page_back(struct renewal *r, size_t i)
{
    const struct page *page = &r->pages[i];
    if (page->start == (r->rseq & ~(PAGE - 1))) {
        put_back_around_rseq(r, page);
        return true;
    }
    /* One that is always written to is seldom compared. */
    bool is_hot = !r->scratch->n_clean[i] && (r->scratch->n_tasks + i) % HOT_TASKS;
    if (!is_hot && memcmp((const void *)page->start, page->copy, PAGE) == 0)
        return ++r->scratch->n_clean[i] <
                   (r->n_pages <= PAGES_FEW ? CLEAN_FEW_MAX : CLEAN_MAX) ||
               close_page(r, i);
    copy_page((void *)page->start, page->copy);
    r->scratch->n_clean[i] = 0;
    return true;
}

/* On the stack of our own. */
static _Noreturn void put_all_back(void)
{
    struct renewal *r = renewal;
    r->scratch->n_tasks++;
    heap_scratch_clear();
    for (size_t i = r->n_pages; i > 0; i--)
        if (!put_page_back(r, i - 1))
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
