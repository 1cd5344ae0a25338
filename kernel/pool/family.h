/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One payload in the pool, and the processes that serve it: a zygote that has loaded it,
 * and the job workers that the zygote has forked. The tasks that wait for one of them
 * queue here. Plain state; pool.c decides what happens, zygotes.c starts and ends
 * processes. */
#ifndef ACHAR_POOL_FAMILY_H
#define ACHAR_POOL_FAMILY_H

#include "kernel/peer/lane.h"
#include "kernel/peer/outcome.h"
#include "kernel/peer/process.h"
#include "kernel/pool/output.h"
#include "kernel/pool/pieces.h"
#include "pickler/payload/payload.h"

/* New job workers that may die before they have begun it. */
#define TASK_STARTS_MAX 30
#define LARGE_STARTS_MAX 3 /* where it cannot be told for sure that it was not begun */

struct task {
    struct task *next;
    uint32_t id;
    unsigned starts;
    bool is_in_lane;
    uint32_t place; /* there */
    char *argument; /* owned body of its TASK_RUN; NULL: it is in `file` */
    int file;       /* owned, -1: none */
    size_t size;
};

enum exceeds { EXCEEDS_NONE, EXCEEDS_TIME, EXCEEDS_MEMORY };

/* A process that takes a task, and perhaps others: those are sent ahead. */
struct worker {
    struct worker *next;
    pid_t pid;
    int pidfd; /* to kill it without hitting a reused pid */
    struct channel *channel;
    struct lane *lane;       /* NULL: there is none */
    struct output output[2]; /* its stdout and stderr: of the first of its tasks */
    struct task *task;       /* owned, in order: what it runs first; NULL: it is ready */
    struct task **last_task;
    size_t n_tasks;
    size_t depth;             /* how many it may have; grows while it is renewed */
    size_t n_taken;           /* results since the pool slept last */
    uint32_t held_by;         /* a task whose result must come first, by the channel */
    size_t batch;             /* results that the pool sleeps for */
    bool is_closed;           /* it closed the channel: its death is being waited for */
    bool is_gone;             /* answered or dead: freed at the end of the round */
    uint64_t answered_at;     /* us; 0: it is new */
    uint64_t started_at;      /* us; when its first task became the first */
    uint64_t kill_at;         /* us; cancelled: SIGKILL follows SIGINT then; 0: not */
    uint64_t cancelled_at;    /* us */
    uint64_t had_us;          /* of processor time, when it was cancelled */
    enum exceeds exceeds;     /* why it was killed */
    struct buffer last_words; /* of its first task, a TASK_DYING; empty: none */
    bool is_old; /* there is better code than it was born with: it gets no more tasks */
    int cpu;     /* where it is bound to; -1: nowhere */
};

enum family_state {
    FAMILY_ASLEEP,    /* only the payload's bytes (and object) are kept */
    FAMILY_COMPILING, /* `compiler` makes the object */
    FAMILY_LOADING,   /* the zygote has been given the payload */
    FAMILY_AWAKE,     /* the zygote forks job workers */
};

/* Whether cc compiles it again while its tasks run (tier.h). */
enum family_tier {
    TIER_NEW,       /* it has not been loaded yet */
    TIER_NEVER,     /* not wanted or not possible, or it has failed */
    TIER_COUNTING,  /* what its tasks take is added up */
    TIER_ASKING,    /* `compiler` looks whether it has been compiled before */
    TIER_UNKNOWN,   /* it has not; it is added up further */
    TIER_COMPILING, /* `compiler` does */
    TIER_IMPROVING, /* the zygote has been sent `better` */
    TIER_DONE,
};

struct family {
    uint8_t hash[PAYLOAD_HASH_SIZE];
    struct buffer payload;   /* or a recipe, and its pieces with a hash: */
    struct piece **pieces;   /* owned, in order; each has a user more */
    size_t n_pieces, n_here; /* n_here: the first ones, which have come */
    struct pieces *store;    /* borrowed */
    struct buffer object;    /* of cc; empty: the zygote compiles by libtcc */
    struct buffer better;    /* of cc: its functions, which take the place of libtcc's */
    enum family_tier tier;
    uint64_t spent_us; /* by its tasks, those that run left out */
    bool is_by_cc;     /* libtcc refused it, or was not to be asked */
    bool is_wish;      /* libtcc would do as well */
    bool is_hopeless;  /* and must: cc made no object of it */
    bool is_proven;    /* it has been loaded once: a zygote's death is not the payload's
                          fault */
    bool is_removed;   /* freed at the end of the round */
    unsigned deaths;   /* of zygotes since a task was last answered */
    enum family_state state;
    struct process zygote, compiler; /* pid 0: none */
    struct worker *workers;
    size_t n_ready, n_running;
    size_t keep; /* job workers that the zygote was asked to keep alive */
    struct task *first, **last;
    size_t n_waiting, waiting_bytes;
    uint32_t request; /* the front's POOL_PAYLOAD that is not answered yet, 0: none */
    uint64_t used;    /* grows with every use: the least is the oldest */
};

struct family *family_new(const uint8_t hash[PAYLOAD_HASH_SIZE], const void *payload,
                          size_t size) MUST_USE;
/* Ends its processes and frees what waits. Job workers that outlive their zygote are the
 * pool's own children afterwards: the caller sweeps them. */
void family_free(struct family *family);

void family_add_task(struct family *family, struct task *task);    /* last; takes it */
void family_return_task(struct family *family, struct task *task); /* first; takes it */
struct task *
family_next_task(struct family *family) MUST_USE; /* owned; NULL: none waits */
bool family_drop_task(struct family *family,
                      uint32_t id); /* false: it does not wait here */
struct task *task_new(uint32_t id, const void *argument, size_t size) MUST_USE;
struct task *task_new_file(uint32_t id, int file, size_t size) MUST_USE; /* takes it */
void task_free(struct task *task);

/* Takes the descriptors: task channel, out, err, pidfd, lane (-1: none). */
struct worker *family_add_worker(struct family *family, pid_t pid, const int fds[5]);
void worker_add_task(struct worker *worker, struct task *task); /* last; takes it */
struct task *worker_remove_task(struct worker *worker, struct task **at) MUST_USE;
struct worker *family_ready_worker(struct family *family, uint64_t now); /* NULL: none */
struct worker *family_find_worker(struct family *family, pid_t pid);
void family_free_workers(struct family *family, bool only_gone);

/* Those that its payload needs: it can be loaded. */
static inline bool family_has_pieces(const struct family *family)
{
    return family->n_here == family->n_pieces;
}

static inline bool family_is_idle(const struct family *family)
{
    return !family->n_running && !family->n_waiting && !family->request;
}

#endif
