/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pool of one host: takes payloads and tasks from the front, keeps a family of
 * processes per payload, and sends output and results back. One thread around poll(2); it
 * never waits for a single peer, and it runs no user code and parses no payload.
 *
 * Reading order: front.c (what the front asks), zygotes.c (how a payload comes to have
 * job workers), tasks.c (a task's life), pool.c (the loop). */
#ifndef ACHAR_POOL_POOL_H
#define ACHAR_POOL_POOL_H

#include "kernel/peer/line.h"
#include "kernel/peer/patience.h"
#include "kernel/pool/family.h"
#include "kernel/pool/limits.h"

#define POOL_WORKERS_MAX 512           /* tasks that run at once */
#define POOL_ZYGOTES_MAX 16            /* payloads awake, soon; more while all are busy */
#define POOL_PAYLOADS_MAX 1024         /* payloads kept */
#define POOL_PAYLOADS_BYTES (1u << 30) /* of them; a single larger one is kept alone */
/* Beyond this the front gets no more credit, and is not read where there is none. */
#define POOL_WAITING_BYTES (256u << 20) /* arguments */
#define POOL_UNSENT_BYTES                                                                \
    (32u << 20)              /* to the front; beyond it job workers are not read */
#define POOL_SPARE 4         /* job workers that wait beside those in use */
#define POOL_CANCEL_US 50000 /* from SIGINT to SIGKILL ... */
/* ... of a task that has had so much processor time by then, or sleeps; one that waits
 * for a processor can still say where it was. */
#define POOL_CANCEL_HAD_US 20000
#define POOL_CANCEL_MAX_US 2000000
#define POOL_AHEAD 128     /* tasks that a job worker may have; it runs one */
#define POOL_GATHER_US 900 /* so long quick results may wait for more of them */
#define POOL_PRESTART_US                                                                 \
    3000 /* after a payload was loaded: its first task comes first                       \
          */
#define POOL_TRIM_US 20000
#define POOL_POLL_US 200 /* so often descriptors are looked at while tasks flow */

struct pool {
    struct line *front;
    bool is_counted; /* the front has asked for a window (POOL_TERMS) */
    unsigned n_workers;
    size_t n_prestart; /* job workers to wait beside those in use; 0: POOL_SPARE */
    struct limits limits;
    uint64_t looked_at; /* us; at the memory of tasks */
    uint64_t now;       /* us; when the round began */
    uint64_t polled_at; /* us; at everything but shared memory */
    bool is_gathering;  /* results: for some job worker more than one is waited for */
    struct patience patience;
    struct family **families;
    size_t n_families, families_capacity;
    struct pieces pieces;
    struct family *active; /* served last; compared only */
    size_t turn;           /* where the search for the next waiting task starts */
    struct process blank;  /* a zygote started ahead of need; pid 0: none */
    uint64_t trim_at;      /* us; other payloads than `active` give up what they have */
    uint64_t prestart_at; /* us; not before, for somebody waits for what it would delay */
    uint64_t tier_at;     /* us; tier_time() has nothing to do before */
    struct family *improving; /* that cc works for (tier.h); NULL: none */
    bool has_no_compiler;     /* as far as that has been asked */
    size_t n_running, waiting_bytes;
    uint64_t clock; /* of `used` */
    uint32_t generation;
    bool is_over;
    bool has_bye; /* from the front */
};

/* Serves until the front says goodbye, closes the channel, is gone or silent for its
 * lease; then no process that was started here, or by a task, is left. True: it has said
 * goodbye. */
bool pool_serve(struct line *front, unsigned n_workers, const struct limits *limits);

uint64_t pool_now(void); /* us, monotonic */
void pool_say(struct pool *pool, uint16_t kind, uint32_t id, const struct buffer *body);

/* front.c */
void front_read(struct pool *pool);
/* Says on the standard error why, which the launcher may carry, unless it has closed. */
void front_lost(struct pool *pool, const struct error *why);

/* supply.c: the pieces of payloads */
/* Of a new family, which is woken when it has all of them. */
void supply_begin(struct pool *pool, struct family *family);
bool supply_take_piece(struct pool *pool, const struct frame *frame);
bool supply_take_file(struct pool *pool, const struct frame *frame);
/* Tells its zygote where they are. */
int supply_zygote(struct family *family, struct error *err) MUST_USE;

/* zygotes.c */
void zygotes_wake(struct pool *pool, struct family *family);
void zygotes_sleep(struct pool *pool, struct family *family);
void zygotes_read(struct pool *pool, struct family *family);
void zygotes_read_compiler(struct pool *pool, struct family *family);
void zygotes_end_compiler(struct family *family);
void zygotes_keep(struct pool *pool, struct family *family, size_t keep);
void zygotes_prestart(struct pool *pool);
/* At most so many payloads are to be awake: puts one without work to sleep, if there is
 * one. */
bool zygotes_make_room(struct pool *pool, size_t max);
uint64_t zygotes_due(const struct pool *pool); /* us; as tasks_due() */
void zygotes_sweep(struct pool *pool);         /* kills orphans of dead zygotes */

/* tasks.c */
struct family *tasks_find_family(struct pool *pool, const void *hash);
void tasks_add(struct pool *pool, struct family *family,
               struct task *task); /* takes it */
void tasks_dispatch(struct pool *pool);
void tasks_trim(struct pool *pool); /* what idle payloads need not have */
void tasks_cancel(struct pool *pool, uint32_t id);
/* Its job workers get no more tasks than they have begun. */
void tasks_retire(struct pool *pool, struct family *family);
/* Kills the job worker for what its first task does. */
void tasks_exceed(struct pool *pool, struct family *family, struct worker *worker,
                  enum exceeds why);
void tasks_read(struct pool *pool, struct family *family, struct worker *worker);

/* How a job worker has ended. */
struct death {
    int status;       /* wait status; below 0: unknown */
    uint32_t task;    /* that it was in, 0: none is known */
    const void *left; /* of that one's result values */
    size_t left_size;
};

void tasks_worker_died(struct pool *pool, struct family *family, struct worker *worker,
                       const struct death *death);
void tasks_fail_waiting(struct pool *pool, struct family *family,
                        const struct outcome *outcome);
void tasks_drain_all(struct pool *pool); /* results in shared memory */
/* Before each wait: how many results of each job worker are waited for. */
void tasks_choose_batches(struct pool *pool);
bool tasks_have_results(const struct pool *pool);
bool tasks_sleep(const struct pool *pool); /* before poll(); false: do not wait */
void tasks_awake(const struct pool *pool);
void tasks_time(struct pool *pool, uint64_t now); /* output and kills that are due */
uint64_t tasks_due(const struct pool *pool); /* us; UINT64_MAX: nothing will be due */
void tasks_result(struct pool *pool, uint32_t id, const struct outcome *outcome);

#endif
