/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which requests an interrupt is meant for: the one that runs and those that wait, if
 * they came before it. Requests and interrupts come on different sockets, so what was
 * sent first may be read last. Where one client has sent both, or when they come at about
 * the same time, their dates tell; otherwise those count that had been read. One that is
 * meant for nothing is forgotten. */
#ifndef ACHAR_HANDLERS_INTERRUPT_H
#define ACHAR_HANDLERS_INTERRUPT_H

#include <pthread.h>

#include "kernel/wire/server.h"

#define INTERRUPT_EARLY_MS 2000 /* so long it waits for a request that was sent before   \
                                 */
#define INTERRUPT_CLOSE_MS 100  /* about the same time, between different clients */

struct session;

struct interrupts {
    pthread_mutex_t lock;
    struct session *session;       /* while it is up */
    const struct request *running; /* of the shell thread; NULL: none */
    uint64_t n_received;           /* shell requests so far; of the sockets' thread */
    uint64_t last;                 /* n_received at the last interrupt */
    struct request *sent;          /* what asked for it; NULL: a signal */
};

void interrupts_init(struct interrupts *interrupts);
void interrupts_clear(struct interrupts *interrupts);
void interrupts_set_session(struct interrupts *interrupts, struct session *session);
/* On the sockets' thread: one has come; `sent` NULL: by a signal. */
void interrupts_take(struct interrupts *interrupts, struct server *server,
                     const struct request *sent);
/* On the shell thread, around all that a request does, also what is sent in answer. */
void interrupts_begin(struct interrupts *interrupts, struct server *server,
                      const struct request *request);
void interrupts_end(struct interrupts *interrupts);

#endif
