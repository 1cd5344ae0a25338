/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/peer/forked.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/damage.h"
#include "kernel/worker/fault.h"
#include "kernel/worker/heap_scratch.h"
#include "kernel/worker/reading.h"
#include "kernel/worker/release.h"
#include "kernel/worker/replace.h"
#include "kernel/worker/signals.h"
#include "kernel/worker/thread.h"

#define ALTERNATE_STACK_SIZE ((size_t)512 << 10)
#define JOINED_TRIES 3
#define RETRY_NS 200000
#define STACK_APART ((size_t)64 << 10) /* between a cell's frames and ours */

struct ending {
    enum outcome_kind kind;
    int status;
    char name[32], message[256];
};

/* Global: signal handlers reach nothing else. */
static struct {
    const struct names *names;
    void (*dying)(const struct guard_report *report);
    void (*before)(void), (*after)(void), (*check)(void);
    pid_t pid, thread, faulting_thread;
    struct fault_stack stack;
    timer_t timer;
    volatile sig_atomic_t is_timed; /* the timer may be running */
    _Alignas(256) sigjmp_buf leave; /* no page boundary before what the kernel writes */
    _Alignas(128) sigset_t mask;    /* to be set when a cell was left; likewise */
    bool keeps_mask;                /* it is always this one */
    sigjmp_buf walk;
    const void *base;
    void **diverted;      /* the place of a return address that leads to us, NULL: none */
    void *return_address; /* what was there */
    volatile uint32_t request, interrupted_request; /* 0: none */
    bool has_checkpoint;
    volatile sig_atomic_t is_running, is_walking, is_faulting, is_interrupted,
        is_behind,       /* the call has come back: nothing of the cell is on the stack */
        is_damaged;      /* the process must end */
    struct ending asked; /* what the cell ends with as soon as it can be left */
    struct guard_report report; /* of what ended the cell */
} guard;

bool guard_is_forked(void)
{
    return getpid() != guard.pid;
}

/* Text that the C library still holds back for stdout: its descriptor gets it without the
 * stream's lock, which the interrupted code may hold. */
static void write_pending(void)
{
    const char *start = stdout->_IO_write_base, *end = stdout->_IO_write_ptr;
    if (start && end > start && end - start < 1 << 20)
        (void)!write(STDOUT_FILENO, start, (size_t)(end - start));
}

static _Noreturn void die(void)
{
    guard.report.is_state_kept = false;
    write_pending();
    guard.dying(&guard.report);
    if (guard.report.kind == OUTCOME_EXIT)
        _exit(guard.report.status);
    if (guard.has_checkpoint) /* without a core dump's helper, and at once */
        _exit(128 + guard.report.status);
    int signal_number = guard.report.status;
    signal(signal_number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), signal_number);
    _exit(128 + signal_number);
}

static bool is_cell_thread(void)
{
    return (pid_t)syscall(SYS_gettid) == guard.thread;
}

/* Where a trace ends: with the cell, or nowhere when it is not a cell's stack. */
static const void *trace_base(void)
{
    return guard.is_running && is_cell_thread() ? guard.base : (const void *)UINTPTR_MAX;
}

static void restore_return(void)
{
    if (guard.diverted)
        *guard.diverted = guard.return_address;
    guard.diverted = NULL;
}

static void name_smash(const ucontext_t *context)
{
    struct guard_report *report = &guard.report;
    const struct fault_stack *stack = is_cell_thread() ? &guard.stack : thread_stack();
    if (report->status != SIGSEGV)
        return;
    if (!fault_is_behind_stack(context, stack) &&
        !frames_is_smashed(guard.names, context))
        return;
    snprintf(report->name, sizeof(report->name), "StackSmashing");
    snprintf(
        report->message, sizeof(report->message),
        "the return address of a function was overwritten: a local array was written "
        "behind its end");
}

/* Code of libraries faults when the heap is damaged: then that is what happened. */
static void name_damage(const ucontext_t *context)
{
    const void *ip = registers_ip(context);
    struct damage_text text;
    if (arena_has_code(guard.names->arena, ip) || !damage_find(&text))
        return;
    guard.is_damaged = 1;
    memcpy(guard.report.name, text.name, sizeof(text.name));
    snprintf(guard.report.message, sizeof(guard.report.message), "%s", text.message);
}

/* Takes the trace; a fault on the way (a damaged stack) ends it. */
static void take_trace(ucontext_t *context, struct frames_saved *saved)
{
    struct trace *trace = &guard.report.trace;
    restore_return();
    guard.is_walking = 1;
    if (sigsetjmp(guard.walk, 1) == 0)
        name_smash(context);
    if (sigsetjmp(guard.walk, 1) == 0)
        trace_take(guard.names, context, trace_base(), trace, saved);
    else
        trace_set_safe(trace, false);
    guard.is_walking = 0;
}

