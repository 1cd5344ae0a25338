/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What cells display, on its way to the process that started this one. Any thread may
 * send. The data goes in a memory file, so that
 * each message is one small frame, written whole or not at all. */
#ifndef ACHAR_WORKER_SHOW_H
#define ACHAR_WORKER_SHOW_H

#include "kernel/peer/bundle.h"

/* Where it goes: a unix socket; borrowed. */
void show_connect(int fd);
/* The request or task that runs from now on. */
void show_begin(uint32_t generation, uint32_t id);

/* Around everything else that is sent there while threads of cells may run. */
void show_lock(void);
void show_unlock(void);

/* After all that was printed before. On a process's first thread, which runs cells, it
 * comes back when the other side has taken both, so that what is printed next follows;
 * an interrupt ends the wait. Returns 0, or a negative error number:
 * -ECHILD in a child that a cell has forked. */
int show_send(const struct bundle *bundle) MUST_USE;

#endif
