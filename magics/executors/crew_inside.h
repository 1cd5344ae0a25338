/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of a crew know of each other: crew.c (its life, waiting, the thread),
 * crew_links.c (pools that come and go), crew_payloads.c (who has which code),
 * crew_tasks.c (who runs what). Everything here is called with the crew's lock held. */
#ifndef ACHAR_EXECUTORS_CREW_INSIDE_H
#define ACHAR_EXECUTORS_CREW_INSIDE_H

#include <pthread.h>

#include "kernel/peer/patience.h"
#include "magics/executors/crew.h"

#define HASH_SIZE 32
#define LINK_UNSENT_MAX                                                                  \
    (1u << 20) /* bytes given to a link; then others get the tasks                       \
                */

struct crew_task {
    struct crew_task *next;       /* of its payload's queue, or of its link's tasks */
    struct crew_payload *payload; /* counted in its n_tasks */
    struct crew_link *link;       /* NULL: it waits in the payload's queue */
    uint32_t id, link_id;
    bool is_cancelled;
    unsigned retries, moves;
    void *owner;
    struct blob *large; /* the argument, above POOL_CLIENT_LARGE; else NULL */
    size_t size;        /* of the argument that follows */
    char argument[];
};

struct crew_queue {
    struct crew_task *first, **last;
};

struct crew_payload {
    struct crew_payload *next;
    uint8_t hash[HASH_SIZE];
    struct parcel parcel;
    uint64_t sent; /* bytes of pieces */
    size_t n_holders, n_tasks;
    struct crew_queue waiting;
    bool is_wanted;         /* somebody waits for it without a task */
    bool is_refused;        /* by all pools that were asked ... */
    struct outcome refusal; /* ... for this reason; OUTCOME_OK: it is not */
    unsigned n_loaded;      /* pools that have it */
    unsigned n_unfit;       /* pools that have refused it, others being asked */
    uint64_t used;
};

enum link_payload_state { PAYLOAD_SENT, PAYLOAD_LOADED, PAYLOAD_UNFIT };

struct link_payload {
    struct crew_payload *payload;
    enum link_payload_state state;
    uint32_t request;
};

struct crew_link {
    struct crew_link *next;
    struct pool_client *client;
    int64_t since; /* ms */
    bool is_up;    /* it has said hello */
    bool is_ready; /* poll() says that there is something */
    bool is_slow;  /* it has more than it takes */
    struct link_payload *payloads;
    size_t n_payloads, payloads_capacity;
    struct crew_queue tasks; /* in the order in which they were sent */
    size_t n_tasks;
    int64_t answered; /* us; when the last result came */
    double gap;       /* us between results, smoothed */
};

struct crew_event {
    struct crew_event *next;
    struct pool_event event; /* data and host are owned */
};

struct crew {
    const struct executor_type *type;
    struct executor_option *options; /* owned, with their texts */
    size_t n_options;
    void *executor;
    bool is_closed;   /* no pool will come any more */
    bool is_resting;  /* the engine has taken all back, and is asked again on demand */
    bool was_wanted;  /* some task or payload has waited for a pool */
    struct error why; /* of that, or of the last pool that was lost */
    struct crew_link *links;
    struct crew_payload *payloads;
    uint32_t last_id, first_id; /* tasks[i] has id first_id + i; NULL: it has ended */
    struct crew_task **tasks;
    size_t n_tasks, tasks_capacity, start;
    struct crew_event *kept, **kept_last;
    size_t kept_bytes;
    struct crew_event *lent;
    uint64_t clock;
    int64_t asked;            /* ms; when the executor was asked for a link ... */
    bool ask_again;           /* ... and it is to be asked at once */
    struct patience patience; /* of who waits for an event */
    pthread_mutex_t lock;
    pthread_t keeper;
    bool has_keeper, is_ending, is_polled;
    int64_t attended; /* ms; until then the keeper stays away */
    int poke_fd, news_fd;
};

/* crew_links.c */
void crew_links_ask(struct crew *crew); /* for new ones */
/* Everything that is there now, of all links. Events go to crew_keep(), except that the
 * first one of `owner` may be handed out directly: true, it is in *ret. */
bool crew_links_read(struct crew *crew, const void *owner, bool is_wanted,
                     struct pool_event *ret);
void crew_link_free(struct crew *crew, struct crew_link *link);

/* crew_tasks.c */
/* `may_gather`: what goes to pools that have enough to do is sent with the next round, so
 * that many small tasks are one write. */
void crew_tasks_dispatch(struct crew *crew, bool may_gather);
/* A link's event as the crew's; false when it is not for a person. */
bool crew_tasks_take(struct crew *crew, struct crew_link *link, struct pool_event *event);
/* No pool will take what waits. */
void crew_tasks_fail(struct crew *crew, struct crew_payload *payload,
                     const struct outcome *outcome);
bool crew_is_wanted(const struct crew *crew); /* some task or payload needs a pool */
void crew_tasks_clear(struct crew *crew);

/* crew_payloads.c */
struct crew_payload *crew_payloads_find(struct crew *crew, const uint8_t hash[HASH_SIZE]);
/* What the pool has of it; NULL: nothing. */
struct link_payload *crew_payloads_at(const struct crew_link *link,
                                      const struct crew_payload *payload);
/* Pools that have refused it are asked again. */
void crew_payloads_ask_again(struct crew *crew, struct crew_payload *payload);
void crew_payloads_answered(struct crew *crew, struct crew_link *link,
                            struct pool_event *event);
void crew_payloads_forgotten(struct crew *crew, struct crew_link *link, const char *hash);
/* It is in no list any more, and may have been the only one left that could. */
void crew_payloads_link_gone(struct crew *crew, struct crew_link *link);
void crew_payloads_pieces_asked(struct crew_link *link, const struct pool_event *event);
void crew_payloads_clear(struct crew *crew);

/* crew.c */
void crew_keep(struct crew *crew, struct pool_event *event); /* takes the outcome */

#endif
