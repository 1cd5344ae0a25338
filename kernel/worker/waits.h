/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions of the C library that wait, as code of cells calls them: what printf() holds
 * back is shown before. A program on a terminal does so only before it reads a stream;
 * here read(0), a program that asks, or a long sleep find their prompt shown as well. */
#ifndef ACHAR_WORKER_WAITS_H
#define ACHAR_WORKER_WAITS_H

#define SHORT_WAIT_NS 5000000 /* that nobody sees */

/* What stands in for the function, NULL: nothing. */
void *waits_find(const char *name);
/* Shows what stdout holds back. */
void waits_flush(void);

#endif
