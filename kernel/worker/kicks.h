/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SIGURG to job workers that are in the middle of a task, so that they look whether there
 * is better code. One that is in no state to take it lets it pass, so it is sent again,
 * ever more seldom, while the process computes. */
#ifndef ACHAR_WORKER_KICKS_H
#define ACHAR_WORKER_KICKS_H

#include <sys/types.h>

#include "kernel/peer/channel.h"
#include "kernel/worker/zygote.h"

#define KICKS_FIRST_MS 4  /* before the first one is repeated ... */
#define KICKS_LAST_MS 512 /* ... and later ones, at most */

struct kicks {
    pid_t *pids; /* owned */
    size_t n;
    int64_t at; /* ms */
    int wait_ms;
};

/* A ZYGOTE_IMPROVE, done by `work` and answered; from then on these children, which are
 * not reaped without kicks_forget(). */
int kicks_improve(struct kicks *kicks, const struct zygote_work *work,
                  struct channel *channel, const struct frame *frame, const pid_t *pids,
                  size_t n);
void kicks_forget(struct kicks *kicks, pid_t pid);
/* Sends what is due. Returns after how many milliseconds to come again, -1: never. */
int kicks_time(struct kicks *kicks);
void kicks_clear(struct kicks *kicks);

#endif
