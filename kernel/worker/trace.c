/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/trace.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

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
    const char *ip = registers_ip(context);
    return arena_has_code(names->arena, ip) || (ip >= library.low && ip < library.high);
}

void trace_init(const struct arena *arena)
{
    dl_iterate_phdr(find_libc, NULL);
    frames_init(arena);
}

struct walk {
    const struct names *names;
    const void *base;
    struct trace *trace;
    bool is_complete;
    bool is_moved; /* the first address is a return address already */
    size_t n_frames;
    bool
        in_library; /* a run of library frames, of which the outermost is not yet known */
    bool is_innermost;
    size_t n_run;   /* frames of the run so far */
    bool is_signal; /* a handler interrupted the run: its first frame is the system's */
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

static void set_place(struct trace_frame *frame, const struct lines *lines,
                      struct line_file in, uint32_t line)
{
    const char *file = lines_file_name(lines, in.file);
    frame->cell = in.cell;
    frame->line = in.cell || file ? line : 0;
    snprintf(frame->file, sizeof(frame->file), "%s", file ? file : "");
}

/* What was inlined has frames of its own, as if it had been called. */
static void add_cell_frame(struct walk *walk, const char *ip, bool is_return)
{
    const struct unit *unit = names_unit(walk->names, ip - is_return);
    const struct line_inlined *inlined[INLINED_DEPTH_MAX];
    if (!unit)
        return; /* a trampoline */
    const struct lines *lines = &unit->lines;
    const struct line_entry *entry = lines_find(lines, ip - is_return);
    size_t n = lines_inlined(lines, ip - is_return, inlined, INLINED_DEPTH_MAX);
    struct line_file in = {entry ? entry->cell : 0, entry ? entry->file : 0};
    uint32_t line = entry ? entry->line : 0;
    for (size_t i = 0; i < n; i++) {
        struct trace_frame *frame = add_frame(walk);
        names_plain(inlined[i]->name, frame->function, sizeof(frame->function));
        set_place(frame, lines, in, line);
        in = (struct line_file){inlined[i]->cell, inlined[i]->file};
        line = inlined[i]->line;
    }
    struct trace_frame *frame = add_frame(walk);
    if (!names_code(walk->names, ip - is_return, frame->function,
                    sizeof(frame->function)))
        snprintf(frame->function, sizeof(frame->function), "?");
    set_place(frame, lines, in, line);
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

/* The run of library frames ends at a cell's frame, behind the call that started it. */
static void end_library(struct walk *walk, const struct stack_frame *frame)
{
    const char *name = names_called(walk->names, frame->ip);
    if (!name)
        name = exported_name(walk->outer_ip);
    name = plain_name(name);
    snprintf(add_frame(walk)->function, TRACE_NAME_MAX, "%s", name ? name : "(library)");
    walk->in_library = false;
    if (name && IS_LISTED(leavable, name))
        return;
    struct trace *trace = walk->trace;
    bool is_innermost = walk->is_innermost || walk->is_signal;
    if (!walk->is_innermost)
        trace->is_safe_behind = false;
    else if (frame->slot && *frame->slot == (const void *)frame->ip)
        trace->return_slot = frame->slot;
    if (!is_innermost || !name || !IS_LISTED(blocking, name))
        trace->is_safe_to_interrupt = false;
    bool is_waiting = walk->is_signal && name && IS_LISTED(blocking, name);
    if (!is_waiting && (!is_innermost || !name || !IS_LISTED(formatting, name)))
        trace->is_safe_to_leave = false;
}

static bool visit(void *argument, const struct stack_frame *frame)
{
    struct walk *walk = argument;
    if ((uintptr_t)frame->sp >= (uintptr_t)walk->base) {
        walk->is_complete = true;
        return false;
    }
    if (arena_has_code(walk->names->arena, frame->ip)) {
        bool is_interrupted = walk->n_run == 1 && frame->is_exact;
        if (walk->in_library && !is_interrupted)
            end_library(walk, frame);
        walk->in_library = walk->is_innermost = walk->is_signal = false;
        walk->n_run = 0;
        add_cell_frame(walk, frame->ip, !frame->is_exact || walk->is_moved);
        walk->is_moved = false;
        return true;
    }
    walk->is_signal |= walk->n_run++ == 1 && frame->is_exact;
    walk->in_library = true;
    walk->outer_ip = frame->ip;
    return true;
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
        outer[0].cell = outer[0].line = *outer[0].file = 0;
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

/* What has no frame is recorded as it is, and the rest is walked from its caller. */
static void step_out(struct walk *walk, ucontext_t *context)
{
    const char *ip = registers_ip(context);
    if (!frames_step_out(walk->names, context))
        return;
    if (names_unit(walk->names, ip))
        add_cell_frame(walk, ip, false);
    walk->is_moved = true;
    walk->is_innermost = false;
}

static void reset(struct trace *trace)
{
    trace->n = trace->n_left_out = 0;
    trace->return_slot = NULL;
    trace_set_safe(trace, true);
}

void trace_take(const struct names *names, ucontext_t *context, const void *base,
                struct trace *ret, struct frames_saved *saved)
{
    struct walk walk = {.names = names, .base = base, .trace = ret, .is_innermost = true};
    *saved = frames_save(context);
    reset(ret);
    step_out(&walk, context);
    frames_walk(names->arena, context, visit, &walk);
    finish(&walk);
}

void trace_take_here(const struct names *names, const void *base, struct trace *ret)
{
    struct walk walk = {.names = names, .base = base, .trace = ret};
    reset(ret);
    frames_walk(names->arena, NULL, visit, &walk);
    finish(&walk);
}
