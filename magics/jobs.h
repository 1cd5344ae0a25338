/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The jobs of a session: work that was sent to executors and goes on while other cells
 * run. A job is one expression or cell, or a function or body over many indices, cut into
 * tasks. Code and state are those of its submission; what it brings home waits here until
 * %wait takes it.
 *
 * Everything happens on the session's thread: jobs_pump() is called by the magic that
 * waits, and by the session while code runs or nothing does (session_set_aside()). It
 * never waits and never touches the session. */
#ifndef ACHAR_MAGICS_JOBS_H
#define ACHAR_MAGICS_JOBS_H

#include "magics/context.h"

#define JOBS_KEPT_MAX 200 /* that have ended and been taken; older ones are forgotten */
#define JOBS_MAX 1000     /* in all */
/* Bytes of results and inputs in memory; the rest goes to disk, and when there is too
 * much, no more is run. $ACHAR_JOBS_MEMORY and $ACHAR_JOBS_DISK ("64MB") say otherwise.
 */
#define JOBS_MEMORY_MAX ((uint64_t)256 << 20)
#define JOBS_DISK_MAX ((uint64_t)16 << 30)
#define JOB_LOG_MAX ((size_t)4 << 20) /* bytes of a job's output; the end is kept */
#define JOB_FAILURES_MAX 20 /* failed elements; then the rest of the job is not tried */

struct job;
struct jobs;

struct jobs *jobs_new(void) MUST_USE;
void jobs_free(struct jobs *jobs); /* ends what runs, but for what is durable */

enum job_state {
    JOB_WAITING, /* not begun: an engine has not given it room */
    JOB_RUNNING,
    JOB_DONE,
    JOB_FAILED, /* all of it or some elements */
    JOB_CANCELLED,
};

/* A job that something outside of this process carries and that outlives the kernel, such
 * as a batch job of an engine. It is one of the list like any other; its carrier answers
 * for it. All calls return at once; a negative one leaves the job as it is. */
struct job_carrier {
    /* Brings state and progress up to date, by job_set_state() and job_take_result().
     * Called for %jobs, and about once a second while somebody waits. */
    int (*look)(struct job *job, void *state, struct error *err);
    int (*cancel)(struct job *job, void *state, struct error *err);
    /* All that it has printed so far. */
    int (*read_log)(struct job *job, void *state, struct buffer *ret, struct error *err);
    void (*free)(void *state); /* the job itself goes on */
};

/* `detail`, what a person should know of it ("pending: Priority"), or NULL. */
void job_set_state(struct job *job, enum job_state state, const char *detail);
/* How elements [from, from + count) ended, once each: takes the outcome; values are those
 * of a task's result, copied. */
void job_take_result(struct job *job, uint64_t from, uint64_t count,
                     struct outcome *outcome, const void *values, size_t size);
const char *job_name(const struct job *job);

/* By name or number; NULL: there is none, and the result says so. */
struct job *jobs_find(struct jobs *jobs, const char *word, struct result *result);

int jobs_fd(const struct jobs *jobs); /* readable when jobs_pump() has something to do */
void jobs_pump(struct jobs *jobs);
/* Before a crew goes away: its jobs end as lost. */
struct crew;
void jobs_leave_crew(struct jobs *jobs, struct crew *crew);

#endif
