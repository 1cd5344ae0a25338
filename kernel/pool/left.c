/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/left.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "pickler/base/clock.h"

#define GRACE_MS 5000 /* from the end of a launcher's input to its signal, and more */

/* False when it has ended. What it says is dropped. */
static bool read_away(int fd)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        ;
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

void left_run(const char *command, int fd, unsigned patience_ms)
{
    int64_t end = clock_ms() + patience_ms, left;
    struct pollfd input = {.fd = fd, .events = POLLIN};
    while ((left = end - clock_ms()) > 0)
        if (poll(&input, 1, (int)left) > 0 && !read_away(fd))
            break;
    if (left > 0)
        poll(NULL, 0, left < GRACE_MS ? (int)left : GRACE_MS);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
}
