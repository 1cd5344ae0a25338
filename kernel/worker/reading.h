/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads of cells look at types, names and units when they display something. The
 * worker's own thread changes these while it serves a request, and no thread reads
 * meanwhile; while it runs code of cells or waits, they may. */
#ifndef ACHAR_WORKER_READING_H
#define ACHAR_WORKER_READING_H

#include <stdbool.h>

/* Of any thread; waits. On the worker's own thread, which changes nothing while it is in
 * code of cells, they do nothing. Between them the thread is not cancelled. */
void reading_begin(void);
void reading_end(void);

/* Of the worker's own thread. */
void changing_begin(void);
void changing_end(void);
/* Never waits: false when a thread reads. For a signal handler in code of cells. */
bool changing_try(void);
/* Around code of cells; they do nothing outside of changing_begin() and changing_end().
 */
bool changing_pause(void);
void changing_resume(bool was_changing);

#endif
