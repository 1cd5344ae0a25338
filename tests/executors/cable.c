/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cable FILE COMMAND...: a cable between a front and the pool that COMMAND starts, for
 * tests. When FILE is there it takes that away and is cut: nothing goes through any more,
 * in either direction, and nothing is closed, whatever becomes of who has started it. It
 * ends with the pool. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20
#define CUT_S 120 /* no test lasts longer */

static bool copy(int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));
    if (n < 0)
        return errno == EINTR;
    for (ssize_t done = 0, w; done < n; done += w)
        if ((w = write(to, bytes + done, (size_t)(n - done))) <= 0)
            return false;
    return n > 0;
}

static int end_cut(pid_t pool)
{
    for (time_t end = time(NULL) + CUT_S; time(NULL) < end;) {
        if (waitpid(pool, NULL, WNOHANG) == pool)
            return 0;
        poll(NULL, 0, LOOK_MS);
    }
    return 1;
}

static int carry(const char *file, pid_t pool, int to, int from)
{
    struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = from, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, 2, LOOK_MS);
        if (unlink(file) == 0)
            return end_cut(pool);
        if (n > 0 && fds[0].revents && !copy(0, to)) {
            close(to);
            fds[0].fd = -1;
        }
        if (n > 0 && fds[1].revents && !copy(from, 1))
            return waitpid(pool, NULL, 0) == pool ? 0 : 1;
    }
}

static int run(const char *file, char **command)
{
    int to[2], from[2];
    if (setsid() < 0 || pipe(to) < 0 || pipe(from) < 0)
        return 1;
    pid_t pool = fork();
    if (pool == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execv(command[0], command);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    return pool < 0 ? 1 : carry(file, pool, to[1], from[0]);
}

int main(int argc, char **argv)
{
    int status = 1;
    if (argc < 3)
        return 2;
    pid_t cable = fork(); /* lives on when this one, which the front knows, is killed */
    if (cable == 0)
        _exit(run(argv[1], argv + 2));
    while (waitpid(cable, &status, 0) < 0 && errno == EINTR)
        ;
    return status ? 1 : 0;
}
