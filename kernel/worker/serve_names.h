/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests about names: which are forgotten, where they are, and what they hold in
 * one line. */
#ifndef ACHAR_WORKER_SERVE_NAMES_H
#define ACHAR_WORKER_SERVE_NAMES_H

#include "kernel/worker/engine.h"

/* As the handlers of serve.c. */
int serve_forget(struct engine *engine, struct unpack *in, struct outcome *outcome,
                 struct buffer *rest, struct error *err) MUST_USE;
int serve_place(struct engine *engine, struct unpack *in, struct outcome *outcome,
                struct buffer *rest, struct error *err) MUST_USE;
int serve_show(struct engine *engine, struct unpack *in, struct outcome *outcome,
               struct buffer *rest, struct error *err) MUST_USE;

#endif
