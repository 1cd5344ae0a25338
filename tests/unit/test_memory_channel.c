/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Channels through shared memory: frames larger than it arrive whole, who sleeps is woken
 * up, the end comes after all that was sent, and nonsense in the memory ends the channel.
 */
#include "kernel/peer/memory_channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kernel/peer/patience.h"
#include "tests/unit/check.h"

#define LARGE (9u << 20)
#define FRAMES 20000
#define WAIT_MS 20000

struct pair {
    int ends[2], memory;
};

static struct pair make_pair(void)
{
    struct pair pair = {.memory = memory_channel_make()};
    CHECK(pair.memory >= 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.ends), 0);
    return pair;
}

static struct channel *open_side(struct pair *pair, int side)
{
    struct channel *channel =
        memory_channel_new(pair->ends[side], dup(pair->memory), side == 0);
    CHECK(channel != NULL);
    return channel;
}

/* Waits with poll(2) as those who serve several descriptors do. */
static int receive(struct channel *channel, struct frame *frame)
{
    for (;;) {
        int r = channel_flush(channel, NULL);
        if (r == 0)
            r = channel_receive(channel, 0, frame, NULL);
        if (r != 0)
            return r;
        struct pollfd fd = {.fd = channel_fd(channel), .events = channel_events(channel)};
        if (!channel_sleep(channel) && poll(&fd, 1, WAIT_MS) == 0)
            return 0;
    }
}

/* The other process sends every frame back, and ends with the channel. */
static _Noreturn void echo(struct pair *pair)
{
    struct frame frame;
    close(pair->ends[0]);
    struct channel *channel = open_side(pair, 1);
    while (receive(channel, &frame) == 1)
        if (channel_post(channel, frame.kind, 0, frame.id, frame.data, frame.size, NULL) <
            0)
            break;
    _exit(0);
}

static pid_t start_echo(struct pair *pair)
{
    pid_t pid = fork();
    if (pid == 0)
        echo(pair);
    close(pair->ends[1]);
    return pid;
}

static void check_ended(pid_t pid)
{
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}

static void frames_come_back_in_order(void)
{
    struct pair pair = make_pair();
    pid_t pid = start_echo(&pair);
    struct channel *channel = open_side(&pair, 0);
    struct frame frame;
    uint32_t sent = 0;
    char body[3000];
    for (uint32_t id = 0; id < FRAMES; id++) {
        for (; sent < FRAMES && sent - id < 500; sent++) {
            memset(body, (int)(sent & 127), sizeof(body));
            CHECK_INT(channel_post(channel, 7, 0, sent, body, sent % sizeof(body), NULL),
                      0);
        }
        if (!CHECK_INT(receive(channel, &frame), 1) || !CHECK_INT(frame.id, id) ||
            !CHECK_INT(frame.size, id % sizeof(body)))
            break;
        if (frame.size)
            CHECK_INT(frame.data[frame.size - 1], id & 127);
    }
    channel_free(channel);
    check_ended(pid);
    close(pair.memory);
}

static void one_larger_than_the_memory_arrives(void)
{
    struct pair pair = make_pair();
    pid_t pid = start_echo(&pair);
    struct channel *channel = open_side(&pair, 0);
    struct frame frame;
    CLEANUP(freep) char *data = must_alloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    CHECK_INT(channel_post(channel, 7, 0, 1, data, LARGE, NULL), 0);
    CHECK(channel_unsent(channel) > 0);
    CHECK_INT(receive(channel, &frame), 1);
    CHECK_INT(frame.size, LARGE);
    CHECK(memcmp(frame.data, data, LARGE) == 0);
    channel_free(channel);
    check_ended(pid);
    close(pair.memory);
}

/* Also one that was killed: what it had said before counts. */
static void the_end_comes_last(void)
{
    struct pair pair = make_pair();
    struct frame frame;
    pid_t pid = fork();
    if (pid == 0) {
        struct channel *channel = open_side(&pair, 1);
        CHECK_INT(channel_post(channel, 7, 0, 1, "last", 4, NULL), 0);
        raise(SIGKILL);
    }
    close(pair.ends[1]);
    waitpid(pid, NULL, 0);
    struct channel *channel = open_side(&pair, 0);
    CHECK_INT(receive(channel, &frame), 1);
    CHECK_INT(frame.size, 4);
    CHECK_INT(receive(channel, &frame), -EPIPE);
    CHECK_INT(receive(channel, &frame), -EPIPE);
    CHECK_INT(channel_post(channel, 7, 0, 2, "late", 4, NULL), -EPIPE);
    channel_free(channel);
    close(pair.memory);
}

static void nonsense_ends_it(void)
{
    struct pair pair = make_pair();
    struct channel *channel = open_side(&pair, 0);
    struct frame frame;
    size_t size = (size_t)lseek(pair.memory, 0, SEEK_END);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, pair.memory, 0);
    memset(memory, 0xa5, size);
    CHECK_INT(receive(channel, &frame), -EPIPE);
    CHECK_INT(channel_post(channel, 7, 0, 1, "x", 1, NULL), -EPIPE);
    munmap(memory, size);
    channel_free(channel);
    closep(&pair.ends[1]);
    /* Other memory is not taken. */
    CHECK_INT(ftruncate(pair.memory, 4096), -1);
    int other = memfd_create("other", MFD_CLOEXEC);
    CHECK(memory_channel_new(pair.ends[1], other, true) == NULL);
    close(other);
    close(pair.memory);
}

static bool never(void *context)
{
    ++*(int *)context;
    return false;
}

static bool at_second_sight(void *context)
{
    return ++*(int *)context % 2 == 0;
}

static void patience_ends_where_it_is_in_vain(void)
{
    struct patience patience = {0};
    int n = 0, before;
    for (int i = 0; i < 10; i++)
        CHECK(!patience_wait(&patience, never, &n));
    before = n;
    CHECK(!patience_wait(&patience, never, &n));
    CHECK_INT(n, before + 1); /* it looks once, and no more */
    patience_slept(&patience, 1000000);
    before = n;
    CHECK(!patience_wait(&patience, never, &n));
    CHECK_INT(n, before + 1);
    n = 0;
    patience = (struct patience){0};
    for (int i = 0; i < 10; i++) { /* unless the machine is crowded */
        bool is_seen = patience_wait(&patience, at_second_sight, &n);
        CHECK(is_seen || patience.crowded_until);
        n = 0;
    }
    patience = (struct patience){.n_vain = UINT32_MAX, .crowded_until = INT64_MAX};
    patience_slept(&patience, 10); /* whatever was written there */
    n = 0;
    CHECK(patience_wait(&patience, at_second_sight, &n) || patience.crowded_until);
}

int main(void)
{
    frames_come_back_in_order();
    one_larger_than_the_memory_arrives();
    the_end_comes_last();
    nonsense_ends_it();
    patience_ends_where_it_is_in_vain();
    return check_status();
}
