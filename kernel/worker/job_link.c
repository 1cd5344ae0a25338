/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/job_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/peer/channel.h"
#include "kernel/peer/frame_header.h"
#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/renewal.h"
#include "pickler/base/clock.h"
#include "pickler/base/pack.h"

#define SOCKET_TASK_MAX (1u << 31) /* bytes of a task's frame */

/* All of it, waiting; the process ends with the channel. */
static void read_all(int fd, char *to, size_t size)
{
    while (size) {
        ssize_t n = recv(fd, to, size, MSG_WAITALL);
        if (n == 0 || (n < 0 && errno != EINTR))
            _exit(0);
        to += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

/* What does not fit into the lane. Memory that the kernel fills is written to before: it
 * may be protected. */
static void read_task(const struct job_link *link, struct job_task *ret)
{
    struct frame_header header = frame_header_read(link->inbox);
    if (header.kind != TASK_RUN || header.size > SOCKET_TASK_MAX || header.n_fds)
        _exit(0);
    bool is_small = !link->lane && header.size <= JOB_LINK_ROOM;
    renewal_watch();
    char *body = is_small ? link->inbox + LANE_INBOX_SIZE : must_alloc(header.size + 1);
    if (!is_small)
        memset(body, 0, header.size + 1);
    renewal_unwatch();
    read_all(link->fd, body, header.size);
    *ret = (struct job_task){.id = header.id, .data = body, .size = header.size};
}

/* What is in a file, which the pool has got from a front that it trusts. */
static void map_task(const struct job_link *link, int file, struct job_task *ret)
{
    struct frame_header header = frame_header_read(link->inbox);
    if (file < 0 || header.size > LANE_INBOX_SIZE)
        _exit(0);
    read_all(link->fd, link->inbox, header.size);
    struct unpack in = unpack_init(link->inbox, header.size);
    size_t size = (size_t)unpack_max(&in, SOCKET_TASK_MAX);
    renewal_watch();
    const void *data = memory_file_map(file, size);
    close(file);
    renewal_unwatch();
    if (!unpack_done(&in) || !data)
        _exit(1);
    *ret = (struct job_task){.id = header.id, .data = data, .size = size};
}

/* The header of a frame into the inbox, as all that the kernel fills; its descriptor, or
 * -1. */
static int read_header(const struct job_link *link)
{
    char *inbox = link->inbox;
    struct iovec part = {.iov_base = inbox, .iov_len = FRAME_HEADER_SIZE};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = inbox + FRAME_HEADER_SIZE,
                             .msg_controllen = CMSG_SPACE(sizeof(int))};
    ssize_t n = recvmsg(link->fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    if (n == 0 || (n < 0 && errno != EINTR))
        _exit(0);
    if (n < FRAME_HEADER_SIZE)
        read_all(link->fd, inbox + (n > 0 ? n : 0),
                 FRAME_HEADER_SIZE - (size_t)(n > 0 ? n : 0));
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd = -1;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

void job_link_write(const struct job_link *link, uint16_t kind, uint32_t id,
                    const char *data, size_t size)
{
    char header[FRAME_HEADER_SIZE];
    frame_header_write(header, kind, id, size);
    struct iovec parts[2] = {{header, sizeof(header)}, {(void *)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    while (parts[0].iov_len + parts[1].iov_len) {
        ssize_t n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            _exit(1);
        for (int i = 0; i < 2 && n > 0; i++) {
            size_t sent = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + sent;
            parts[i].iov_len -= sent;
            n -= (ssize_t)sent;
        }
    }
}

void job_link_tell(const struct job_link *link)
{
    if (lane_must_wake_pool(link->lane))
        job_link_write(link, TASK_LOOK, 0, NULL, 0);
}

/* What follows the header; false: it was only a call to look into the lane. */
static bool read_body(const struct job_link *link, int file, struct job_task *ret)
{
    uint16_t kind = frame_header_read(link->inbox).kind;
    if (kind == TASK_RUN_FILE)
        map_task(link, file, ret);
    else if (kind != TASK_LOOK)
        read_task(link, ret);
    return kind != TASK_LOOK;
}

void job_link_wait(const struct job_link *link, struct job_task *ret)
{
    while (!link->lane)
        if (read_body(link, read_header(link), ret))
            return;
    for (;;) {
        const void *data;
        if (lane_take(link->lane, &ret->id, &data, &ret->size)) {
            ret->data = data;
            ret->is_in_lane = true;
            return;
        }
        job_link_tell(link);
        if (lane_worker_look(link->lane) || lane_worker_sleep(link->lane))
            continue;
        int64_t before = clock_us();
        int file = read_header(link);
        lane_worker_awake(link->lane, clock_us() - before);
        if (read_body(link, file, ret))
            return;
    }
}

bool job_link_answer_file(const struct job_link *link, uint32_t id,
                          const struct buffer *answer)
{
    struct iovec part = {.iov_base = answer->data, .iov_len = answer->size};
    CLEANUP(buffer_clear) struct buffer body = {0};
    int fd = answer->size < MEMORY_FILE_MIN ? -1 : memory_file_make(&part, 1);
    if (fd < 0)
        return false;
    pack_u64(&body, answer->size);
    int r =
        channel_send_small(link->fd, TASK_DONE_FILE, 0, id, body.data, body.size, &fd, 1);
    close(fd);
    if (r < 0)
        _exit(1);
    return true;
}
