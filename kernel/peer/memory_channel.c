/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two rings of bytes. Positions count bytes and never wrap. Who is about to sleep says
 * for what in `waits` and looks once more; who then makes it true takes the word away and
 * writes one byte to the socket. */
#include "kernel/peer/memory_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/peer/descriptors.h"

#define LINE 64 /* bytes that processors exchange */
#define PAGE ((size_t)4096)
#define FDS_MAX 64
#define ROOM_WORTH (MEMORY_CHANNEL_RING / 2) /* so much of it wakes a writer */

enum { WAITS_DATA = 1, WAITS_ROOM = 2 };

struct ring {
    _Alignas(LINE) _Atomic uint32_t head; /* of its writer */
    _Alignas(LINE) _Atomic uint32_t tail; /* of its reader */
    _Alignas(LINE) char bytes[MEMORY_CHANNEL_RING];
};

struct side { /* what one side says */
    _Alignas(LINE) _Atomic uint32_t waits;
};

struct memory {
    struct side sides[2];
    struct ring rings[2]; /* rings[i]: what side i writes */
};

struct near {
    struct memory *memory;
    struct ring *in, *out;
    struct side *self, *other;
    uint32_t tail, head; /* of `in` and of `out` */
    uint32_t said;       /* in self->waits, unless the other side took it away */
    int socket;          /* borrowed: the channel closes it */
    bool is_closed;      /* nothing comes any more but what is in `in` */
    int fds[FDS_MAX];    /* received and not taken, in order */
    size_t n_fds;
};

static size_t mapped_size(void)
{
    return (sizeof(struct memory) + PAGE - 1) / PAGE * PAGE;
}

/* Its size is sealed: no process can make the other one fault. */
int memory_channel_make(void)
{
    int fd = memfd_create("achar-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)mapped_size()) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int r = -errno;
    closep(&fd);
    return r;
}

/* More than the ring holds: what was written there makes no sense. */
static uint32_t n_there(const struct near *near)
{
    return atomic_load(&near->in->head) - near->tail;
}

static uint32_t n_room(const struct near *near)
{
    return MEMORY_CHANNEL_RING - (near->head - atomic_load(&near->out->tail));
}

static void wake(struct near *near, uint32_t what)
{
    if (!(atomic_load(&near->other->waits) & what) ||
        !(atomic_exchange(&near->other->waits, 0) & what))
        return;
    char byte = 0;
    /* A full socket wakes it just as well, and one that is closed shows when it is read.
     */
    (void)!send(near->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Takes what has woken us, and descriptors; notices the other side's end. True when there
 * may be more. */
static bool drain(struct near *near)
{
    char bytes[64];
    union descriptors control;
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(near->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n > 0)
        descriptors_keep(&message, near->fds, &near->n_fds, FDS_MAX);
    near->is_closed |=
        n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
    return n > 0;
}

static void awake(struct near *near)
{
    if (near->said && atomic_exchange(&near->self->waits, 0) != near->said)
        drain(near);
    near->said = 0;
}

static void copy_out(struct near *near, char *to, uint32_t size)
{
    uint32_t at = near->tail % MEMORY_CHANNEL_RING, first = MEMORY_CHANNEL_RING - at;
    first = first < size ? first : size;
    memcpy(to, near->in->bytes + at, first);
    memcpy(to + first, near->in->bytes, size - first);
    near->tail += size;
    atomic_store(&near->in->tail, near->tail);
    if (atomic_load(&near->in->head) - near->tail <= ROOM_WORTH)
        wake(near, WAITS_ROOM);
}

static ssize_t read_near(void *state, void *to, size_t size)
{
    struct near *near = state;
    awake(near);
    if (!n_there(near) && !near->is_closed)
        drain(near);
    uint32_t there = n_there(near); /* all that was written before the end */
    if (there > MEMORY_CHANNEL_RING || (!there && near->is_closed))
        return 0;
    if (!there) {
        errno = EAGAIN;
        return -1;
    }
    there = there < size ? there : (uint32_t)size;
    copy_out(near, to, there);
    return there;
}

static void copy_in(struct near *near, const char *from, uint32_t size)
{
    uint32_t at = near->head % MEMORY_CHANNEL_RING, first = MEMORY_CHANNEL_RING - at;
    first = first < size ? first : size;
    memcpy(near->out->bytes + at, from, first);
    memcpy(near->out->bytes, from + first, size - first);
    near->head += size;
}

static ssize_t write_near(void *state, const struct iovec *parts, int n_parts)
{
    struct near *near = state;
    uint32_t room = n_room(near), before = near->head;
    if (room > MEMORY_CHANNEL_RING || near->is_closed) {
        errno = EPIPE;
        return -1;
    }
    for (int i = 0; i < n_parts && room; i++) {
        uint32_t size = parts[i].iov_len < room ? (uint32_t)parts[i].iov_len : room;
        copy_in(near, parts[i].iov_base, size);
        room -= size;
    }
    if (near->head == before) {
        errno = EAGAIN;
        return -1;
    }
    atomic_store(&near->out->head, near->head);
    wake(near, WAITS_DATA);
    return near->head - before;
}

static bool has_more(const void *state)
{
    return n_there(state) != 0;
}

static bool sleep_near(void *state, bool has_unsent)
{
    struct near *near = state;
    near->said = WAITS_DATA | (has_unsent ? WAITS_ROOM : 0);
    atomic_store(&near->self->waits, near->said);
    return n_there(near) || (has_unsent && n_room(near) >= ROOM_WORTH);
}

static bool send_fds(void *state, const int *fds, size_t n)
{
    const struct near *near = state;
    char byte = 0;
    union descriptors control;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    descriptors_attach(&message, &control, fds, n);
    return sendmsg(near->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static size_t take_fds(void *state, int *fds, size_t n_max)
{
    struct near *near = state;
    while (drain(near))
        ;
    size_t n = near->n_fds < n_max ? near->n_fds : n_max;
    memcpy(fds, near->fds, n * sizeof(*fds));
    near->n_fds -= n;
    memmove(near->fds, near->fds + n, near->n_fds * sizeof(*fds));
    return n;
}

static void free_near(void *state)
{
    struct near *near = state;
    munmap(near->memory, mapped_size());
    for (size_t i = 0; i < near->n_fds; i++)
        close(near->fds[i]);
    free(near);
}

static const struct transport transport = {
    .read = read_near,
    .write = write_near,
    .has_more = has_more,
    .sleep = sleep_near,
    .send_fds = send_fds,
    .take_fds = take_fds,
    .free = free_near,
};

struct channel *memory_channel_new(int socket, int memory, bool is_first)
{
    struct stat file;
    if (fstat(memory, &file) < 0 || file.st_size != (off_t)mapped_size())
        return NULL;
    struct memory *all =
        mmap(NULL, mapped_size(), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (all == MAP_FAILED)
        return NULL;
    close(memory);
    struct near *near = must_alloc(sizeof(*near));
    *near = (struct near){.memory = all,
                          .out = &all->rings[!is_first],
                          .in = &all->rings[is_first],
                          .self = &all->sides[!is_first],
                          .other = &all->sides[is_first],
                          .socket = socket};
    return channel_new_over(&transport, near, socket, socket);
}
