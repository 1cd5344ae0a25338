/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the value graph asks of the process: an engine's names and the heap. */
#ifndef ACHAR_WORKER_WORLD_H
#define ACHAR_WORKER_WORLD_H

#include "kernel/worker/engine.h"

/* Fills engine->world. */
void world_init(struct engine *engine);

#endif
