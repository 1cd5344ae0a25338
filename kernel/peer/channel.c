/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames over non-blocking descriptors. What was read ahead stays in `in`; a frame is
 * handed out from there, and its bytes are dropped at the next receive. */
#include "kernel/peer/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>

#include "kernel/peer/descriptors.h"
#include "kernel/peer/frame_header.h"

#define HEADER_SIZE FRAME_HEADER_SIZE
#define READ_FIRST (4u << 10) /* a short-lived peer should not pay for a large buffer */
#define READ_SIZE (64u << 10)
#define QUEUE_SIZE (64u << 10)
#define FDS_PENDING_MAX 64
#define KEEP_CAPACITY (1u << 20) /* a larger empty input buffer is given back */

struct channel {
    int read_fd, write_fd, end;         /* errno of the end */
    bool is_socket, is_closed, is_busy; /* a read has filled its room: larger ones come */
    uint32_t size_max;
    const struct transport *transport; /* NULL: the descriptors */
    void *state;
    char *mark; /* frames begin after it; NULL: they have begun */
    struct buffer noise;
    size_t n_noise, n_fds; /* bytes before the mark that are gone; descriptors below */
    struct buffer in;
    size_t taken;             /* bytes of `in` that were handed out already */
    struct buffer out;        /* posted, not yet sent ... */
    size_t sent;              /* ... from here on */
    int fds[FDS_PENDING_MAX]; /* received, not yet handed out, in order of arrival */
};

static void set_up_descriptor(int fd)
{
    struct termios settings;
    int flags = fcntl(fd, F_GETFL);
    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    /* Srun and mpirun give a terminal, which would turn one byte into another. */
    if (tcgetattr(fd, &settings) < 0)
        return;
    cfmakeraw(&settings);
    tcsetattr(fd, TCSANOW, &settings);
}

