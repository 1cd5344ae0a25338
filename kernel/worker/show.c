/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/peer/channel.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/guard.h"
#include "pickler/base/file.h"

/* Global, as the channel of a process is. */
static struct {
    int fd;
    uint32_t generation, id;
    pthread_mutex_t lock;
} show = {.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

void show_connect(int fd)
{
    show.fd = fd;
}

void show_begin(uint32_t generation, uint32_t id)
{
    show.generation = generation;
    show.id = id;
}

void show_lock(void)
{
    pthread_mutex_lock(&show.lock);
}

void show_unlock(void)
{
    pthread_mutex_unlock(&show.lock);
}

static int make_file(const struct bundle *bundle, uint64_t *ret_size, int *ret_fd)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    bundle_pack(bundle, &bytes);
    CLEANUP(closep) int fd = memfd_create("achar-display", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes.data, bytes.size);
    if (r < 0)
        return r;
    *ret_size = bytes.size;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int send_file(int file, uint64_t size, int done)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, size);
    show_lock();
    int r =
        channel_send_small(show.fd, WORKER_DISPLAY, show.generation, show.id, body.data,
                           body.size, (int[]){file, done}, done < 0 ? 1 : 2);
    show_unlock();
    return r;
}

/* The other side writes or closes its end when it is done; so does its death. */
static void wait_for(int fd)
{
    struct pollfd done = {.fd = fd, .events = POLLIN};
    while (poll(&done, 1, -1) < 0 && errno == EINTR && !guard_was_interrupted())
        ;
}

int show_send(const struct bundle *bundle)
{
    CLEANUP(closep) int file = -1;
    CLEANUP(closep) int wait_end = -1;
    CLEANUP(closep) int done_end = -1;
    uint64_t size = 0;
    int ends[2];
    if (show.fd < 0)
        return -ENOTCONN;
    if (guard_is_forked())
        return -ECHILD;
    fflush(stdout);
    fflush(stderr);
    int r = make_file(bundle, &size, &file);
    if (r < 0)
        return r;
    if (gettid() == getpid() && pipe2(ends, O_CLOEXEC) == 0) {
        wait_end = ends[0];
        done_end = ends[1];
    }
    r = send_file(file, size, done_end);
    if (r < 0 || wait_end < 0)
        return r;
    close(done_end);
    done_end = -1;
    wait_for(wait_end);
    return 0;
}
