/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/replace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/guard.h"
#include "kernel/worker/mpi.h"
#include "kernel/worker/output.h"
#include "kernel/worker/run.h"
#include "kernel/worker/signals.h"
#include "kernel/worker/thread.h"
#include "kernel/worker/waits.h"

#define OWN_DESCRIPTORS 200 /* or above are the worker's, and close-on-exec */
#define EXIT_HANDLERS_MAX 256
#define COMMAND_MERCY_MS 1000 /* from SIGINT to SIGKILL */

/* Global, as the C library's own list is. */
static void (*exit_handlers[EXIT_HANDLERS_MAX])(void);
static size_t n_exit_handlers;

bool replace_has_exit_handlers(void)
{
    return n_exit_handlers > 0;
}

void replace_run_exit_handlers(void)
{
    while (n_exit_handlers)
        exit_handlers[--n_exit_handlers]();
}

static _Noreturn void replace_exit(int status)
{
    if (guard_is_forked()) {
        fflush(NULL);
        _exit(status);
    }
    replace_run_exit_handlers();
    guard_exit(status);
}

static _Noreturn void replace_exit_at_once(int status)
{
    guard_exit_at_once(status);
}

static _Noreturn void replace_abort(void)
{
    guard_fault(SIGABRT, NULL, "abort() was called");
}

/* Of functions compiled with -fstack-protector. */
static _Noreturn void replace_stack_check(void)
{
    guard_give_up(); /* the frames that a trace would go by may be damaged */
    guard_fault(SIGABRT, "StackSmashing",
                "a local array was written behind its end, over the return address");
}

static _Noreturn void replace_thread_exit(void *value)
{
    if (gettid() != getpid())
        pthread_exit(value);
    guard_exit(0);
}

static _Noreturn void replace_assert(const char *expression, const char *file,
                                     unsigned line, const char *function)
{
    const char *suffix = function ? strstr(function, "__achar") : NULL;
    int length = !function ? 0
                 : suffix  ? (int)(suffix - function)
                           : (int)strlen(function);
    fflush(stdout);
    fprintf(stderr, "%s:%u: %.*s%sassertion '%s' failed\n", file, line, length, function,
            length ? ": " : "", expression);
    guard_fault(SIGABRT, NULL, "assertion '%s' failed", expression);
}

/* Waits for a command; an interrupt is the command's, and a second later its end. */
static int wait_for_command(pid_t pid)
{
    int status = 0, n_interrupts = 0;
    for (;;) {
        pid_t ended = waitpid(pid, &status, n_interrupts ? WNOHANG : 0);
        if (ended == pid)
            return status;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (!guard_was_interrupted())
            continue;
        if (n_interrupts++ == 0)
            kill(-pid, SIGINT);
        else if (n_interrupts == COMMAND_MERCY_MS / 10)
            kill(-pid, SIGKILL);
        poll(NULL, 0, 10);
    }
}

/* The library's system() ignores SIGINT while it waits, so that a cell could not be
 * stopped. */
static int replace_system(const char *command)
{
    if (!command)
        return 1;
    const char *argv[] = {"sh", "-c", command, NULL};
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t pid;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    output_note_program();
    waits_flush();
    int r = posix_spawn(&pid, "/bin/sh", NULL, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (r) {
        errno = r;
        return -1;
    }
    return wait_for_command(pid);
}

/* Interrupts get through even where a cell blocks all signals. */
static void spare(sigset_t *set)
{
    sigdelset(set, WORKER_INTERRUPT_SIGNAL);
    sigdelset(set, WORKER_LIMIT_SIGNAL);
}

static int replace_thread_mask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t spared;
    if (!set || how == SIG_UNBLOCK)
        return pthread_sigmask(how, set, old);
    spared = *set;
    spare(&spared);
    return pthread_sigmask(how, &spared, old);
}

static int replace_mask(int how, const sigset_t *set, sigset_t *old)
{
    int r = replace_thread_mask(how, set, old);
    if (r)
        errno = r;
    return r ? -1 : 0;
}

/* A cell that goes back to the default goes back to ours, which ends the cell instead of
 * the process. */
static int replace_sigaction(int number, const struct sigaction *action,
                             struct sigaction *old)
{
    struct sigaction ours, before;
    if (action && (action->sa_handler != SIG_DFL || !signals_handler(number, &ours))) {
        ours = *action;
        spare(&ours.sa_mask);
    }
    if (action)
        action = &ours;
    int r = sigaction(number, action, &before);
    if (r == 0 && old)
        *old =
            signals_is_ours(&before) ? (struct sigaction){.sa_handler = SIG_DFL} : before;
    return r;
}

static void (*replace_signal(int number, void (*handler)(int)))(int)
{
    struct sigaction on = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    return replace_sigaction(number, &on, &old) < 0 ? SIG_ERR : old.sa_handler;
}

