/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/dying.h"
#include "kernel/worker/guard.h"
#include "kernel/worker/hot_pages.h"
#include "kernel/worker/huge_pages.h"
#include "kernel/worker/obstacle.h"
#include "kernel/worker/output.h"
#include "kernel/worker/show.h"
#include "pickler/base/pack.h"

#define CHANNEL_FD 200 /* or above: cells have the low descriptors to themselves */
#define PATHS_MAX 8    /* changed files that are named */

struct copy {
    pid_t pid; /* 0: this is the copy */
    int pidfd;
};

/* The C library keeps the thread's number where the kernel clears it at the thread's
 * end. NULL: not known, then the old number stays there. */
static int *find_thread_number(void)
{
    int *place = NULL;
    return prctl(PR_GET_TID_ADDRESS, &place) == 0 ? place : NULL;
}

/* fork(), but the copy is its sibling, and handlers of pthread_atfork() are not called:
 * a checkpoint is no event in the life of a cell's code. */
static int copy_process(struct copy *ret)
{
    unsigned long flags = CLONE_PARENT | CLONE_PIDFD;
    int *thread_number = find_thread_number();
    void *robust_list;
    size_t size;
    bool has_list = syscall(SYS_get_robust_list, 0, &robust_list, &size) == 0;
    if (thread_number)
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    long pid = syscall(SYS_clone, flags, NULL, &ret->pidfd, thread_number, 0);
    if (pid < 0)
        return -errno;
    if (pid == 0 && has_list)
        syscall(SYS_set_robust_list, robust_list, size);
    ret->pid = (pid_t)pid;
    return 0;
}

static int make_high(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, CHANNEL_FD);
    close(fd);
    return high;
}

static int make_ends(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    ends[0] = make_high(ends[0]);
    ends[1] = make_high(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    closep(&ends[0]);
    closep(&ends[1]);
    return -EMFILE;
}

struct changes {
    struct buffer paths;
    size_t n;
};

static void add_change(void *context, const char *path)
{
    struct changes *changes = context;
    if (changes->n < PATHS_MAX) {
        pack_string(&changes->paths, path);
        changes->n++;
    }
}

static int take_over(struct channel *channel, const struct surroundings *surroundings,
                     const struct frame *request, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct changes changes = {0};
    uint32_t generation = request->generation, id = request->id;
    guard_adopt();
    struct unpack in = unpack_init(request->data, request->size);
    output_check(unpack_u64(&in));
    show_connect(channel_fd(channel));
    obstacle_own(channel_fd(channel));
    obstacle_restore(surroundings, add_change, &changes);
    pack_u64(&body, (uint64_t)getpid());
    pack_u64(&body, changes.n);
    buffer_add(&body, changes.paths.data, changes.paths.size);
    buffer_clear(&changes.paths);
    return channel_send(channel, WORKER_TAKE_OVER, generation, id, body.data, body.size,
                        err);
}

/* In the copy: it ends here, or takes over. A group of its own: a signal to the cell's
 * group is not for it. */
static int wait_for_turn(struct channel **channel, int end, pid_t front,
                         const struct surroundings *surroundings, struct error *err)
{
    struct frame request;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    channel_free(*channel);
    *channel = channel_new(end, end);
    if (getppid() != front ||
        channel_send(*channel, FRAME_HELLO, 0, 0, NULL, 0, err) < 0 ||
        channel_receive(*channel, -1, &request, err) <= 0 ||
        request.kind != WORKER_TAKE_OVER)
        _exit(0);
    return take_over(*channel, surroundings, &request, err);
}

static int answer(struct channel *channel, const struct frame *request,
                  const struct copy *copy, int end, uint64_t bytes, const char *obstacle,
                  struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    const int fds[2] = {end, copy->pidfd};
    pack_u64(&body, (uint64_t)copy->pid);
    pack_u64(&body, bytes);
    pack_string(&body, obstacle);
    show_lock();
    int r = channel_send_fds(channel, WORKER_CHECKPOINT, request->generation, request->id,
                             body.data, body.size, fds, copy->pid ? 2 : 0, err);
    show_unlock();
    return r;
}

void checkpoint_init(void)
{
    obstacle_init();
    hot_pages_init();
}

int checkpoint_make(struct channel **channel, const struct frame *request,
                    struct error *err)
{
    static struct surroundings surroundings; /* large; the copy has its own */
    struct frame asked = *request;           /* its bytes are the channel's */
    struct unpack in = unpack_init(request->data, request->size);
    uint64_t budget = unpack_u64(&in);
    struct copy copy = {.pidfd = -1};
    int ends[2] = {-1, -1};
    pid_t front = getppid();
    const char *obstacle = unpack_done(&in) ? obstacle_find(budget, &surroundings)
                                            : "was asked in words it does not know";
    if (!obstacle)
        hot_pages_find();
    if (!obstacle && (make_ends(ends) < 0 || copy_process(&copy) < 0))
        obstacle = "has no room for a copy of its process";
    guard_set_checkpoint(!obstacle && copy.pid);
    if (!obstacle && copy.pid == 0) {
        close(ends[0]);
        return wait_for_turn(channel, ends[1], front, &surroundings, err);
    }
    closep(&ends[1]);
    int r = answer(*channel, &asked, &copy, ends[0], surroundings.bytes, obstacle, err);
    closep(&ends[0]);
    closep(&copy.pidfd);
    if (copy.pid) {
        hot_pages_copy();
        huge_pages_begin(surroundings.bytes);
    }
    return r;
}
