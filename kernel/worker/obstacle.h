/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a checkpoint could not give back: state that does not live in this process's own
 * memory (threads, pipes, locks, shared memory, children), and memory above the budget.
 * What it can give back although fork() does not, the position of open files and the
 * interval timers, is noted on the way. */
#ifndef ACHAR_WORKER_OBSTACLE_H
#define ACHAR_WORKER_OBSTACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

#define OBSTACLE_FILES_MAX                                                               \
    64 /* open files whose position is noted; more: an obstacle                          \
        */

struct open_file {
    int fd;
    dev_t device;
    ino_t inode;
    off_t position, size;
    int flags; /* that fcntl() can set */
    struct timespec modified;
};

struct surroundings {
    struct open_file files[OBSTACLE_FILES_MAX];
    size_t n_files;
    struct itimerval timers[3]; /* real, virtual, profiling */
    uint64_t bytes;             /* memory of this process's own */
};

/* The descriptors that are open now are the worker's, not the cells'; once, before any
 * cell runs. */
void obstacle_init(void);
/* So is this one from now on. */
void obstacle_own(int fd);

/* Looks around. NULL: nothing is in the way of a checkpoint. Else why there can be none,
 * to be read after "the session "; the text is static. */
const char *obstacle_find(uint64_t budget, struct surroundings *ret);

/* In a process that takes over: puts back what fork() has not carried. Calls `changed`
 * for every file that was written to meanwhile. */
void obstacle_restore(const struct surroundings *surroundings,
                      void (*changed)(void *context, const char *path), void *context);

#endif
