/* SPDX-License-Identifier: BSD-3-Clause
 *
 * WORKER_KEEP_TYPES. */
#ifndef ACHAR_WORKER_SERVE_TYPES_H
#define ACHAR_WORKER_SERVE_TYPES_H

#include "kernel/worker/engine.h"

int serve_keep_types(struct engine *engine, struct unpack *in, struct outcome *outcome,
                     struct buffer *rest, struct error *err);

#endif
