/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Descriptors that ride on a message of a unix socket. */
#ifndef ACHAR_PEER_DESCRIPTORS_H
#define ACHAR_PEER_DESCRIPTORS_H

#include <stddef.h>
#include <sys/socket.h>

#include "kernel/peer/channel.h"

union descriptors {
    char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
    struct cmsghdr align;
};

/* Makes the message carry them; `room` lasts as long as the message. */
void descriptors_attach(struct msghdr *message, union descriptors *room, const int *fds,
                        size_t n);
/* Adds those of a message that was received to `fds`; closes what has no room there. */
void descriptors_keep(struct msghdr *message, int *fds, size_t *n_fds, size_t n_max);

#endif
