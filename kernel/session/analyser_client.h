/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's end of the analyser process: asks, waits under a watchdog, and replaces a
 * process that died or hangs. What the analyser must remember is the session's graph and
 * types; a new one is told all of it. */
#ifndef ACHAR_SESSION_ANALYSER_CLIENT_H
#define ACHAR_SESSION_ANALYSER_CLIENT_H

#include "kernel/peer/process.h"
#include "kernel/session/interrupt.h"
#include "pickler/graph/graph.h"
#include "pickler/type/type.h"

#define ANALYSER_TIMEOUT_MS 10000 /* one question; then the process is replaced */
#define ANALYSER_END_MS 1000      /* to end by itself, with its session */

struct analyser_client {
    struct process process;
    uint32_t next_generation, next_id;
    bool is_greeted;           /* its hello has been read */
    bool is_alone;             /* the worker has nothing to do meanwhile */
    const struct graph *graph; /* borrowed: the session's */
    const struct types *types;
    struct buffer flags;   /* packed {n s} of ANALYSER_FLAGS, empty: none */
    struct buffer orphans; /* packed {u} of ANALYSER_ORPHANS, empty: none */
    struct buffer options; /* packed, of ANALYSER_OPTIONS, empty: none */
    struct interrupt *interrupt;
};

void analyser_client_init(struct analyser_client *client, const struct graph *graph,
                          const struct types *types, struct interrupt *interrupt);
/* The session whose processes end with the kernel. */
void analyser_client_watch(struct analyser_client *client, pid_t session);
/* The next question starts a new one. */
void analyser_client_stop(struct analyser_client *client);
void analyser_client_clear(struct analyser_client *client);

/* Starts the process without waiting for it. */
/* A new one, which is told of the graph and the types as they are now. */
void analyser_client_restart(struct analyser_client *client);
int analyser_client_start(struct analyser_client *client, struct error *err) MUST_USE;

/* 1: answered, *ret is borrowed until the next call. 0: no answer, and *ret_why (owned)
 * says why: it died, hung or was interrupted; it has been stopped. Negative: it cannot be
 * started at all. */
int analyser_client_ask(struct analyser_client *client, uint16_t kind,
                        const struct buffer *question, struct frame *ret, char **ret_why,
                        struct error *err) MUST_USE;

/* The next frame of the answer to the last question, as above. */
int analyser_client_more(struct analyser_client *client, struct frame *ret,
                         char **ret_why);

/* Tells a message that has no answer; a process that is gone will be told all at its
 * start anyway. */
void analyser_client_tell(struct analyser_client *client, uint16_t kind,
                          const struct buffer *message);

#endif
