/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process of an engine that starts ranks: mpirun, srun, or what stands for them. It is
 * only asked to start; that the ranks live or die is heard from themselves. */
#ifndef ACHAR_POOL_LAUNCHER_H
#define ACHAR_POOL_LAUNCHER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"
#include "pickler/base/folder.h"

#define LAUNCHER_TEXT_MAX 8192  /* of what it printed, the last bytes */
#define LAUNCHER_END_US 3000000 /* from SIGTERM to SIGKILL */
#define LAUNCHER_FDS 2
#define LAUNCHER_MARKED_MAX (1u << 20) /* bytes of lines for us */

struct launcher {
    pid_t pid;             /* leads a session; 0: none */
    int fds[LAUNCHER_FDS]; /* its stdout and stderr, -1: closed */
    struct buffer text;
    char *mark; /* lines of its stdout with this in them are for us; NULL: none are */
    struct buffer line;   /* of its stdout, incomplete */
    struct buffer marked; /* what stood behind marks, a line each */
    struct folder folder; /* of what it leaves behind, removed in the end */
    uint64_t kill_at;     /* us; 0: it has not been asked to end */
};

/* Runs words[0] with the rest and `last` (n of them) behind; `mark` is copied. */
int launcher_start(char *const *words, size_t n_words, const char *const *last, size_t n,
                   const char *mark, struct launcher *ret, struct error *err) MUST_USE;
void launcher_watch(const struct launcher *launcher, struct pollfd *fds);
void launcher_read(struct launcher *launcher, const struct pollfd *fds);
/* What stood behind the mark in the next line that had it; owned, NULL: none. */
char *launcher_next_marked(struct launcher *launcher) MUST_USE;
/* Asks it to end; launcher_is_over() kills it when it is time. */
void launcher_end(struct launcher *launcher, uint64_t now);
/* It has ended, and its text is complete; nothing is released. */
bool launcher_has_ended(struct launcher *launcher);
/* True when it has ended: everything of it is released then. */
bool launcher_is_over(struct launcher *launcher, uint64_t now);
void launcher_kill(struct launcher *launcher);

#endif
