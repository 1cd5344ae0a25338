/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What code of cells has started belongs to the session (setsid()) of its worker, and
 * ends with the kernel, also with one that was killed. Programs that have left the
 * session by themselves go on. */
#ifndef ACHAR_PEER_ORPHANS_H
#define ACHAR_PEER_ORPHANS_H

#include <sys/types.h>

/* Kills all processes of the session, and those that they start meanwhile. */
void orphans_end(pid_t session);

#endif
