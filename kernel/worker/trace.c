/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/trace.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "pickler/code/tcc_helper.h"

#define ALLOCA_SIZE 48 /* bytes of libtcc1's alloca() */

extern void __register_frame(void *description);
extern const char __executable_start[], etext[]; /* the linker's */

static struct {
    const char *low, *high;
} library; /* code of the C library; of the process, set once */

/* Call back into cells, or hold nothing: leaving them at any time loses at most memory.
 */
static const char *const leavable[] = {
    "qsort",   "qsort_r",      "bsearch",   "lfind",    "lsearch",    "twalk",
    "strlen",  "strnlen",      "strcpy",    "strncpy",  "stpcpy",     "stpncpy",
    "strcat",  "strncat",      "strcmp",    "strncmp",  "strcasecmp", "strncasecmp",
    "strcoll", "strchr",       "strchrnul", "strrchr",  "strstr",     "strcasestr",
    "strpbrk", "strspn",       "strcspn",   "strtok",   "strtok_r",   "strsep",
    "memcpy",  "mempcpy",      "memmove",   "memset",   "memcmp",     "memchr",
    "memrchr", "rawmemchr",    "memmem",    "memccpy",  "bcopy",      "bzero",
    "bcmp",    "atoi",         "atol",      "atoll",    "atof",       "strtol",
    "strtoll", "strtoul",      "strtoull",  "strtod",   "strtof",     "strtold",
    "wcslen",  "wcscpy",       "wcsncpy",   "wcscat",   "wcscmp",     "wcsncmp",
    "wcschr",  "wcsrchr",      "wcsstr",    "wmemcpy",  "wmemmove",   "wmemset",
    "wmemcmp", "wmemchr",      "mbstowcs",  "wcstombs", "sin",        "cos",
    "tan",     "asin",         "acos",      "atan",     "atan2",      "sinh",
    "cosh",    "tanh",         "exp",       "exp2",     "expm1",      "log",
    "log2",    "log10",        "log1p",     "pow",      "sqrt",       "cbrt",
    "hypot",   "fmod",         "floor",     "ceil",     "round",      "trunc",
    "erf",     "tgamma",       "lgamma",    "raise",    "kill",       "killpg",
    "tgkill",  "pthread_kill", "sigqueue",  "exit"};

/* Wait in the kernel and hold no lock of the C library meanwhile; those of threads leave
 * handlers behind that put things right (release.h). */
static const char *const blocking[] = {"read",
                                       "write",
                                       "pread",
                                       "pwrite",
                                       "readv",
                                       "writev",
                                       "nanosleep",
                                       "clock_nanosleep",
                                       "usleep",
                                       "sleep",
                                       "thrd_sleep",
                                       "poll",
                                       "ppoll",
                                       "select",
                                       "pselect",
                                       "wait",
                                       "wait3",
                                       "wait4",
                                       "waitpid",
                                       "waitid",
                                       "pause",
                                       "sigsuspend",
                                       "sigwait",
                                       "sigwaitinfo",
                                       "sigtimedwait",
                                       "epoll_wait",
                                       "epoll_pwait",
                                       "recv",
                                       "recvfrom",
                                       "recvmsg",
                                       "send",
                                       "sendto",
                                       "sendmsg",
                                       "accept",
                                       "accept4",
                                       "connect",
                                       "flock",
                                       "syscall",
                                       "pthread_join",
                                       "thrd_join",
                                       "pthread_timedjoin_np",
                                       "pthread_clockjoin_np",
                                       "pthread_mutex_lock",
                                       "pthread_mutex_timedlock",
                                       "mtx_lock",
                                       "pthread_cond_wait",
                                       "pthread_cond_timedwait",
                                       "cnd_wait",
                                       "cnd_timedwait",
                                       "sem_wait",
                                       "sem_timedwait"};

/* Read what the cell handed over and write into a stream's buffer, whole at every step;
 * the locks of stdout and stderr are released after the jump. */