static _Noreturn void leave(void)
{
    release_handlers(guard.base);
    guard.is_faulting = 0;
    guard.report.is_state_kept = true;
    siglongjmp(guard.leave, 1);
}

static void set_timer(long nanoseconds)
{
    struct itimerspec at = {.it_value = {0, nanoseconds}};
    if (!nanoseconds && !guard.is_timed)
        return;
    guard.is_timed = nanoseconds != 0;
    timer_settime(guard.timer, 0, &at, NULL);
}

static void set_report(const struct ending *why)
{
    guard.report.kind = why->kind;
    guard.report.status = why->status;
    memcpy(guard.report.name, why->name, sizeof(guard.report.name));
    snprintf(guard.report.message, sizeof(guard.report.message), "%s", why->message);
}

/* The library function that was interrupted has returned, but to here. */
_Noreturn void frames_landed(void)
{
    guard.diverted = NULL;
    leave();
}

/* Leaves the cell now, or as soon as the library function returns, or tries again. */
static void end_cell(ucontext_t *context)
{
    struct trace *trace = &guard.report.trace;
    struct frames_saved saved;
    if (!trace_is_worthwhile(guard.names, context)) {
        set_timer(RETRY_NS);
        return;
    }
    guard.faulting_thread = guard.thread;
    guard.is_faulting = 1; /* a fault of the walk is not the cell's */
    take_trace(context, &saved);
    guard.is_faulting = 0;
    set_report(&guard.asked);
    if (trace->is_safe_to_interrupt)
        leave();
    frames_restore(context, &saved);
    if (trace->is_safe_behind && trace->return_slot) {
        guard.diverted = trace->return_slot;
        guard.return_address = *guard.diverted;
        *guard.diverted = (void *)frames_landing;
    } else {
        set_timer(RETRY_NS);
    }
}

/* Not at this instruction: the cell ends where it can be left. */
static void end_soon(const struct ending *why, ucontext_t *context)
{
    guard.asked = *why;
    if (!guard.diverted && !guard.is_faulting)
        end_cell(context);
}

static void describe_fault(int signal_number, const siginfo_t *info,
                           const ucontext_t *context, struct ending *ret)
{
    ret->kind = OUTCOME_FAULT;
    ret->status = signal_number;
    fault_name(signal_number, ret->name, sizeof(ret->name));
    const struct fault_stack *stack = is_cell_thread() ? &guard.stack : thread_stack();
    fault_describe(signal_number, info, context, stack, ret->message,
                   sizeof(ret->message));
    fault_find_cause(signal_number, info, ret->name, sizeof(ret->name), ret->message,
                     sizeof(ret->message));
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    if (guard_is_forked()) { /* a child of the cell: it ends as it would anywhere */
        signal(signal_number, SIG_DFL);
        raise(signal_number);
        return;
    }
    pid_t thread = (pid_t)syscall(SYS_gettid);
    if (guard.is_faulting) {
        while (thread != guard.faulting_thread)
            pause(); /* the process is ending already */
        if (guard.is_walking)
            siglongjmp(guard.walk, 1);
        signal(signal_number, SIG_DFL);
        return;
    }
    struct ending why;
    bool is_cell = guard.is_running && is_cell_thread();
    int saved_errno = errno;
    describe_fault(signal_number, info, context, &why);
    if (is_cell && !guard.has_checkpoint &&
        signals_is_from_outside(signal_number, info)) {
        end_soon(&why, context);
        errno = saved_errno;
        return;
    }
    guard.faulting_thread = thread;
    guard.is_faulting = 1;
    struct frames_saved saved;
    ucontext_t *at = context;
    if (signal_number == SIGTRAP && info->si_code > 0)
        registers_leave_trap(at);
    set_report(&why);
    take_trace(at, &saved);
    guard.is_walking = 1;
    /* A signal from outside may come amid an allocation, whose block is half made. */
    if (!signals_is_from_outside(signal_number, info) && sigsetjmp(guard.walk, 1) == 0)
        name_damage(at);
    guard.is_walking = 0;
    if (is_cell && !guard.is_damaged && guard.report.trace.is_safe_to_leave &&
        !guard.has_checkpoint)
        leave();
    die();
}

/* SIGINT and the signals of protocol.h, which stand for it where user code has handlers
 * of its own, and the timer that tries again. */
