/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The processes that a process has started and not outlived, wherever they have gone:
 * groups and sessions can be left, parents cannot. See children in proc(5). */
#ifndef ACHAR_PEER_DESCENT_H
#define ACHAR_PEER_DESCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DESCENT_MAX 4096 /* processes; more are not looked at */

bool descent_is_known(void); /* the kernel tells (CONFIG_PROC_CHILDREN) */
/* Children of `pid`, of all its threads, at most `max`; returns how many. */
size_t descent_children(pid_t pid, pid_t *ret, size_t max);
/* Our own, of the calling thread. Leaves the heap alone: a process forked before such a
 * look and one forked after it find the same. */
size_t descent_own(pid_t *ret, size_t max);
/* `pid`, its children, and theirs; `ret` has room for DESCENT_MAX. */
size_t descent_all(pid_t pid, pid_t *ret);

#endif