static const char *const formatting[] = {
    "printf",        "vprintf",        "fprintf",        "vfprintf",
    "sprintf",       "vsprintf",       "snprintf",       "vsnprintf",
    "dprintf",       "vdprintf",       "puts",           "fputs",
    "putchar",       "putc",           "fputc",          "fwrite",
    "scanf",         "fscanf",         "vscanf",         "vfscanf",
    "sscanf",        "vsscanf",        "strftime",       "perror",
    "wprintf",       "fwprintf",       "swprintf",       "fputws",
    "__printf_chk",  "__fprintf_chk",  "__sprintf_chk",  "__snprintf_chk",
    "__vprintf_chk", "__vfprintf_chk", "__vsnprintf_chk"};

#define IS_LISTED(list, name) is_listed(list, sizeof(list) / sizeof(*list), name)

static bool is_listed(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i], name))
            return true;
    return false;
}

/* A CIE and an FDE (DWARF 4, section 6.4.1) for [start, start + size): every function
 * saves rbp and keeps rbp - 16 = CFA. */
static void describe(unsigned char *out, uint64_t start, uint64_t size)
{
    static const unsigned char cie[24] = {20,   0, 0,    0,    0,  0,    0, 0,
                                          1,    0, 1,    0x78, 16, 0x0c, 6, 16,
                                          0x86, 2, 0x90, 1,    0,  0,    0, 0};
    uint32_t length = 24, back = 28;
    memcpy(out, cie, sizeof(cie));
    memcpy(out + 24, &length, 4);
    memcpy(out + 28, &back, 4);
    memcpy(out + 32, &start, 8);
    memcpy(out + 40, &size, 8);
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *argument)
{
    ++*(int *)argument;
    return _URC_NO_REASON;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *context)
{
    if (!strstr(info->dlpi_name, "libc.so"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *at = &info->dlpi_phdr[i];
        if (at->p_type != PT_LOAD || !(at->p_flags & PF_X))
            continue;
        library.low = (const char *)(info->dlpi_addr + at->p_vaddr);
        library.high = library.low + at->p_memsz;
    }
    return 1;
}

bool trace_is_worthwhile(const struct names *names, const ucontext_t *context)
{
    const char *ip = (const char *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    return arena_has_code(names->arena, ip) || (ip >= library.low && ip < library.high);
}

void trace_init(const struct arena *arena)
{
    dl_iterate_phdr(find_libc, NULL);
    static unsigned char description[64] __attribute__((aligned(8))); /* kept for ever */
    const struct arena_region *code = &arena->parts[ARENA_CODE];
    describe(description, (uint64_t)(uintptr_t)code->start, code->size);
    __register_frame(description);
    int n = 0;
    _Unwind_Backtrace(count_frame, &n); /* what it allocates once, it allocates now */
}

struct walk {
    const struct names *names;
    const void *base;
    struct trace *trace;
    const void *start; /* frames are skipped until this address; NULL: our own */
    bool has_started, is_complete;
    bool is_moved; /* the first address is a return address already */
    size_t n_frames;
    bool
        in_library; /* a run of library frames, of which the outermost is not yet known */
    bool is_innermost;
    const void *outer_ip; /* of the run's outermost frame so far */
};

static struct trace_frame *add_frame(struct walk *walk)
{
    struct trace *trace = walk->trace;
    size_t n = walk->n_frames++;
    if (n < TRACE_FRAMES_MAX) {
        trace->n = n + 1;
    } else { /* the place of the oldest of the outer ones */
        size_t n_outer = TRACE_FRAMES_MAX - TRACE_INNER_MAX;
        trace->n_left_out++;
        n = TRACE_INNER_MAX + (n - TRACE_INNER_MAX) % n_outer;
    }
    trace->frames[n] = (struct trace_frame){0};
    return &trace->frames[n];
}

static void add_cell_frame(struct walk *walk, const char *ip, bool is_return)
{
    const struct unit *unit = names_unit(walk->names, ip - is_return);
    if (!unit)
        return; /* a trampoline */
    struct trace_frame *frame = add_frame(walk);
    if (!names_code(walk->names, ip - is_return, frame->function,
                    sizeof(frame->function)))
        snprintf(frame->function, sizeof(frame->function), "?");
    const struct line_entry *entry = lines_find(&unit->lines, ip - is_return);
    if (entry) {
        frame->cell = entry->cell;
        frame->line = entry->cell ? entry->line : 0;
    }
}

/* "__isoc99_sscanf" is what a header calls sscanf. */
static const char *plain_name(const char *name)
{
    bool is_versioned =
        name && (!strncmp(name, "__isoc99_", 9) || !strncmp(name, "__isoc23_", 9));
    return is_versioned ? name + 9 : name;
}

static const char *exported_name(const void *ip)
{
    Dl_info about;
    return dladdr(ip, &about) ? about.dli_sname : NULL;
}

/* The run of library frames ends at a cell's frame: `return_address` lies behind the call
 * that started it, `sp` is the cell's stack pointer there. */
static void end_library(struct walk *walk, const char *return_address, void **sp)
{
    const char *name = names_called(walk->names, return_address);
    if (!name)
        name = exported_name(walk->outer_ip);
    name = plain_name(name);
    snprintf(add_frame(walk)->function, TRACE_NAME_MAX, "%s", name ? name : "(library)");
    walk->in_library = false;
    if (name && IS_LISTED(leavable, name))
        return;
    struct trace *trace = walk->trace;
    bool is_innermost = walk->is_innermost;
    if (!is_innermost)
        trace->is_safe_behind = false;
    else if (sp[-1] == (const void *)return_address)
        trace->return_slot = sp - 1;
    if (!is_innermost || !name || !IS_LISTED(blocking, name))
        trace->is_safe_to_interrupt = false;
    if (!is_innermost || !name || !IS_LISTED(formatting, name))
        trace->is_safe_to_leave = false;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int is_exact = 0;
    const char *ip = (const char *)_Unwind_GetIPInfo(context, &is_exact);
    bool is_cell = arena_has_code(walk->names->arena, ip);
    bool is_own = ip >= __executable_start && ip < etext;
    if (!walk->has_started && (walk->start ? ip != walk->start : is_own))
        return _URC_NO_REASON;
    walk->has_started = true;
    /* what libgcc calls the CFA here is the stack pointer of this frame */
    if ((uintptr_t)_Unwind_GetCFA(context) >= (uintptr_t)walk->base) {
        walk->is_complete = true;
        return _URC_END_OF_STACK;
    }
    if (is_cell) {
        if (walk->in_library)
            end_library(walk, ip, (void **)_Unwind_GetCFA(context));
        walk->is_innermost = false;
        add_cell_frame(walk, ip, !is_exact || walk->is_moved);
        walk->is_moved = false;
        return _URC_NO_REASON;
    }
    walk->in_library = true;
    walk->outer_ip = ip;
    return _URC_NO_REASON;
}

/* The outermost frames stand in a ring: brings them in order. */
static void unroll(struct trace *trace)
{
    size_t n_outer = TRACE_FRAMES_MAX - TRACE_INNER_MAX;
    size_t shift = trace->n_left_out % n_outer;
    struct trace_frame *outer = &trace->frames[TRACE_INNER_MAX];
    for (size_t i = 0; i < shift; i++) {
        struct trace_frame first = outer[0];
        memmove(outer, outer + 1, (n_outer - 1) * sizeof(*outer));
        outer[n_outer - 1] = first;
    }
    if (trace->n_left_out)
        snprintf(outer[0].function, TRACE_NAME_MAX, "(%zu calls left out)",
                 trace->n_left_out + 1);
    if (trace->n_left_out)
        outer[0].cell = outer[0].line = 0;
}

void trace_set_safe(struct trace *trace, bool is_safe)
{
    trace->is_safe_to_interrupt = trace->is_safe_to_leave = trace->is_safe_behind =
        is_safe;
}

static void finish(struct walk *walk)
{
    struct trace *trace = walk->trace;
    if (walk->base == (const void *)UINTPTR_MAX && walk->n_frames)
        snprintf(add_frame(walk)->function, TRACE_NAME_MAX, "(thread)");
    /* in_library: it does not end in a cell, but in a callback of another kind */
    if (walk->in_library || !walk->is_complete)
        trace_set_safe(trace, false);
    unroll(trace);
}

static const char *word_at(greg_t address)
{
    const char *value;
    memcpy(&value, (const void *)(uintptr_t)address, sizeof(value));
    return value;
}

/* A function that has not pushed rbp yet (or popped it again) is not described by the
 * FDE: it is recorded and the context moved to its caller. The same for a call of an
 * address where there is no code. */
static void step_out(struct walk *walk, ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;
    const unsigned char *ip = (const unsigned char *)(uintptr_t)registers[REG_RIP];
    const struct unit *unit = names_unit(walk->names, ip);
    Dl_info about;
    greg_t skipped = -1;
    const unsigned char *alloca_code = tcc_helper("alloca");
    if ((size_t)(ip - alloca_code) < ALLOCA_SIZE &&
        arena_has_code(walk->names->arena, (const void *)(uintptr_t)registers[REG_RDX])) {
        registers[REG_RIP] = registers[REG_RDX]; /* it keeps its return address there */
        walk->is_moved = true;
        return;
    }
    if (unit) {
        const struct image_symbol *symbol = image_symbol_at(unit->image, ip);
        const unsigned char *start =
            symbol ? (const unsigned char *)symbol->address : NULL;
        if (*ip == 0xc3 || (start == ip && *ip == 0x55))
            skipped = 0; /* ret, or before push %rbp */
        else if (start && ip == start + 1 && *start == 0x55)
            skipped = 8; /* between push %rbp and mov %rsp, %rbp */
    } else if (!arena_has_code(walk->names->arena, ip) && !dladdr(ip, &about) &&
               arena_has_code(walk->names->arena, word_at(registers[REG_RSP]))) {
        skipped = 0;
    }
    if (skipped < 0)
        return;
    if (unit)
        add_cell_frame(walk, (const char *)ip, false);
    walk->is_moved = true;
    walk->is_innermost = false;
    registers[REG_RIP] = (greg_t)(uintptr_t)word_at(registers[REG_RSP] + skipped);
    registers[REG_RSP] += skipped + 8;
}

bool trace_is_smashed(const struct names *names, const ucontext_t *context)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    const char *ip = (const char *)(uintptr_t)registers[REG_RIP];
    if (arena_has_code(names->arena, ip))
        return *(const unsigned char *)ip == 0xc3; /* ret, to what is no address */
    Dl_info about;
    /* a call has just pushed an address of code, a return has just popped its own */
    return !dladdr(ip, &about) && word_at(registers[REG_RSP] - 8) == ip &&
           !arena_has_code(names->arena, word_at(registers[REG_RSP]));
}

static void reset(struct trace *trace)
{
    trace->n = trace->n_left_out = 0;
    trace->return_slot = NULL;
    trace_set_safe(trace, true);
}

void trace_take(const struct names *names, ucontext_t *context, const void *base,
                struct trace *ret, struct trace_saved *saved)
{
    greg_t *registers = context->uc_mcontext.gregs;
    struct walk walk = {.names = names, .base = base, .trace = ret, .is_innermost = true};
    *saved = (struct trace_saved){registers[REG_RIP], registers[REG_RSP]};
    reset(ret);
    step_out(&walk, context);
    walk.start = (const void *)(uintptr_t)registers[REG_RIP];
    _Unwind_Backtrace(visit, &walk);
    finish(&walk);
}

void trace_restore(ucontext_t *context, const struct trace_saved *saved)
{
    context->uc_mcontext.gregs[REG_RIP] = saved->ip;
    context->uc_mcontext.gregs[REG_RSP] = saved->sp;
}

void trace_take_here(const struct names *names, const void *base, struct trace *ret)
{
    struct walk walk = {.names = names, .base = base, .trace = ret};
    reset(ret);
    _Unwind_Backtrace(visit, &walk);
    finish(&walk);
}
