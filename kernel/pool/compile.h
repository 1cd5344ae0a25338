/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pool's compiling helper: a payload in, an object of cc out. A process of its own,
 * so that the pool never waits for a compiler and parses no payload. */
#ifndef ACHAR_POOL_COMPILE_H
#define ACHAR_POOL_COMPILE_H

#include "kernel/peer/channel.h"

/* Answers COMPILER_RUN frames until the channel ends; returns the exit status. */
int compile_serve(struct channel *channel);

#endif
