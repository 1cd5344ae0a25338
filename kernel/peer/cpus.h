/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of processors, as a person writes them. */
#ifndef ACHAR_PEER_CPUS_H
#define ACHAR_PEER_CPUS_H

#include <sched.h>
#include <stdbool.h>

#define CPUS_ALL "0-1023"

/* "0-3,6": those of them that this process may use; false: it is no such list, or there
 * are none. */
bool cpus_read(const char *text, cpu_set_t *ret);

#endif
