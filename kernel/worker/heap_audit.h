/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The walk over all blocks, in turns: each look goes on where the last one ended. */
#ifndef ACHAR_WORKER_HEAP_AUDIT_H
#define ACHAR_WORKER_HEAP_AUDIT_H

#include <stdbool.h>

#include "kernel/worker/heap_guard.h"

#define AUDIT_VISITS_MAX 1024 /* blocks of one look; a group of words counts as one */

/* True with what was found; not while threads of cells run. */
bool heap_audit(struct heap_finding *ret);

#endif
