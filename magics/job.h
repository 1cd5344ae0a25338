/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of a job, for the files that make jobs: job.c (its tasks and how it ends),
 * job_results.c (how they end),
 * job_parts.c (what came home), job_log.c (what was printed), job_start.c (from a payload
 * to a job), job_wait.c (waiting and taking the results), job_show.c (how it looks), and
 * job_batch.c (those that an engine carries), and
 * jobs.c (all of them). */
#ifndef ACHAR_MAGICS_JOB_H
#define ACHAR_MAGICS_JOB_H

#include "magics/capture.h"
#include "magics/job_options.h"
#include "magics/jobs.h"

enum job_kind {
    JOB_CALL,  /* one value */
    JOB_STATE, /* a cell; its result holds variables */
    JOB_MAP,   /* elements of an array */
    JOB_RANGE, /* indices; a task's result has one value graph for each target */
};

struct job_task {
    uint64_t from, count;
    uint32_t id;      /* with the crew; 0: not sent */
    unsigned n_tries; /* that have failed */
    int64_t deadline; /* ms; 0: none */
    bool is_late;     /* is being cancelled for its time */
    char *crash;      /* how the last try ended, to know the same again; NULL: none has */
    struct buffer line[2]; /* output that waits for the end of its line, or task */
};

/* Cuts elements into tasks as they are needed. */
struct job_cutter {
    uint64_t at, count; /* of `count` elements, those from `at` on are left */
    uint64_t size, max; /* of the next task, of any */
    uint64_t n, n_workers;
};

/* Bytes that are kept for later: in memory, or in the file of the store. */
struct job_bytes {
    char *data; /* NULL: in the file */
    size_t size;
    int64_t offset;
};

/* Input elements, taken at submission; or values that came home. */
struct job_part {
    uint64_t from, count;
    struct job_bytes bytes;
};

struct job_failure {
    uint64_t index, count; /* elements; more than one when nobody knows which had begun */
    struct outcome outcome;
};

/* Where results go. */
struct job_target {
    char *text;          /* what the user calls it */
    char *pointer;       /* expression that points to it, or to its first element */
    char *spelling;      /* of the type that it had at submission */
    uint32_t definition; /* that its first name had then; 0: none is known */
    bool has_digest;     /* of its value then: */
    uint8_t digest[PAYLOAD_HASH_SIZE];
    struct session_place place; /* for the magic that submits and waits at once */
};

struct job_log {
    struct buffer text; /* pieces, one after the other */
    struct job_piece {
        size_t size;
        int stream; /* 1, 2; 0: a packed bundle */
    } *pieces;
    size_t n_pieces, capacity;
    size_t n_shown, shown_size; /* pieces that a cell has shown, and their bytes */
    uint64_t n_lost;            /* bytes left out */
};

/* Makes a task's argument out of the session; only while a magic waits. */
struct job_feed {
    int (*make)(void *context, uint64_t from, uint64_t count, struct buffer *ret,
                struct result *result, struct error *err);
    void *context;
};

struct job {
    struct jobs *jobs;
    uint32_t number; /* 0: the magic that made it waits for it */
    uint32_t serial; /* of all jobs, for its display */
    char *name;      /* NULL: none */
    enum job_kind kind;
    enum job_state state;
    char *what, *executor, *detail;
    uint32_t cell, line; /* where it was submitted */
    struct job_options options;
    struct crew *crew; /* NULL: none (any more) */
    struct packed_payload packed;
    bool has_parcel;       /* the crew keeps it for this job */
    uint64_t first, count; /* elements [first, first + count) */
    uint64_t n_done, n_failed;
    struct job_cutter cutter;
    struct job_task *tasks; /* cut, and waiting or sent */
    size_t n_tasks, tasks_capacity, n_sent;
    size_t n_answered;       /* tasks; what went is in sent_bytes */
    double began;            /* ms, as job_now(); when the first was sent */
    struct job_part *inputs; /* of a job that outlives its cell, in order */
    size_t n_inputs, inputs_capacity;
    struct job_part *parts; /* came home and are not taken yet */
    size_t n_parts, parts_capacity;
    struct job_target *targets;
    size_t n_targets;
    struct job_failure failures[JOB_FAILURES_MAX];
    size_t n_failures;
    char **strays; /* variables that the body changed and that do not come home */
    size_t n_strays;
    char *value_text; /* of a call */
    struct bundle value_more;
    struct job_log log;
    uint64_t sent_bytes, home_bytes;
    bool is_sending; /* one of its tasks is in nobody's list */
    bool is_cancelled, is_taken;
    bool is_awaited;         /* its results are taken as they come */
    bool has_session_feed;   /* inputs are made by who waits: jobs_pump() sends nothing */
    double submitted, ended; /* ms */
    /* The display that shows it, updated in place. */
    struct session_events events; /* of the cell that submitted it; {0}: none */
    bool is_shown;
    double shown; /* ms; when it was updated last */
    const struct job_carrier *carrier;
    void *carried;
    int64_t looked; /* ms; when the carrier was asked last */
};

