/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Machine code of the session's functions, for %asm. */
#ifndef ACHAR_WORKER_CODE_H
#define ACHAR_WORKER_CODE_H

#include "kernel/worker/engine.h"

/* Adds what WORKER_CODE answers behind the outcome; nothing when it fails. */
void code_show(const struct names *names, const char *function, struct outcome *ret,
               struct buffer *out);

#endif
