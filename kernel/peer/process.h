/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Starting our own helper processes. They are separate executables beside `achar` (or in
 * ../libexec/achar of an installation), so that libclang, libtcc and the keys are never
 * in one address space. A helper speaks frames on descriptor PROCESS_CHANNEL_FD; its 0 is
 * /dev/null or a terminal; it dies with its parent. */
#ifndef ACHAR_PEER_PROCESS_H
#define ACHAR_PEER_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "kernel/peer/channel.h"

#define PROCESS_CHANNEL_FD 3
#define PROCESS_MEMORY_FD 4 /* of process_start_near() */
#define PROCESS_PIPE_SIZE                                                                \
    (256 << 10) /* bytes of output that a process is ahead of us                         \
                 */

struct process {
    pid_t pid; /* 0: none */
    int pidfd; /* -1: none; readable when it has ended */
    struct channel *channel;
    int out,
        err; /* read ends of its stdout and stderr, -1 when not captured; non-blocking */
    uint32_t generation;
};

/* Owned path of a helper ("achar-worker"): $ACHAR_LIBEXEC, beside this executable, then
 * ../libexec/achar. */
char *process_helper_path(const char *name) MUST_USE;

/* argv[0] is the helper's name. Captures stdout and stderr when is_captured, else they
 * are inherited. `input` becomes its descriptor 0 (-1: /dev/null); it leads a session of
 * its own then. The child has default signal handling and an empty signal mask. */
int process_start(const char *const *argv, bool is_captured, int input,
                  uint32_t generation, struct process *ret, struct error *err) MUST_USE;

/* As process_start(), not captured, with a channel through shared memory, whose
 * descriptor is the helper's PROCESS_MEMORY_FD (memory_channel.h). */
int process_start_near(const char *const *argv, uint32_t generation, struct process *ret,
                       struct error *err) MUST_USE;

/* Makes the read end of a pipe of output ready for us. */
void process_set_pipe(int fd);

/* Closes its channel, which asks a helper to end, and gives it this long before
 * process_end(). */
void process_leave(struct process *process, int timeout_ms);

/* Kills it if it still runs, reaps it and releases everything. Returns the wait status,
 * or -1 when there was no process. */
int process_end(struct process *process);

/* Its first thread runs or could: false while it waits for something. */
bool process_is_computing(pid_t pid);
/* Processor time that a process of this user has had, in us; 0: it is gone. */
uint64_t process_had_us(pid_t pid);

/* True when it has ended: *ret_status gets the wait status (it is reaped). */
bool process_has_ended(struct process *process, int *ret_status);

#endif
