/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside the executor `slurm`: slurm.c (options, and what a crew calls), slurm_job.c (the
 * allocation: asked for, waited for, held, renewed), slurm_end.c (why a job is over) and
 * slurm_node.c (one srun a node, and the way to the pool that it starts). Everything that
 * takes time is a program of Slurm's running beside; an epoll descriptor tells when one
 * has said something. */
#ifndef ACHAR_EXECUTORS_SLURM_H
#define ACHAR_EXECUTORS_SLURM_H

#include "kernel/peer/callback.h"
#include "magics/executors/executor.h"
#include "magics/executors/launch.h"

#define SLURM_NODES_MAX 16384
#define SLURM_WORKERS_MAX 512
#define SLURM_DEATHS_MAX 3     /* of a node's pools, one soon after the other */
#define SLURM_YOUNG_MS 10000   /* a pool that lives for longer was no mistake */
#define SLURM_START_MS 60000   /* from srun to the pool's first word */
#define SLURM_COMMAND_MS 2000  /* what we wait at most for scontrol and scancel */
#define SLURM_OUTPUT_MAX 65536 /* bytes of a program's output that we read */

enum slurm_phase {
    SLURM_ASKING,    /* salloc runs, and may wait for long */
    SLURM_ATTACHING, /* the allocation is there; its nodes are asked for */
    SLURM_HELD,
    SLURM_OVER,
};

enum slurm_node_state { SLURM_NODE_IDLE, SLURM_NODE_STARTING, SLURM_NODE_LINKED };

struct slurm_node {
    char *name;
    unsigned cpus; /* of the allocation, on this node */
    enum slurm_node_state state;
    struct launch srun;
    struct channel *stdio; /* srun's, unless it became the link */
    struct callback *callback;
    char *why_stdio; /* why no connection back could be made; NULL: it could */
    char *why;       /* why its last pool ended */
    unsigned n_deaths;
    int64_t started, retry_at; /* ms */
};

struct slurm {
    const struct executor_option *options;
    size_t n_options;
    enum slurm_phase phase;
    bool is_kept;         /* the allocation outlives us */
    struct launch holder; /* salloc; while attaching an srun */
    struct buffer lines;  /* of the holder's output, not yet read */
    char *job;            /* id; NULL: none yet */
    char *why;            /* why it is over */
    char *state;          /* what Slurm calls that; NULL: it is not, or nobody knows */
    char *before;         /* why the allocation before this one is over; NULL: none was */
    bool had_pool;        /* one has come in this allocation */
    struct launch query;  /* squeue, while we wait */
    struct buffer answer;
    char *pending;    /* "Resources, position 3 of 7"; NULL: not known */
    int64_t query_at; /* ms */
    unsigned n_queries;
    struct slurm_node *nodes;
    size_t n_nodes, nodes_capacity;
    int epoll;
};

/* ---- slurm_job.c ---- */

int slurm_job_ask(struct slurm *slurm, struct error *err) MUST_USE;
/* Goes on as far as that goes without waiting; negative: the allocation is over, or will
 * never be. */
int slurm_job_step(struct slurm *slurm, struct error *err) MUST_USE;
/* After the end of an allocation: 0 when it has served, nobody has cancelled it, and it
 * was we who asked for it; else why there is to be no other one. */
int slurm_job_may_renew(const struct slurm *slurm, struct error *err) MUST_USE;
/* Asks for another one; no link into the old one may be left. */
int slurm_job_renew(struct slurm *slurm, struct error *err) MUST_USE;
/* True: it was still in the queue, and is not any more. */
bool slurm_job_withdraw(struct slurm *slurm);
void slurm_job_end(struct slurm *slurm);
bool slurm_is_own_option(const char *name); /* ours, not Slurm's */

/* What a reason to wait means that does not pass by itself; "" for all others. */
const char *slurm_explain_reason(const char *reason);

/* ---- slurm_end.c ---- */

/* Why a program of Slurm's has done nothing, in its words, with what was asked for;
 * owned, NULL: it says nothing. */
char *slurm_refusal(const struct executor_option *options, size_t n_options,
                    struct launch *launch) MUST_USE;

/* Asks Slurm, and waits a few SLURM_COMMAND_MS at most: false when the job still runs.
 * What ended it is in slurm->why then. */
bool slurm_job_is_over(struct slurm *slurm);
/* Of one that is over: what tasks that it has cost are called, and what a person may do
 * (NULL: nothing); NULL: that is not known. */
const char *slurm_loss(const struct slurm *slurm, const char **ret_advice);
/* Runs a program that takes no time and adds its output, and what it says on its standard
 * error (NULL: dropped); waits SLURM_COMMAND_MS at most. */
void slurm_run(const char *const *argv, struct buffer *out, struct buffer *ret_words);
/* "has reached its time limit", for what Slurm calls the state; owned. */
char *slurm_describe_end(const char *what, const char *state) MUST_USE;
/* Slurm has ended it, and not the job itself. */
bool slurm_is_taken_back(const char *state);
/* As slurm_describe_end(), with what may be done about it; *ret_name, borrowed, becomes
 * what a task is called that this has cost, where there is a word for it. */
char *slurm_describe_loss(const char *what, const char *state,
                          const char **ret_name) MUST_USE;
/* The job's state as Slurm has it, owned; NULL: it does not say. */
char *slurm_ask_state(const char *job) MUST_USE;

/* ---- slurm_node.c ---- */

void slurm_node_clear(struct slurm_node *node);
/* True: *ret is the way to its pool. */
bool slurm_node_step(struct slurm *slurm, struct slurm_node *node,
                     struct executor_link *ret);
/* Its pool has ended: another one may be started, after some time. */
void slurm_node_end(struct slurm_node *node);
bool slurm_node_is_lost(const struct slurm_node *node); /* no other one will be */

/* ---- slurm.c ---- */

const char *slurm_option(const struct slurm *slurm, const char *name);
void slurm_watch(struct slurm *slurm, int fd);
void slurm_unwatch(struct slurm *slurm, int fd);

#endif
