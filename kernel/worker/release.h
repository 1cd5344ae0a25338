/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What functions of the C library hold that are left by a long jump. */
#ifndef ACHAR_WORKER_RELEASE_H
#define ACHAR_WORKER_RELEASE_H

/* Before the jump: handlers that library functions have set up for threads that end
 * inside them, of frames below `base`. siglongjmp() would run them too, and trip over
 * streams without a lock (sscanf()). */
void release_handlers(const void *base);

/* After it: the locks of the standard streams. */
void release_streams(void);

#endif
