/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program of an engine (srun, squeue, ssh) as our child: we hold its standard input and
 * output as one socket, and keep the last of what it says on its standard error. It leads
 * a session of its own: a Ctrl-C in a terminal is not for it. Nothing here waits but
 * launch_end(). */
#ifndef ACHAR_EXECUTORS_LAUNCH_H
#define ACHAR_EXECUTORS_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define LAUNCH_WORDS_MAX 4096 /* bytes of standard error that are kept: the last ones */

struct launch {
    pid_t pid;  /* 0: none, or it has ended and was reaped */
    int pidfd;  /* readable when it has ended; -1: none */
    int fd;     /* its input and output, non-blocking; -1: given away or closed */
    int err;    /* non-blocking; -1: closed */
    int status; /* wait status, once it was reaped */
    struct buffer words; /* the end of its standard error */
};

#define LAUNCH_NONE {.pidfd = -1, .fd = -1, .err = -1}

/* Finds argv[0] in $PATH. What describes a job that this process itself runs in
 * ($SLURM_...) is not handed on: it would change what srun does. */
int launch_start(const char *const *argv, struct launch *ret, struct error *err) MUST_USE;

/* Takes what is there of its standard error. */
void launch_listen(struct launch *launch);
/* Adds what is there of its output, at most `max` bytes in all; false: its output has
 * ended, or is larger. */
bool launch_read(struct launch *launch, struct buffer *out, size_t max);
/* True when it has ended; its status is in launch->status then. */
bool launch_has_ended(struct launch *launch);
/* What it said last on its standard error, an error rather than anything else; owned
 * line, NULL: nothing. */
char *launch_last_line(struct launch *launch) MUST_USE;

/* Closes its input and gives it so long to end, then to heed SIGTERM, before it is
 * killed. Releases everything. Returns its wait status. */
int launch_end(struct launch *launch, int timeout_ms);

#endif