static FILE *replace_popen(const char *command, const char *mode)
{
    output_note_program();
    waits_flush();
    return popen(command, mode);
}

static int replace_spawn(pid_t *pid, const char *path,
                         const posix_spawn_file_actions_t *actions,
                         const posix_spawnattr_t *attributes, char *const *argv,
                         char *const *environment)
{
    output_note_program();
    return posix_spawn(pid, path, actions, attributes, argv, environment);
}

static int replace_spawn_found(pid_t *pid, const char *file,
                               const posix_spawn_file_actions_t *actions,
                               const posix_spawnattr_t *attributes, char *const *argv,
                               char *const *environment)
{
    output_note_program();
    return posix_spawnp(pid, file, actions, attributes, argv, environment);
}

/* What the worker speaks through is not the cell's to close: "close everything" is a
 * usual thing to do. */
static bool is_own_descriptor(int fd)
{
    int flags = fd >= OWN_DESCRIPTORS ? fcntl(fd, F_GETFD) : -1;
    return flags >= 0 && flags & FD_CLOEXEC && !guard_is_forked();
}

static int replace_close(int fd)
{
    if (!is_own_descriptor(fd))
        return close(fd);
    errno = EBADF;
    return -1;
}

static int replace_close_range(unsigned first, unsigned last, int flags)
{
    if (guard_is_forked() || flags)
        return close_range(first, last, flags);
    unsigned open_max = (unsigned)sysconf(_SC_OPEN_MAX);
    unsigned low_last = last < OWN_DESCRIPTORS ? last : OWN_DESCRIPTORS - 1;
    if (first <= low_last && close_range(first, low_last, 0) < 0)
        return -1;
    for (unsigned fd = first > low_last ? first : low_last + 1;
         fd <= last && fd < open_max; fd++)
        replace_close((int)fd);
    return 0;
}

static void replace_closefrom(int first)
{
    replace_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
}

static int replace_atexit(void (*handler)(void))
{
    if (n_exit_handlers == EXIT_HANDLERS_MAX)
        return -1;
    exit_handlers[n_exit_handlers++] = handler;
    return 0;
}

void (*const *replace_exit_handlers(size_t *ret_n))(void)
{
    *ret_n = n_exit_handlers;
    return exit_handlers;
}

void replace_undefined(const char *name)
{
    if (*name == '!')
        guard_fault(SIGILL, "StaleFunction", "%s", name + 1);
    guard_fault(SIGILL, "UndefinedFunction", "function '%s' is declared but not defined",
                name);
}

/* The run-time libraries of compilers, opened when code first needs them. */
static void *find_runtime(const char *name)
{
    static const struct {
        const char *prefix, *file;
    } libraries[] = {{"GOMP_", "libgomp.so.1"},
                     {"omp_", "libgomp.so.1"},
                     {"__kmpc_", "libomp.so.5"},
                     {"__atomic_", "libatomic.so.1"},
                     {"__sync_", "libatomic.so.1"}};
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        if (strncmp(name, libraries[i].prefix, strlen(libraries[i].prefix)) != 0)
            continue;
        void *address = dlsym(RTLD_DEFAULT, name);
        if (address || !dlopen(libraries[i].file, RTLD_NOW | RTLD_GLOBAL))
            return address;
        return dlsym(RTLD_DEFAULT, name);
    }
    return NULL;
}

void *replace_find(const char *name)
{
    static const struct {
        const char *name;
        void *address;
    } list[] = {
        {"exit", replace_exit},
        {"_exit", replace_exit_at_once},
        {"_Exit", replace_exit_at_once},
        {"quick_exit", replace_exit_at_once},
        {"abort", replace_abort},
        {"atexit", replace_atexit},
        {"at_quick_exit", replace_atexit},
        {"__assert_fail", replace_assert},
        {"pthread_exit", replace_thread_exit},
        {"popen", replace_popen},
        {"posix_spawn", replace_spawn},
        {"posix_spawnp", replace_spawn_found},
        {"system", replace_system},
        {"vfork", fork}, /* which may do all that vfork() may, and is noticed */
        {"close", replace_close},
        {"close_range", replace_close_range},
        {"closefrom", replace_closefrom},
        {"sigaction", replace_sigaction},
        {"sigprocmask", replace_mask},
        {"pthread_sigmask", replace_thread_mask},
        {"signal", replace_signal},
        {"pthread_create", thread_create},
        {"thrd_create", thread_create_c11},
        {"__stack_chk_fail", replace_stack_check},
        {"thrd_exit", replace_thread_exit},
        {"__achar_loops", &run_loops},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!strcmp(list[i].name, name))
            return list[i].address;
    void *found = waits_find(name);
    if (!found)
        found = mpi_find(name);
    return found ? found : find_runtime(name);
}
