/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether this is still the process that said so, or a child that fork(2) has made of it
 * since: without a system call, and without one's leave where those are watched. */
#ifndef ACHAR_PEER_FORKED_H
#define ACHAR_PEER_FORKED_H

#include <stdbool.h>

void forked_adopt(void); /* this process is the one */
/* Of a child of vfork(2), which has the same memory, it is not told. */
bool forked_is_child(void);

#endif
