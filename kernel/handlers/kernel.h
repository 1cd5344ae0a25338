/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A running kernel: the sockets' thread, which also answers the control channel, and the
 * shell thread, which owns the session and answers shell requests in their order. */
#ifndef ACHAR_HANDLERS_KERNEL_H
#define ACHAR_HANDLERS_KERNEL_H

#include "kernel/handlers/history.h"
#include "kernel/handlers/input.h"
#include "kernel/handlers/interrupt.h"
#include "kernel/handlers/queue.h"
#include "kernel/handlers/spill.h"
#include "kernel/wire/server.h"
#include "magics/cell.h"

/* A cell on its way into the history. */
struct unstored {
    uint32_t cell; /* 0: there is none */
    char *code, *value;
};

struct kernel {
    struct server *server;
    struct queue *queue;
    struct input *input;
    /* Of the shell thread. NULL when it could not be started: start_error says why. */
    struct session *session;
    struct magics *magics;
    struct history *history; /* NULL when even memory refuses it */
    struct unstored unstored;
    struct error start_error;
    uint32_t execution_count; /* of the last cell that was counted */
    uint32_t n_uncounted;     /* cells that were not */
    bool has_complained;      /* about the history */
    struct output *output;    /* of the newest cell, NULL before the first */
    struct spills spills;
    bool is_ending;  /* atomic, set by a handler: stop after its answer */
    bool is_started; /* atomic: the shell thread takes requests */
    struct interrupts interrupts;
};

/* Serves until a shutdown request, SIGTERM or SIGHUP. SIGINT interrupts the cell. */
int kernel_run(const struct connection *connection, struct error *err) MUST_USE;

#endif
