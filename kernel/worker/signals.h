/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which signals have handlers of ours: all that would end the process, and those that
 * interrupt. Cells see them as signals without a handler. */
#ifndef ACHAR_WORKER_SIGNALS_H
#define ACHAR_WORKER_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

typedef void signal_handler(int number, siginfo_t *info, void *context);

/* Sets the handlers. */
void signals_init(signal_handler *on_fault, signal_handler *on_interrupt);

/* For what stands in for sigaction(). */
bool signals_is_ours(const struct sigaction *action);
/* Our own for this signal; false: it has none. */
bool signals_handler(int number, struct sigaction *ret);

/* Sent by somebody else, or by a timer: the cell is anywhere. Its own raise() must not
 * return, as little as what faults. */
bool signals_is_from_outside(int number, const siginfo_t *info);

#endif