static void on_interrupt(int signal_number, siginfo_t *info, void *context)
{
    static const struct ending interrupted = {OUTCOME_INTERRUPTED, SIGINT, "Interrupted",
                                              "interrupted"};
    static const struct ending out_of_time = {OUTCOME_INTERRUPTED, SIGINT, "TimeLimit",
                                              "the cell ran longer than its time limit"};
    int saved_errno = errno;
    if (guard_is_forked()) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
        return;
    }
    if (info->si_code == SI_QUEUE) {
        guard.interrupted_request = (uint32_t)info->si_value.sival_int;
        if (guard.interrupted_request != guard.request)
            return;
    }
    bool is_asked = info->si_code == SI_TIMER || info->si_code == SI_TKILL;
    if (!is_asked) {
        guard.is_interrupted = 1;
        guard.asked = signal_number == WORKER_LIMIT_SIGNAL ? out_of_time : interrupted;
    }
    if (!guard.is_running)
        return;
    if (!is_cell_thread())
        syscall(SYS_tgkill, guard.pid, guard.thread, WORKER_INTERRUPT_SIGNAL);
    else if (!guard.diverted && !guard.is_faulting)
        end_cell(context);
    errno = saved_errno;
}

bool guard_is_in_cell(const ucontext_t *context)
{
    const void *ip = registers_ip(context);
    return guard.is_running && !guard.is_faulting && !guard_is_forked() &&
           is_cell_thread() && arena_has_code(guard.names->arena, ip);
}

bool guard_where(int number, ucontext_t *context, struct guard_report *ret)
{
    if (!guard.is_running || guard.is_behind || guard.is_faulting || guard_is_forked())
        return false;
    if (!is_cell_thread()) {
        syscall(SYS_tgkill, guard.pid, guard.thread, number);
        return false;
    }
    struct frames_saved saved;
    void **diverted = guard.diverted;
    restore_return();
    guard.faulting_thread = guard.thread;
    guard.is_faulting = guard.is_walking = 1;
    ret->trace.n = 0;
    if (sigsetjmp(guard.walk, 1) == 0)
        trace_take(guard.names, context, guard.base, &ret->trace, &saved);
    guard.is_faulting = guard.is_walking = 0;
    frames_restore(context, &saved);
    if (diverted)
        *diverted = (void *)frames_landing;
    guard.diverted = diverted;
    ret->kind = OUTCOME_INTERRUPTED;
    return true;
}

static void find_stack(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0)
        guard.stack = (struct fault_stack){low, (char *)low + size};
    pthread_attr_destroy(&attributes);
}

void guard_set_checkpoint(bool has_checkpoint)
{
    guard.has_checkpoint = has_checkpoint;
}

void guard_adopt(void)
{
    forked_adopt();
    guard.pid = getpid();
    guard.thread = (pid_t)syscall(SYS_gettid);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = WORKER_INTERRUPT_SIGNAL};
    event._sigev_un._tid = guard.thread;
    timer_create(CLOCK_MONOTONIC, &event, &guard.timer);
}

void guard_keep_mask(void)
{
    sigprocmask(SIG_BLOCK, NULL, &guard.mask);
    guard.keeps_mask = true;
}

void guard_watch(void (*before)(void), void (*after)(void))
{
    guard.before = before;
    guard.after = after;
}

void guard_check(void (*check)(void))
{
    guard.check = check;
}

void guard_give_up(void)
{
    guard.is_damaged = 1;
}

bool guard_has_one_thread(void)
{
    static nlink_t staying; /* as many were there when waiting was in vain */
    struct stat tasks;
    for (int i = 0; i < JOINED_TRIES && !__libc_single_threaded; i++) {
        bool is_seen = stat("/proc/self/task", &tasks) == 0;
        if (is_seen && tasks.st_nlink == 3)
            return true;
        if (is_seen && tasks.st_nlink == staying)
            return false;
        poll(NULL, 0, i > 0); /* one that has been joined may still be there */
    }
    staying = __libc_single_threaded ? 0 : tasks.st_nlink;
    return __libc_single_threaded;
}

void guard_init(const struct names *names,
                void (*dying)(const struct guard_report *report))
{
    guard.names = names;
    guard.dying = dying;
    void *stack = mmap(NULL, ALTERNATE_STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack != MAP_FAILED)
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = ALTERNATE_STACK_SIZE}, NULL);
    trace_init(names->arena);
    find_stack(); /* slow, and the same in a forked child */
    guard_adopt();
    signals_init(on_fault, on_interrupt);
}

/* The stack pointer here is where a trace ends: above it stands code of ours only. */
static __attribute__((noinline)) int enter(const struct guard_call *call)
{
    guard.base = frames_sp();
    int status = 0;
    if (call->main)
        status = call->main(call->argc, call->argv, environ);
    else if (call->with)
        call->with(call->arguments[0], call->arguments[1]);
    else
        call->function();
    __asm__ volatile("" ::: "memory"); /* not a tail call */
    return status;
}

