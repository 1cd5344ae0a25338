/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/signals.h"

#include <stddef.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"

/* What ends a process: faults, and what is only ever sent. */
static const int fault_signals[] = {
    SIGSEGV, SIGBUS,  SIGFPE,    SIGILL,  SIGABRT,   SIGTRAP, SIGSYS,  SIGHUP,
    SIGQUIT, SIGTERM, SIGUSR1,   SIGUSR2, SIGALRM,   SIGPROF, SIGXCPU, SIGXFSZ,
    SIGIO,   SIGPWR,  SIGVTALRM, SIGTSTP, SIGSTKFLT, SIGTTIN, SIGTTOU};

/* Global, as handlers are. */
static struct {
    signal_handler *on_fault, *on_interrupt;
} handlers;

bool signals_is_ours(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO &&
           (action->sa_sigaction == handlers.on_fault ||
            action->sa_sigaction == handlers.on_interrupt);
}

bool signals_handler(int number, struct sigaction *ret)
{
    *ret = (struct sigaction){.sa_sigaction = handlers.on_fault,
                              .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaddset(&ret->sa_mask, SIGINT);
    sigaddset(&ret->sa_mask, WORKER_INTERRUPT_SIGNAL);
    sigaddset(&ret->sa_mask, WORKER_LIMIT_SIGNAL);
    for (size_t i = 0; i < sizeof(fault_signals) / sizeof(*fault_signals); i++)
        if (fault_signals[i] == number)
            return true;
    /* No SA_RESTART: what blocks inside the C library returns to the cell. */
    *ret = (struct sigaction){.sa_sigaction = handlers.on_interrupt,
                              .sa_flags = SA_SIGINFO | SA_ONSTACK};
    return number == SIGINT || number == WORKER_INTERRUPT_SIGNAL ||
           number == WORKER_LIMIT_SIGNAL;
}

bool signals_is_from_outside(int number, const siginfo_t *info)
{
    bool is_fault = number == SIGSEGV || number == SIGBUS || number == SIGFPE ||
                    number == SIGILL || number == SIGABRT || number == SIGTRAP ||
                    number == SIGSYS;
    if (info->si_code > 0)
        return !is_fault;
    return info->si_pid != getpid();
}

static void ignore(int number)
{
    (void)number; /* a handler, unlike SIG_IGN, is not inherited by programs */
}

void signals_init(signal_handler *on_fault, signal_handler *on_interrupt)
{
    struct sigaction on;
    handlers.on_fault = on_fault;
    handlers.on_interrupt = on_interrupt;
    for (int i = 1; i < _NSIG; i++)
        if (signals_handler(i, &on))
            sigaction(i, &on, NULL);
    signal(SIGPIPE, ignore);
}
