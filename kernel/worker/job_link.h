/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job worker's way to the pool: a lane for what is small, beside it a socket for the
 * rest. It waits, and when the pool is gone the process ends. Nothing is kept here, since
 * memory is put back between tasks. */
#ifndef ACHAR_WORKER_JOB_LINK_H
#define ACHAR_WORKER_JOB_LINK_H

#include "kernel/peer/lane.h"
#include "pickler/base/buffer.h"

#define JOB_LINK_ROOM 1024 /* larger tasks go to memory of their own */

struct job_link {
    struct lane_shared *lane; /* NULL: it takes one task, which comes by the socket */
    int fd;                   /* the socket; it may wait */
    char *inbox;              /* for what the kernel fills; without a lane there is room
                                 for JOB_LINK_ROOM bytes behind it */
};

struct job_task {
    uint32_t id;
    const char *data;
    size_t size;
    bool is_in_lane; /* lane_finish() when it is over */
};

/* Until there is a task. */
void job_link_wait(const struct job_link *link, struct job_task *ret);
void job_link_write(const struct job_link *link, uint16_t kind, uint32_t id,
                    const char *data, size_t size);
/* The pool may sleep for the results that are in the lane. */
void job_link_tell(const struct job_link *link);
/* A large answer; false: it must go as bytes. */
bool job_link_answer_file(const struct job_link *link, uint32_t id,
                          const struct buffer *answer);

#endif