/* What a cell writes behind its arrays should not reach our own frames. */
static __attribute__((noinline)) int enter_apart(const struct guard_call *call)
{
    char apart[STACK_APART];
    __asm__ volatile("" ::"r"(apart) : "memory");
    int status = enter(call);
    __asm__ volatile("" ::"r"(apart) : "memory");
    return status;
}

static void run(const struct guard_call *call)
{
    if (!guard.keeps_mask)
        sigprocmask(SIG_BLOCK, NULL, &guard.mask);
    if (sigsetjmp(guard.leave, 0)) {
        sigprocmask(SIG_SETMASK, &guard.mask, NULL);
        if (guard_is_forked()) /* interrupted in fork() */
            _exit(128 + SIGINT);
        guard.is_running = 0;
        set_timer(0);
        release_streams();
        return;
    }
    guard.diverted = NULL;
    guard.is_running = 1;
    if (guard.is_interrupted) { /* since guard_run() looked */
        set_report(&guard.asked);
        leave();
    }
    if (guard.before)
        guard.before();
    guard.is_behind = 0;
    int status = enter_apart(call);
    guard.is_behind = 1;
    bool is_forked = forked_is_child();
    if (guard.check && !is_forked)
        guard.check();
    if (guard.after)
        guard.after();
    if (call->main)
        replace_run_exit_handlers();
    guard.is_running = 0;
    if (is_forked) { /* a child that came back from the cell's code ends here */
        fflush(NULL);
        _exit(status & 0xff);
    }
    set_timer(0);
    guard.report.kind = call->main ? OUTCOME_EXIT : OUTCOME_OK;
    guard.report.status = status & 0xff;
    guard.report.is_state_kept = true;
}

/* Without frames that it has not: they are most of its memory. */
static void copy_report(const struct guard_report *from, struct guard_report *to)
{
    size_t n = from->trace.n, rest = offsetof(struct trace, n);
    memcpy(to, from, offsetof(struct guard_report, trace));
    memcpy(to->trace.frames, from->trace.frames, n * sizeof(*from->trace.frames));
    memcpy((char *)&to->trace + rest, (const char *)&from->trace + rest,
           sizeof(from->trace) - rest);
}

void guard_run(const struct guard_call *call, struct guard_report *ret)
{
    static const struct guard_report nothing;
    copy_report(&nothing, &guard.report);
    if (guard.is_interrupted) {
        guard.report.kind = OUTCOME_INTERRUPTED;
        guard.report.status = SIGINT;
        guard.report.is_state_kept = true;
        snprintf(guard.report.name, sizeof(guard.report.name), "Interrupted");
        snprintf(guard.report.message, sizeof(guard.report.message),
                 "interrupted before it started");
    } else {
        bool was_changing = changing_pause();
        bool was_scratch = heap_scratch_use(false);
        run(call);
        heap_scratch_use(was_scratch);
        changing_resume(was_changing);
    }
    copy_report(&guard.report, ret);
}

bool guard_was_interrupted(void)
{
    return guard.is_interrupted;
}

void guard_begin(uint32_t id)
{
    guard.request = id;
    guard.is_interrupted = guard.interrupted_request == id && id;
}

static _Noreturn void end_here(bool may_leave)
{
    bool is_cell = guard.is_running && is_cell_thread();
    restore_return();
    trace_take_here(guard.names, trace_base(), &guard.report.trace);
    bool is_safe = guard.is_behind || guard.report.trace.is_safe_to_leave;
    if (may_leave && is_cell && is_safe && !guard.is_damaged)
        leave();
    if (guard.report.kind == OUTCOME_EXIT) {
        snprintf(guard.report.name, sizeof(guard.report.name), "ExitStatus");
        snprintf(guard.report.message, sizeof(guard.report.message),
                 "the program ended itself with exit status %d", guard.report.status);
    }
    die();
}

_Noreturn void guard_fault(int signal_number, const char *name, const char *format, ...)
{
    if (guard_is_forked()) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
        _exit(128 + signal_number);
    }
    guard.report.kind = OUTCOME_FAULT;
    guard.report.status = signal_number;
    fault_name(signal_number, guard.report.name, sizeof(guard.report.name));
    if (name)
        snprintf(guard.report.name, sizeof(guard.report.name), "%s", name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(guard.report.message, sizeof(guard.report.message), format, arguments);
    va_end(arguments);
    end_here(!guard.has_checkpoint);
}

static _Noreturn void end_with(int status, bool may_leave)
{
    if (guard_is_forked())
        _exit(status);
    if (guard.is_running && is_cell_thread() && guard.check)
        guard.check();
    guard.report.kind = OUTCOME_EXIT;
    guard.report.status = status & 0xff;
    end_here(may_leave);
}

_Noreturn void guard_exit(int status)
{
    end_with(status, true);
}

_Noreturn void guard_exit_at_once(int status)
{
    end_with(status, !guard.has_checkpoint);
}
