/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An executor says where pools are to be had, how one is started there, and what carries
 * the bytes: bytes in, bytes out. It knows nothing of payloads, tasks or C. One type a
 * file, listed in executors.c.
 *
 * An opened executor yields links, one a pool, whenever its engine gives it room; pools
 * come and go. A crew (crew.h) owns an opened executor and its links and calls everything
 * below from one thread at a time. Nothing here waits: what takes time goes on in other
 * processes, and fd() tells when to ask again. */
#ifndef ACHAR_EXECUTORS_EXECUTOR_H
#define ACHAR_EXECUTORS_EXECUTOR_H

#include "kernel/peer/channel.h"
#include "pickler/base/error.h"

struct executor_option {
    const char *name;  /* "workers" for --workers=N; "" for a word after `--` */
    const char *value; /* "" when given without a value */
};

/* A way to one pool. The pool speaks first: its FRAME_HELLO follows on the channel. */
struct executor_link {
    struct channel *channel; /* owned by who has taken the link */
    char *host;              /* what a person calls the place; owned likewise */
    void *state;             /* the executor's own, for end() and why(); may be NULL */
    int death_fd; /* readable when what carries the channel has ended, or -1; borrowed */
};

struct executor_type {
    const char *name;    /* "local" */
    const char *summary; /* one line for help */
    /* NULL-terminated names it takes beside executor_common_options; others are refused
     * before check() is called. */
    const char *const *options;
    /* Takes words after `--`, as options without a name (a command line). */
    bool takes_words;
    bool takes_any; /* options that are not ours are the engine's */
    /* %%remote runs whole cells on ranks (ranks_client.h); other tasks go to pools. */
    bool is_ranks;
    /* What carries the frames is a socket of this machine: they stay whole and are not
     * counted. Else bodies are cut, and credit bounds what is on the way (line.h). */
    bool is_near;
    unsigned lease_ms; /* silence after which a pool is dead, unless --lease says */

    /* Checks the options' values when an executor is named, before anything starts. */
    int (*check)(const struct executor_option *options, size_t n_options,
                 struct error *err);
    /* Begins: asks the engine for room. The options were checked and outlive it. */
    int (*open)(const struct executor_option *options, size_t n_options, void **ret,
                struct error *err);
    /* 1: *ret is a new link; 0: none now, perhaps later; negative: none will ever come,
     * and why. Called again and again: after open(), when fd() is readable, after a
     * link was taken or ended, and about once a second. A link that has ended may be
     * replaced by a new one; who does so bounds how often. */
    int (*next)(void *executor, struct executor_link *ret, struct error *err);
    /* Readable when next() or status() has news, -1: never; borrowed. NULL: never. */
    int (*fd)(const void *executor);
    /* What a person should know of pools that have not come ("pending: Resources,
     * position 3"), added to `ret`; nothing when there is nothing to say. NULL: never. */
    void (*status)(const void *executor, struct buffer *ret);
    /* Why a link has ended, as far as the executor knows (the last lines of a launcher's
     * stderr), added to `ret`; called before end(). NULL: it never knows. */
    void (*why)(void *executor, void *state, struct buffer *ret);
    /* True when the engine has taken back what it gave; asked when a SIGTERM has ended a
     * task, which may be the engine's before it ends the pool. NULL: it never does. */
    bool (*is_over)(void *executor);
    /* What a task is called that has ended with its pool when the engine had taken back
     * what it gave ("AllocationTimeLimit"; borrowed), with what has happened and what may
     * be done about it; NULL: the engine has not. Called after why(). NULL: it never
     * does.
     */
    const char *(*loss)(void *executor, struct buffer *ret_why,
                        struct buffer *ret_advice);
    /* next() has said that nothing more will come. Is the engine worth asking again, once
     * all links were ended and tasks wait? Then, with `is_wanted`: asks it. Negative: no,
     * and why. NULL: it never is. */
    int (*renew)(void *executor, bool is_wanted, struct error *err);
    /* No task waits any more and no link has ever come: true when the engine was asked to
     * forget what it was asked for, and nothing will come. NULL: it never does. */
    bool (*withdraw)(void *executor);
    /* Ends what next() began, killing it if it does not end by itself. The channel is
     * already closed. */
    void (*end)(void *executor, void *state);
    /* All links were ended. */
    void (*close)(void *executor);
};

extern const struct executor_type executor_local;
extern const struct executor_type executor_mpi;
extern const struct executor_type executor_command;
extern const struct executor_type executor_slurm;
extern const struct executor_type executor_ssh;
extern const struct executor_type *const executor_types[]; /* NULL-terminated */

/* Options that every type takes, NULL-terminated: --lease SECONDS, --prestart[=N]. */
extern const char *const executor_common_options[];

#define EXECUTOR_PRESTART_MAX 512

/* True: it begins when it is named, not with the first call. *ret_n: job workers that
 * each pool keeps ready beside those in use; 0: as many as it likes. */
bool executor_prestarts(const struct executor_option *options, size_t n_options,
                        unsigned *ret_n);

/* NULL when there is no option of that name; else its last value. */
const char *executor_option(const struct executor_option *options, size_t n_options,
                            const char *name);
/* A number from 1 to `max`, or `ret` untouched when the option is not given. */
int executor_number(const struct executor_option *options, size_t n_options,
                    const char *name, unsigned max, unsigned *ret,
                    struct error *err) MUST_USE;
/* Names and common values, then type->check(). */
int executor_check(const struct executor_type *type,
                   const struct executor_option *options, size_t n_options,
                   struct error *err) MUST_USE;

#endif
