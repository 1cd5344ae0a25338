/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/descriptors.h"

#include <string.h>
#include <unistd.h>

void descriptors_attach(struct msghdr *message, union descriptors *room, const int *fds,
                        size_t n)
{
    message->msg_control = room->bytes;
    message->msg_controllen = CMSG_SPACE(n * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

void descriptors_keep(struct msghdr *message, int *fds, size_t *n_fds, size_t n_max)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (*n_fds < n_max)
                fds[(*n_fds)++] = fd;
            else
                close(fd);
        }
    }
}
