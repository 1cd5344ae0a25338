/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Loaded before a pool's libraries ($LD_PRELOAD): its connection leads to the relay of a
 * test ($ACHAR_TEST_RELAY, a port of this host), which is told where it was to lead to:
 * "ADDRESS PORT\n". */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int connect_function(int fd, const struct sockaddr *address, socklen_t size);

static connect_function *real_connect(void)
{
    void *found = dlsym(RTLD_NEXT, "connect");
    connect_function *function;
    memcpy(&function, &found, sizeof(function));
    return function;
}

/* Not for programs that the pool starts. */
__attribute__((constructor)) static void begin(void)
{
    unsetenv("LD_PRELOAD");
}

__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *address,
                                                   socklen_t size)
{
    const char *relay = getenv("ACHAR_TEST_RELAY");
    char name[INET_ADDRSTRLEN], line[64];
    struct sockaddr_in to;
    if (!relay || address->sa_family != AF_INET || size < sizeof(to))
        return real_connect()(fd, address, size);
    memcpy(&to, address, sizeof(to));
    inet_ntop(AF_INET, &to.sin_addr, name, sizeof(name));
    int n = snprintf(line, sizeof(line), "%s %d\n", name, ntohs(to.sin_port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)strtol(relay, NULL, 10));
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    int r = real_connect()(fd, (const struct sockaddr *)&to, sizeof(to));
    if (r == 0 && send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
        r = -1;
    int code = errno;
    fcntl(fd, F_SETFL, flags);
    errno = code;
    return r;
}