double job_now(void); /* ms */

/* job.c */
struct job *job_new(enum job_kind kind, const char *what);
void job_free(struct job *job);
DEFINE_FREEP(struct job, job_free)
static inline bool job_is_over(const struct job *job)
{
    return job->state >= JOB_DONE;
}
static inline bool job_has_many(const struct job *job)
{
    return job->kind == JOB_MAP || job->kind == JOB_RANGE;
}
struct job_cutter job_cutter(const struct job *job); /* for the workers of its crew */
/* The next task; false: there are no more. */
bool job_cut(struct job_cutter *cutter, uint64_t *ret_from, uint64_t *ret_count);
/* Sends tasks as far as there is room. feed NULL: only those whose argument is here. */
int job_send(struct job *job, const struct job_feed *feed, struct result *result,
             struct error *err) MUST_USE;
/* What a task is given; `feed` where the session has the elements. */
int job_make_argument(const struct job *job, uint64_t from, uint64_t count,
                      const struct job_feed *feed, struct buffer *ret,
                      struct result *result, struct error *err) MUST_USE;
void job_check_time(struct job *job, int64_t now);
int64_t job_due(const struct job *job); /* ms; INT64_MAX: nothing */
/* An error: what carries it does not take the order, and the job goes on. */
int job_cancel(struct job *job, struct error *err);
void job_lose(struct job *job, const char *why); /* its crew is gone */
void job_finish(struct job *job);                /* it ends when nothing is open */
void job_task_clear(struct job_task *task);
void job_add_task(struct job *job, struct job_task task); /* takes it */
void job_remove_task(struct job *job, size_t i);
/* Of all sent tasks of all jobs of this crew. */
size_t jobs_n_sent(const struct jobs *jobs, const struct crew *crew);

/* job_results.c */
/* An event of one of its tasks; true when it was. Takes the outcome. */
bool job_take_event(struct job *job, struct pool_event *event);

/* job_parts.c */
void job_bytes_clear(struct job_bytes *bytes, struct jobs *jobs);
/* False: there is no room for them. */
bool job_bytes_keep(struct jobs *jobs, const void *data, size_t size,
                    struct job_bytes *ret) MUST_USE;
/* *ret_owned is freed by the caller; NULL on a read error. */
const char *job_bytes_read(const struct jobs *jobs, const struct job_bytes *bytes,
                           char **ret_owned);
void job_drop_parts(struct job *job);
void job_drop_inputs(struct job *job);
bool jobs_have_memory(const struct jobs *jobs, size_t size); /* for so much more */
/* So many results have not been taken that jobs pause, but for one that is waited for. */
bool jobs_are_full(const struct jobs *jobs);
static inline bool job_is_paused(const struct job *job)
{
    return job->jobs && !job_is_over(job) && !job->is_cancelled && !job->is_awaited &&
           !job->carrier && jobs_are_full(job->jobs);
}
void jobs_count_bytes(struct jobs *jobs, int64_t memory, int64_t disk);
void jobs_bytes(const struct jobs *jobs, uint64_t *ret_memory, uint64_t *ret_disk);
int jobs_file(struct jobs *jobs); /* opened when first needed; -1: cannot */
int64_t jobs_file_end(struct jobs *jobs, size_t size); /* room at its end */

