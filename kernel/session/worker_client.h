/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's end of the session worker: one request at a time, its output pumped into
 * the cell while it runs, interrupts passed on, its death noticed. Bringing a new worker
 * up to date is the session's business. */
#ifndef ACHAR_SESSION_WORKER_CLIENT_H
#define ACHAR_SESSION_WORKER_CLIENT_H

#include "kernel/peer/process.h"
#include "kernel/session/checkpoints.h"
#include "kernel/session/console.h"
#include "kernel/session/interrupt.h"
#include "kernel/session/session.h"
#include "kernel/session/strays.h"
#include "kernel/session/tier.h"

#define WORKER_START_TIMEOUT_MS 10000
#define WORKER_HANDLER_MS 40     /* for the cell's own handler of SIGINT */
#define WORKER_INTERRUPT_MS 2000 /* from then to the worker's replacement */
#define WORKER_MERCY_MS                                                                  \
    60                    /* the same after a second interrupt, or where a               \
                             checkpoint takes over */
#define OUTPUT_TAIL_MAX 4 /* bytes of an unfinished UTF-8 character kept back */

struct worker_stream {
    char tail[OUTPUT_TAIL_MAX];
    size_t n_tail;
};

struct worker_client {
    struct process process;
    uint32_t next_generation, next_id;
    struct session_limits limits;
    uint64_t told_memory;        /* the limit that the worker knows of ... */
    uint32_t told_generation;    /* ... as of this process, 0: nobody was told of one */
    bool is_replaceable;         /* a checkpoint can take over: none waits long for it */
    bool is_greeted;             /* its hello has been read */
    struct interrupt *interrupt; /* borrowed */
    struct worker_stream streams[2];
    struct console console;
    struct tier *tier;                 /* borrowed; NULL: none */
    struct tier_context *tier_context; /* borrowed */
    struct session_events owner;       /* whose output the current pipes carry */
    struct strays strays;              /* earlier pipes */
    struct session_aside aside;
    int answer_file;      /* what came with the last answer; owned, -1: nothing */
    struct outcome dying; /* what a dying worker said of itself, kind OK: nothing */
    struct checkpoints checkpoints;
};

void worker_client_init(struct worker_client *client, struct interrupt *interrupt);
void worker_client_clear(struct worker_client *client);
bool worker_client_is_alive(const struct worker_client *client); /* false: it has ended */

/* Starts the process without waiting for it. */
int worker_client_start(struct worker_client *client, struct error *err) MUST_USE;
void worker_client_stop(struct worker_client *client);

/* While it is not asked anything: what to wait for, and the output that has come. */
size_t worker_client_watch(const struct worker_client *client, struct pollfd *fds);
void worker_client_listen(struct worker_client *client, const struct pollfd *fds);

/* Asks and waits. The answer always begins with an outcome, which goes into *ret; what
 * follows it is left in *ret_rest, borrowed until the next call. A worker that dies gives
 * OUTCOME_DIED, with is_state_kept false; worker_client_take_over() or
 * worker_client_stop() follows. */
int worker_client_ask(struct worker_client *client, uint16_t kind,
                      const struct buffer *question, const struct session_events *events,
                      struct outcome *ret, struct unpack *ret_rest,
                      struct error *err) MUST_USE;

/* Checkpoints (checkpoints.h). To ask does not wait; to know does. */
void worker_client_ask_checkpoint(struct worker_client *client, uint64_t moment,
                                  uint64_t budget);
bool worker_client_has_checkpoint(struct worker_client *client, uint64_t moment,
                                  const struct session_events *events);
/* The worker, alive or dead, is replaced by a checkpoint, as checkpoints_take_over(). */
int worker_client_take_over(struct worker_client *client, uint64_t moment,
                            char **ret_changed, struct error *err) MUST_USE;

/* Between requests: takes what the worker says of itself. */
void worker_client_look(struct worker_client *client);

#endif
