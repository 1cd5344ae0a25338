/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pipes of earlier cells that programs which those cells have started still write to:
 * what comes belongs to its cell, whatever runs now. */
#ifndef ACHAR_SESSION_STRAYS_H
#define ACHAR_SESSION_STRAYS_H

#include <poll.h>

#include "kernel/session/session.h"

#define STRAYS_MAX 64 /* pipes; when one more comes, the oldest is closed */
#define STRAYS_READ_SIZE (64u << 10)

struct stray {
    int fd;
    bool is_stderr;
    struct session_events events; /* with a context of its own */
};

struct strays {
    struct stray at[STRAYS_MAX];
    size_t n;
};

/* Takes the descriptor; events with ask and the like keep their context alive. */
void strays_add(struct strays *strays, int fd, bool is_stderr,
                const struct session_events *events);
void strays_clear(struct strays *strays);

/* What to wait for; returns how many. */
size_t strays_watch(const struct strays *strays, struct pollfd *fds);
/* Reads once from each that is ready, and closes those that have ended. */
void strays_read(struct strays *strays, const struct pollfd *fds);

#endif
