/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Each ends in a jump to the library's function, so that no frame of ours is between it
 * and the cell: what waits there can be interrupted as ever (trace.h). */
#include "kernel/worker/waits.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __clang__
#define JUMPS
#else
#define JUMPS __attribute__((optimize("O2"))) /* also in builds without optimisation */
#endif

void waits_flush(void)
{
    if (stdout->_IO_write_ptr > stdout->_IO_write_base)
        fflush(stdout);
}

JUMPS static ssize_t wait_read(int fd, void *to, size_t size)
{
    if (fd == STDIN_FILENO)
        waits_flush();
    return read(fd, to, size);
}

JUMPS static ssize_t wait_readv(int fd, const struct iovec *parts, int n)
{
    if (fd == STDIN_FILENO)
        waits_flush();
    return readv(fd, parts, n);
}

JUMPS static int wait_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    if (timeout)
        waits_flush();
    return poll(fds, n, timeout);
}

JUMPS static int wait_select(int n, fd_set *in, fd_set *out, fd_set *errors,
                             struct timeval *timeout)
{
    waits_flush();
    return select(n, in, out, errors, timeout);
}

JUMPS static int wait_epoll(int set, struct epoll_event *events, int n, int timeout)
{
    if (timeout)
        waits_flush();
    return epoll_wait(set, events, n, timeout);
}

JUMPS static unsigned wait_sleep(unsigned seconds)
{
    waits_flush();
    return sleep(seconds);
}

JUMPS static int wait_usleep(useconds_t time)
{
    if (time >= SHORT_WAIT_NS / 1000)
        waits_flush();
    return usleep(time);
}

JUMPS static int wait_nanosleep(const struct timespec *time, struct timespec *left)
{
    if (time && (time->tv_sec || time->tv_nsec >= SHORT_WAIT_NS))
        waits_flush();
    return nanosleep(time, left);
}

JUMPS static int wait_pause(void)
{
    waits_flush();
    return pause();
}

JUMPS static pid_t wait_wait(int *status)
{
    waits_flush();
    return wait(status);
}

JUMPS static pid_t wait_waitpid(pid_t pid, int *status, int options)
{
    if (!(options & WNOHANG))
        waits_flush();
    return waitpid(pid, status, options);
}

void *waits_find(const char *name)
{
    static const struct {
        const char *name;
        void *address;
    } list[] = {
        {"read", wait_read},       {"readv", wait_readv}, {"poll", wait_poll},
        {"select", wait_select},   {"sleep", wait_sleep}, {"epoll_wait", wait_epoll},
        {"usleep", wait_usleep},   {"pause", wait_pause}, {"nanosleep", wait_nanosleep},
        {"waitpid", wait_waitpid}, {"wait", wait_wait},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!strcmp(list[i].name, name))
            return list[i].address;
    return NULL;
}
