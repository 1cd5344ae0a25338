/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/strays.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void remove_at(struct strays *strays, size_t i)
{
    session_events_drop(&strays->at[i].events);
    close(strays->at[i].fd);
    strays->n--;
    memmove(strays->at + i, strays->at + i + 1, (strays->n - i) * sizeof(*strays->at));
}

void strays_clear(struct strays *strays)
{
    while (strays->n)
        remove_at(strays, strays->n - 1);
}

void strays_add(struct strays *strays, int fd, bool is_stderr,
                const struct session_events *events)
{
    if (strays->n == STRAYS_MAX)
        remove_at(strays, 0);
    strays->at[strays->n++] = (struct stray){fd, is_stderr, session_events_keep(events)};
}

size_t strays_watch(const struct strays *strays, struct pollfd *fds)
{
    for (size_t i = 0; i < strays->n; i++)
        fds[i] = (struct pollfd){.fd = strays->at[i].fd, .events = POLLIN};
    return strays->n;
}

void strays_read(struct strays *strays, const struct pollfd *fds)
{
    char text[STRAYS_READ_SIZE];
    for (size_t i = strays->n; i-- > 0;) {
        struct stray *stray = &strays->at[i];
        if (!fds[i].revents)
            continue;
        ssize_t n = read(stray->fd, text, sizeof(text));
        if (n > 0)
            stray->events.stream(stray->events.context, stray->is_stderr, text,
                                 (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            remove_at(strays, i);
    }
}