struct channel *channel_new(int read_fd, int write_fd)
{
    struct channel *channel = must_alloc(sizeof(*channel));
    channel->read_fd = read_fd;
    channel->write_fd = write_fd;
    int type;
    socklen_t size = sizeof(type);
    channel->is_socket = getsockopt(read_fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    channel->size_max = FRAME_SIZE_MAX;
    set_up_descriptor(read_fd);
    if (write_fd != read_fd)
        set_up_descriptor(write_fd);
    return channel;
}

struct channel *channel_new_over(const struct transport *transport, void *state,
                                 int read_fd, int write_fd)
{
    struct channel *channel = channel_new(read_fd, write_fd);
    channel->is_socket = false;
    channel->transport = transport;
    channel->state = state;
    return channel;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    for (size_t i = 0; i < channel->n_fds; i++)
        close(channel->fds[i]);
    if (channel->transport)
        channel->transport->free(channel->state);
    close(channel->read_fd);
    if (channel->write_fd != channel->read_fd)
        close(channel->write_fd);
    buffer_clear(&channel->in);
    buffer_clear(&channel->out);
    buffer_clear(&channel->noise);
    free(channel->mark);
    free(channel);
}

bool channel_is_near(const struct channel *channel)
{
    return channel->transport && channel->transport->send_fds;
}

bool channel_sleep(struct channel *channel)
{
    return channel->transport && channel->transport->sleep &&
           channel->transport->sleep(channel->state, channel_unsent(channel) > 0);
}

short channel_events(const struct channel *channel)
{
    bool shows_room = !channel->transport || !channel->transport->sleep;
    return channel_unsent(channel) && shows_room ? POLLIN | POLLOUT : POLLIN;
}

int channel_fd(const struct channel *channel)
{
    return channel->read_fd;
}

int channel_write_fd(const struct channel *channel)
{
    return channel->write_fd;
}

void channel_limit(struct channel *channel, uint32_t size_max)
{
    channel->size_max = size_max;
}

void channel_expect(struct channel *channel, const char *mark)
{
    assert(!channel->mark && *mark);
    channel->mark = must_strdup(mark);
}

const char *channel_noise(const struct channel *channel)
{
    return buffer_string(&channel->noise);
}

static ssize_t read_some(struct channel *channel, void *to, size_t size)
{
    if (channel->transport)
        return channel->transport->read(channel->state, to, size);
    if (!channel->is_socket)
        return read(channel->read_fd, to, size);
    union descriptors control;
    struct iovec part = {.iov_base = to, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(channel->read_fd, &message, MSG_CMSG_CLOEXEC);
    if (n > 0)
        descriptors_keep(&message, channel->fds, &channel->n_fds, FDS_PENDING_MAX);
    return n;
}

/* The bytes that a whole frame at the front of the input has, 0 while the header is not
 * here yet; -EBADMSG when it cannot be a frame. */
static int64_t frame_size(const struct channel *channel)
{
    if (channel->mark || channel->in.size - channel->taken < HEADER_SIZE)
        return 0;
    uint32_t size = frame_header_get(channel->in.data + channel->taken, 4);
    if (size < HEADER_SIZE - 4 || size - (HEADER_SIZE - 4) > channel->size_max ||
        frame_header_get(channel->in.data + channel->taken + 6, 2) > FRAME_FDS_MAX)
        return -EBADMSG;
    return (int64_t)size + 4;
}

bool channel_was_reset(const struct channel *channel)
{
    return channel->end == ECONNRESET;
}

static bool is_whole(const struct channel *channel)
{
    int64_t size = frame_size(channel);
    return size > 0 && channel->in.size - channel->taken >= (size_t)size;
}

bool channel_has_frame(const struct channel *channel)
{
    return is_whole(channel) ||
           (channel->transport && channel->transport->has_more && !channel->is_closed &&
            channel->transport->has_more(channel->state));
}

/* Only when more is read: frames that came together are handed out without a move. */
static void drop_taken(struct channel *channel)
{
    if (!channel->taken)
        return;
    channel->in.size -= channel->taken;
    if (channel->in.size)
        memmove(channel->in.data, channel->in.data + channel->taken, channel->in.size);
    channel->taken = 0;
    if (!channel->in.size && channel->in.capacity > KEEP_CAPACITY)
        buffer_clear(&channel->in);
}

/* Drops what comes before the mark, and the mark. */
static int skip_noise(struct channel *channel)
{
    size_t size = strlen(channel->mark);
    const char *found =
        channel->in.size ? memmem(channel->in.data, channel->in.size, channel->mark, size)
                         : NULL;
    size_t keep = channel->in.size < size ? channel->in.size : size - 1;
    size_t n = found ? (size_t)(found - channel->in.data) : channel->in.size - keep;
    size_t left = CHANNEL_NOISE_KEPT - channel->noise.size;
    if (n)
        buffer_add(&channel->noise, channel->in.data, n < left ? n : left);
    channel->n_noise += n;
    channel->taken = found ? n + size : n;
    drop_taken(channel);
    if (found)
        free(TAKE(channel->mark));
    return channel->n_noise > CHANNEL_NOISE_MAX ? -EPIPE : 1;
}

void channel_reserve(struct channel *channel, size_t size)
{
    buffer_reserve(&channel->in, size);
}

/* Reads what is there: 1 when something came, 0 when nothing, -EPIPE at the end. */
static int read_ahead(struct channel *channel)
{
    drop_taken(channel);
    int64_t whole = frame_size(channel);
    size_t want = channel->is_busy ? READ_SIZE : READ_FIRST;
    /* Little beyond a large frame: it would have to be moved. */
    if (whole > 0 && (size_t)whole > channel->in.size + want)
        want = (size_t)whole - channel->in.size + READ_FIRST;
    /* A large frame is believed piece by piece, as its bytes come. */
    if (want > (4u << 20))
        want = 4u << 20;
    buffer_reserve(&channel->in, want);
    ssize_t n = read_some(channel, channel->in.data + channel->in.size, want);
    if (n > 0) {
        channel->in.size += (size_t)n;
        channel->is_busy |= (size_t)n == want;
        if (!channel->mark)
            return 1;
        channel->is_closed = skip_noise(channel) < 0;
        return channel->is_closed ? -EPIPE : 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    channel->is_closed = true;
    channel->end = n < 0 ? errno : 0;
    return -EPIPE;
}

static int wait_for_room(struct channel *channel)
{
    struct pollfd fds[2] = {
        {.fd = channel->write_fd, .events = POLLOUT},
        {.fd = channel->is_closed ? -1 : channel->read_fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[1].revents && channel->in.size < FRAME_SIZE_MAX)
        read_ahead(channel);
    return 0;
}

static ssize_t send_some(struct channel *channel, struct iovec *parts, int n_parts,
                         const int *fds, size_t n_fds)
{
    union descriptors control;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)n_parts};
    if (channel->transport)
        return channel->transport->write(channel->state, parts, n_parts);
    if (n_fds)
        descriptors_attach(&message, &control, fds, n_fds);
    ssize_t n = sendmsg(channel->write_fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
        n = writev(channel->write_fd, parts, n_parts);
    return n;
}

struct message {
    char header[HEADER_SIZE];
    struct iovec parts[1 + FRAME_PARTS_MAX];
    struct iovec *part; /* the first that is not all sent */
    int n_parts;        /* from `part` on */
    const int *fds;
    size_t n_fds;
};

static int message_init(struct message *message, const struct frame_parts *frame,
                        struct error *err)
{
    size_t size = 0;
    if (frame->n_fds) {
        message->fds = frame->fds;
        message->n_fds = frame->n_fds;
    }
    message->part = message->parts;
    message->n_parts = 1;
    for (int i = 0; i < frame->n_parts; i++) {
        size += frame->parts[i].iov_len;
        if (frame->parts[i].iov_len)
            message->parts[message->n_parts++] = frame->parts[i];
    }
    if (size > FRAME_SIZE_MAX - HEADER_SIZE)
        return error_set(err, -EMSGSIZE,
                         "a message of %zu bytes is above the limit of %u", size,
                         FRAME_SIZE_MAX);
    frame_header_put(message->header, (uint32_t)(size + HEADER_SIZE - 4), 4);
    frame_header_put(message->header + 4, frame->kind, 2);
    frame_header_put(message->header + 6, (uint32_t)message->n_fds, 2);
    frame_header_put(message->header + 8, frame->generation, 4);
    frame_header_put(message->header + 12, frame->id, 4);
    message->parts[0] =
        (struct iovec){.iov_base = message->header, .iov_len = HEADER_SIZE};
    return 0;
}

static struct frame_parts one_part(uint16_t kind, uint32_t generation, uint32_t id,
                                   const void *data, size_t size)
{
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    return (struct frame_parts){
        .kind = kind, .generation = generation, .id = id, .parts = {part}, .n_parts = 1};
}

/* Sends what there is room for: 0 when all of it went, -EAGAIN when not. */
static int message_push(struct channel *channel, struct message *message,
                        struct error *err)
{
    while (message->n_parts) {
        ssize_t n = send_some(channel, message->part, message->n_parts, message->fds,
                              message->n_fds);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return -EAGAIN;
        if (n < 0)
            return error_errno(err, errno == ECONNRESET ? -EPIPE : -errno,
                               "cannot send to a helper process");
        message->n_fds = 0;
        while (message->n_parts && (size_t)n >= message->part->iov_len) {
            n -= (ssize_t)message->part->iov_len;
            message->part++;
            message->n_parts--;
        }
        if (message->n_parts) {
            message->part->iov_base = (char *)message->part->iov_base + n;
            message->part->iov_len -= (size_t)n;
        }
    }
    return 0;
}

int channel_send_small(int fd, uint16_t kind, uint32_t generation, uint32_t id,
                       const void *data, size_t size, const int *fds, size_t n_fds)
{
    struct channel channel = {.write_fd = fd};
    struct message message = {.fds = fds, .n_fds = n_fds};
    assert(size <= FRAME_SMALL_MAX && n_fds <= FRAME_FDS_MAX);
    struct frame_parts frame = one_part(kind, generation, id, data, size);
    int r = message_init(&message, &frame, NULL);
    while (r == 0) {
        ssize_t n =
            send_some(&channel, message.parts, message.n_parts, message.fds, n_fds);
        if (n >= 0)
            return (size_t)n == HEADER_SIZE + size ? 0 : -EIO;
        if (errno == ETOOMANYREFS) /* descriptors that nobody has received yet */
            poll(NULL, 0, 1);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            r = -errno;
    }
    return r;
}

/* Bytes that neither left nor were taken by the transport. */
static size_t kept(const struct channel *channel)
{
    return channel->out.size - channel->sent;
}

size_t channel_unsent(const struct channel *channel)
{
    const struct transport *transport = channel->transport;
    return kept(channel) +
           (transport && transport->unsent ? transport->unsent(channel->state) : 0);
}

static int flush_transport(struct channel *channel, struct error *err)
{
    const struct transport *transport = channel->transport;
    if (!transport || !transport->flush || transport->flush(channel->state) == 0 ||
        errno == EAGAIN)
        return 0;
    return error_errno(err, -errno, "cannot send to a helper process");
}

int channel_flush(struct channel *channel, struct error *err)
{
    if (!kept(channel))
        return flush_transport(channel, err);
    struct message message = {.n_parts = 1};
    message.parts[0] = (struct iovec){.iov_base = channel->out.data + channel->sent,
                                      .iov_len = kept(channel)};
    message.part = message.parts;
    int r = message_push(channel, &message, err);
    if (r < 0) /* what is left stays unsent */
        channel->sent = channel->out.size - message.part->iov_len;
    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    channel->sent = channel->out.size = 0;
    if (channel->out.capacity > KEEP_CAPACITY)
        buffer_clear(&channel->out);
    return r;
}

/* Keeps the unsent rest of a message behind what is kept already. */
static void keep_rest(struct channel *channel, const struct message *message)
{
    size_t unsent = kept(channel);
    if (channel->sent > unsent) { /* at most one move a byte */
        memmove(channel->out.data, channel->out.data + channel->sent, unsent);
        channel->out.size = unsent;
        channel->sent = 0;
    }
    for (int i = 0; i < message->n_parts; i++)
        buffer_add(&channel->out, message->part[i].iov_base, message->part[i].iov_len);
}

int channel_queue(struct channel *channel, uint16_t kind, uint32_t generation,
                  uint32_t id, const void *data, size_t size, struct error *err)
{
    struct message message = {0};
    struct frame_parts frame = one_part(kind, generation, id, data, size);
    if (kept(channel) + size > QUEUE_SIZE)
        return channel_post_parts(channel, &frame, err);
    int r = message_init(&message, &frame, err);
    if (r == 0)
        keep_rest(channel, &message);
    return r;
}

int channel_post(struct channel *channel, uint16_t kind, uint32_t generation, uint32_t id,
                 const void *data, size_t size, struct error *err)
{
    struct frame_parts frame = one_part(kind, generation, id, data, size);
    return channel_post_parts(channel, &frame, err);
}

/* True when they have gone, or will go with the first byte. */
static bool give_fds(struct channel *channel, struct message *message)
{
    const struct transport *transport = channel->transport;
    if (!transport)
        return channel->is_socket && !kept(channel);
    if (!transport->send_fds ||
        !transport->send_fds(channel->state, message->fds, message->n_fds))
        return false;
    message->n_fds = 0;
    return true;
}

int channel_post_parts(struct channel *channel, const struct frame_parts *frame,
                       struct error *err)
{
    struct message message = {0};
    int r = message_init(&message, frame, err);
    if (r == 0 && frame->n_fds && !give_fds(channel, &message))
        return -EAGAIN;
    if (r == 0 && kept(channel) && frame->parts[frame->n_parts - 1].iov_len > QUEUE_SIZE)
        r = channel_flush(channel, err); /* rather than a large copy */
    if (r == 0 && !kept(channel))
        r = message_push(channel, &message, err);
    if (r < 0 && (r != -EAGAIN || message.n_fds))
        return r;
    keep_rest(channel, &message);
    return 0;
}

int channel_send_mark(struct channel *channel, const char *mark, struct error *err)
{
    buffer_add_string(&channel->out, mark);
    return channel_flush(channel, err);
}

int channel_send_fds(struct channel *channel, uint16_t kind, uint32_t generation,
                     uint32_t id, const void *data, size_t size, const int *fds,
                     size_t n_fds, struct error *err)
{
    if (n_fds > FRAME_FDS_MAX)
        return error_set(err, -EMSGSIZE, "%zu descriptors do not fit on a message",
                         n_fds);
    struct message message = {.fds = fds, .n_fds = n_fds};
    struct frame_parts frame = one_part(kind, generation, id, data, size);
    int r = message_init(&message, &frame, err);
    while (r == 0 || r == -EAGAIN) {
        r = channel_flush(channel, err);
        if (r == 0 && !channel_unsent(channel)) {
            r = message_push(channel, &message, err);
            if (r == 0)
                return 0;
        }
        if (r == 0 || r == -EAGAIN) {
            r = wait_for_room(channel);
            if (r < 0)
                return error_errno(err, r, "cannot wait for a helper process");
        }
    }
    return r;
}

int channel_send(struct channel *channel, uint16_t kind, uint32_t generation, uint32_t id,
                 const void *data, size_t size, struct error *err)
{
    return channel_send_fds(channel, kind, generation, id, data, size, NULL, 0, err);
}

static void hand_out(struct channel *channel, struct frame *ret)
{
    const char *at = channel->in.data + channel->taken;
    size_t size = (size_t)frame_header_get(at, 4) + 4;
    *ret = (struct frame){.kind = (uint16_t)frame_header_get(at + 4, 2),
                          .generation = frame_header_get(at + 8, 4),
                          .id = frame_header_get(at + 12, 4),
                          .data = at + HEADER_SIZE,
                          .size = size - HEADER_SIZE};
    channel->taken += size;
    size_t n_fds = (uint16_t)frame_header_get(at + 6, 2);
    const struct transport *transport = channel->transport;
    if (n_fds > channel->n_fds && transport && transport->take_fds)
        channel->n_fds +=
            transport->take_fds(channel->state, channel->fds + channel->n_fds,
                                FDS_PENDING_MAX - channel->n_fds);
    ret->n_fds = n_fds < channel->n_fds ? n_fds : channel->n_fds;
    memcpy(ret->fds, channel->fds, ret->n_fds * sizeof(int));
    channel->n_fds -= ret->n_fds;
    memmove(channel->fds, channel->fds + ret->n_fds, channel->n_fds * sizeof(int));
}

int channel_peek(struct channel *channel, uint16_t *ret_kind)
{
    int r = 1;
    while (r > 0 && !is_whole(channel))
        r = channel->is_closed || frame_size(channel) < 0 ? -EPIPE : read_ahead(channel);
    if (r > 0)
        *ret_kind = (uint16_t)frame_header_get(channel->in.data + channel->taken + 4, 2);
    return r;
}

bool channel_look(struct channel *channel)
{
    uint16_t kind;
    bool is_socket = channel->transport && !channel->transport->sleep;
    return channel_has_frame(channel) || (is_socket && channel_peek(channel, &kind) != 0);
}

bool channel_is_direct(const struct channel *channel)
{
    return channel->transport != NULL;
}

int channel_receive(struct channel *channel, int timeout_ms, struct frame *ret,
                    struct error *err)
{
    for (;;) {
        int64_t size = frame_size(channel);
        if (size < 0)
            return error_set(err, -EBADMSG, "a helper process sent what is no message");
        if (is_whole(channel)) {
            hand_out(channel, ret);
            return 1;
        }
        int r = channel->is_closed ? -EPIPE : read_ahead(channel);
        if (r < 0)
            return channel->end == EBADMSG
                       ? error_set(err, -EBADMSG, "what came was damaged on its way")
                       : error_set(err, -EPIPE, "a helper process closed its channel");
        if (r > 0)
            continue;
        if (timeout_ms == 0)
            return 0;
        if (channel_sleep(channel))
            continue;
        struct pollfd fd = {.fd = channel->read_fd, .events = POLLIN};
        int ready = poll(&fd, 1, timeout_ms);
        if (ready == 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return error_errno(err, -errno, "cannot wait for a helper process");
        if (ready < 0 && timeout_ms >= 0)
            return 0;
    }
}