/* job_log.c */
void job_log_clear(struct job_log *log);
void job_log_add(struct job_log *log, int stream, const void *data, size_t size);
/* What a task has printed: labelled, when the job has several tasks. */
void job_log_output(struct job *job, struct job_task *task, int stream, const char *text,
                    size_t size);
void job_log_end(struct job *job, struct job_task *task); /* it will print no more */
/* Into the cell, what it has not shown yet (or all that there is). */
void job_log_show(struct job *job, bool all, const struct session_events *events);

/* job_show.c */
const char *job_state_name(const struct job *job);
/* Its progress, in the display that it has; `is_last`: whatever the time. */
void job_show(struct job *job, const struct session_events *events, bool is_last);
/* Shows it for the first time, in the cell that submitted it. */
void job_announce(struct job *job, const struct session_events *events);
void jobs_table(struct jobs *jobs, struct bundle *ret);
void job_describe(const struct job *job, struct buffer *out);

/* job_start.c */
/* Sends a payload to the job's executor; takes the job. Waits for it and takes its
 * results, or, with --async, hands it to the list and says so. */
int job_start(struct magic_context *context, struct job *job, struct payload *payload,
              const struct job_feed *feed, struct result *result,
              struct error *err) MUST_USE;

/* job_batch.c */
/* As job_start() for --batch: gives it to the executor's engine, and to the list. */
int job_batch_start(struct magic_context *context, struct job *job,
                    const struct payload *payload, const struct job_feed *feed,
                    struct result *result, struct error *err) MUST_USE;
/* One of an earlier kernel, by its name ("slurm-12"): it is in the list then. NULL after
 * a mistake, told in the result. `executor` NULL: the default. */
struct job *job_batch_find(struct magic_context *context, const char *name,
                           const char *executor, struct result *result);
bool job_batch_is_name(const char *name);

/* job_target.c */
/* Adds a place for results; `pointer` is an expression that points to it. */
void job_add_target(struct job *job, const char *text, const char *pointer,
                    const struct session_place *place);
/* Finds the targets again, for a job that was submitted by an earlier cell; says which
 * have changed since. False when results do not fit any more, told in the result. */
bool job_find_targets(struct magic_context *context, struct job *job,
                      struct result *result, int *ret_error, struct error *err);
/* Remembers what the targets are now, for that. */
int job_note_targets(struct magic_context *context, struct job *job,
                     struct error *err) MUST_USE;
/* Moves what has come home into the session. */
int job_deliver(struct magic_context *context, struct job *job, struct result *result,
                struct error *err) MUST_USE;

/* job_wait.c */
/* Until the job is over: output and progress go into the cell, results into the session.
 * An interrupt cancels it. With only_look, nothing is taken, and an interrupt just ends
 * the looking. */
int job_wait(struct magic_context *context, struct job *job, const struct job_feed *feed,
             bool only_look, struct result *result, struct error *err) MUST_USE;

/* Cancels it and waits until nothing of it runs; errors as of job_cancel(). */
int job_end(struct magic_context *context, struct job *job, struct error *err);

/* jobs.c */
/* As jobs_pump(), also at jobs that something else carries. */
void jobs_look(struct jobs *jobs);
/* Waits for news of this crew's tasks (NULL: none) or others', the interrupt or the time;
 * then as jobs_pump(). */
void jobs_wait(struct jobs *jobs, struct crew *crew, int interrupt_fd, int timeout_ms);
void jobs_add(struct jobs *jobs, struct job *job);      /* the list's from then on */
struct job *jobs_at(const struct jobs *jobs, size_t i); /* NULL: no more */
void jobs_remove(struct jobs *jobs, struct job *job);   /* and frees it */
void jobs_watch(struct jobs *jobs, struct crew *crew);
const char *jobs_mark(const struct jobs *jobs); /* tells kernels apart, for displays */

#endif
