/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's side of a pool of ranks: requests of the session worker's protocol
 * (WORKER_*), asked of one rank or of all, and answered by each exactly once, whatever
 * becomes of it. */
#ifndef ACHAR_EXECUTORS_RANKS_CLIENT_H
#define ACHAR_EXECUTORS_RANKS_CLIENT_H

#include "kernel/peer/outcome.h"
#include "kernel/peer/protocol.h"

struct ranks_client;

/* How ranks are started: the launcher's command line, without what it starts. */
struct ranks_command {
    char **words;
    size_t n_words;
    size_t n;          /* ranks */
    char *interface;   /* where ranks on other hosts connect to; NULL: any, or "none" */
    unsigned lease_ms; /* 0: as usual */
};
void ranks_command_clear(struct ranks_command *command);

/* Starts the pool; its ranks are on their way. `library` is MPI's. */
int ranks_client_new(const struct ranks_command *command, const char *library,
                     struct ranks_client **ret, struct error *err) MUST_USE;
void ranks_client_free(struct ranks_client *client); /* ends the ranks */
DEFINE_FREEP(struct ranks_client, ranks_client_free)

bool ranks_client_is_alive(const struct ranks_client *client);
size_t ranks_client_n(const struct ranks_client *client);
/* Of its process; 0 while it does not run. */
pid_t ranks_client_pid(const struct ranks_client *client, size_t rank);

/* What happens while a request is under way; called on the thread that waits. */
struct ranks_events {
    void *context;
    void (*output)(void *context, size_t rank, int stream, const char *text, size_t size);
    void (*display)(void *context, size_t rank, const void *bundle, size_t size);
    /* Milliseconds until tick() is due, -1: it is not. */
    int (*due)(const void *context);
    void (*tick)(void *context);
    int wake_fd;                       /* or -1 ... */
    bool (*is_stopped)(void *context); /* ... asked when it is readable */
    bool (*is_late)(void *context);    /* asked when it was due: a stop as well, once */
};

/* Has them started, and does not wait. */
int ranks_client_begin(struct ranks_client *client, struct error *err) MUST_USE;
/* What they have said while nobody waited. */
int ranks_client_look(struct ranks_client *client, struct error *err) MUST_USE;
/* Waits until all ranks are up, starting them again where they could not. *ret_world is
 * the number of this world of ranks: one that has changed knows nothing. -EINTR: stopped.
 */
int ranks_client_ready(struct ranks_client *client, const struct ranks_events *events,
                       uint32_t *ret_world, struct error *err) MUST_USE;

struct rank_answer {
    size_t rank;
    struct outcome outcome;
    struct buffer rest; /* what follows the outcome */
};
struct rank_answers {
    struct rank_answer *at; /* in order of rank */
    size_t n;
    size_t first; /* index of the one that failed first; SIZE_MAX: none has */
};
void rank_answers_clear(struct rank_answers *answers);

/* `rank` RANKS_ALL: all of them. A stop goes to every rank, and the answers say so. */
int ranks_client_ask(struct ranks_client *client, size_t rank, uint16_t kind,
                     const struct buffer *body, const struct ranks_events *events,
                     struct rank_answers *ret, struct error *err) MUST_USE;

#endif
