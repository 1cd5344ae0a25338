/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An executor says how a pool is started where an engine gives it room, and what carries
 * the bytes: bytes in, bytes out. It knows nothing of payloads or C. One a file, listed
 * in executors.c. */
#ifndef ACHAR_EXECUTORS_EXECUTOR_H
#define ACHAR_EXECUTORS_EXECUTOR_H

#include "kernel/peer/channel.h"
#include "pickler/base/error.h"

struct executor_option {
    const char *name;  /* "workers" for --workers=N */
    const char *value; /* "" when given without a value */
};

struct executor_start {
    struct channel *channel; /* to the pool; owned by the caller */
    void *state;             /* passed to end() */
    int death_fd;            /* readable when the pool has ended, or -1; borrowed */
};

struct executor_type {
    const char *name;    /* "local" */
    const char *summary; /* one line for %lsmagic and help */
    const char *const
        *options; /* NULL-terminated names it takes; anything else is refused */
    /* Checks the options' values when an executor is named, before anything starts. */
    int (*check)(const struct executor_option *options, size_t n_options,
                 struct error *err);
    /* Starts a pool and returns at once; the pool's FRAME_HELLO follows on the channel.
     */
    int (*start)(const struct executor_option *options, size_t n_options,
                 struct executor_start *ret, struct error *err);
    /* Ends what start() began, killing it if it does not end by itself. The channel is
     * already closed. */
    void (*end)(void *state);
};

extern const struct executor_type executor_local;
extern const struct executor_type *const executor_types[]; /* NULL-terminated */

#endif
