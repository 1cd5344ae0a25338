/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The processes around a payload. The zygote is the parent of its job workers and the
 * only one that reaps them, so it kills a dead one's process group before the pid is
 * free. */
#include "kernel/worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/peer/descent.h"
#include "kernel/peer/forked.h"
#include "kernel/peer/lane.h"
#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/job_child.h"
#include "kernel/worker/job_link.h"
#include "kernel/worker/kicks.h"
#include "kernel/worker/renewal.h"
#include "kernel/worker/zygote_pieces.h"
#include "pickler/base/clock.h"

#define TASK_FD 100 /* or above: user code has the low descriptors to itself */
/* The first job workers of a payload take one task: a payload that is called a few times
 * should not pay for snapshots. */
#define RENEWABLE_AFTER 2
/* The first of them has the processors for itself for a moment: a task waits for it. */
#define ALONE_MS 2
#define TWIN_LOAD_MAX (32u << 10) /* bytes of a payload that is loaded twice */
#define STRAYS_A_TIME 256         /* that are ended; each that ends brings the next */

/* The ends that a job worker and the pool share. */
struct child_ends {
    int task[2], out[2], err[2]; /* [0] the pool's, [1] the job worker's */
    struct lane_shared *lane;    /* NULL: there is none */
    bool has_tasks;              /* they come by the lane; else one, by the socket */
    int lane_fd;                 /* for the pool, and for what is left there */
};

/* A job worker that is there before the code. It is given the payload as the zygote is,
 * and both load it at the same time: the first task need not wait for a fork. Its heap is
 * to be that of later ones to the byte, so both allocate the same in the same order. */
struct twin {
    pid_t pid; /* 0: none */
    int feed;  /* the body of the ZYGOTE_LOAD goes there */
    struct child_ends ends;
    char body[TWIN_LOAD_MAX]; /* the same, in the twin */
};

struct zygote {
    const struct zygote_work *work;
    struct channel *channel;
    int signal_fd;      /* SIGCHLD */
    sigset_t user_mask; /* signals blocked while a task runs */
    bool is_loaded;
    bool is_resting; /* before it forks the second one */
    size_t keep;     /* job workers to keep alive */
    size_t n_forked;
    bool is_renewable;
    pid_t children[ZYGOTE_CHILDREN_MAX];
    int lanes[ZYGOTE_CHILDREN_MAX]; /* of children[i]; -1: nothing is left there */
    size_t n_children;
    struct twin twin; /* one of them, until the payload is loaded */
    bool has_own;     /* the payload has started processes when it was loaded */
    pid_t ended[ZYGOTE_CHILDREN_MAX]; /* with status 0; not yet told */
    size_t n_ended;
    char inbox[LANE_INBOX_SIZE + JOB_LINK_ROOM]; /* of job workers without a lane */
    struct kicks kicks; /* of those that run what was improved since */
    struct zygote_pieces pieces;
};

static void ends_close(struct child_ends *ends, int side)
{
    if (side == 0)
        closep(&ends->lane_fd);
    closep(&ends->task[side]);
    closep(&ends->out[side]);
    closep(&ends->err[side]);
}

static int ends_open(struct child_ends *ends, bool has_tasks, bool has_ledger)
{
    bool has_lane = has_tasks || has_ledger;
    *ends = (struct child_ends){.task = {-1, -1},
                                .out = {-1, -1},
                                .err = {-1, -1},
                                .has_tasks = has_tasks,
                                .lane_fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->task) == 0 &&
        pipe2(ends->out, O_CLOEXEC) == 0 && pipe2(ends->err, O_CLOEXEC) == 0 &&
        (!has_lane || (ends->lane = lane_new(&ends->lane_fd))))
        return 0;
    int r = -errno;
    ends_close(ends, 0);
    ends_close(ends, 1);
    return r;
}

/* Gives the job worker its own descriptors and nothing of the zygote's. */
static struct job_link child_set_up(struct zygote *zygote, pid_t parent,
                                    struct child_ends *ends)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* who leaves its group is still its own */
    if (getppid() != parent)
        _exit(1);
    int task = fcntl(ends->task[1], F_DUPFD_CLOEXEC, TASK_FD);
    if (task < 0 || dup2(ends->out[1], 1) < 0 || dup2(ends->err[1], 2) < 0)
        _exit(1);
    ends_close(ends, 0);
    ends_close(ends, 1);
    for (size_t i = 0; i < zygote->n_children; i++)
        closep(&zygote->lanes[i]);
    close(channel_fd(zygote->channel));
    close(zygote->signal_fd);
    sigprocmask(SIG_SETMASK, &zygote->user_mask, NULL);
    return (struct job_link){.lane = ends->has_tasks ? ends->lane : NULL,
                             .fd = task,
                             .inbox = ends->has_tasks ? lane_inbox(ends->lane)
                                                      : zygote->inbox};
}

static int announce(struct zygote *zygote, pid_t pid, const struct child_ends *ends)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return -errno;
    struct buffer body = {0};
    pack_u64(&body, (uint64_t)pid);
    pack_u64(&body, zygote->n_ended);
    for (size_t i = 0; i < zygote->n_ended; i++)
        pack_u64(&body, (uint64_t)zygote->ended[i]);
    zygote->n_ended = 0;
    int fds[] = {ends->task[0], ends->out[0], ends->err[0], pidfd, ends->lane_fd};
    int r = channel_send_fds(zygote->channel, ZYGOTE_READY, 0, 0, body.data, body.size,
                             fds, ends->has_tasks ? 5 : 4, NULL);
    buffer_clear(&body);
    close(pidfd);
    return r;
}

static _Noreturn void child_begin(struct zygote *zygote, pid_t parent,
                                  struct child_ends *ends)
{
    struct job_link link = child_set_up(zygote, parent, ends);
    forked_adopt();
    if (zygote->work->begin)
        zygote->work->begin(zygote->work->context, link.fd,
                            ends->lane ? lane_ledger(ends->lane) : NULL);
    job_child_run(zygote->work, &link);
}

static bool needs_ledger(const struct zygote *zygote)
{
    return zygote->work->has_ledger && zygote->work->has_ledger(zygote->work->context);
}

static int fork_child(struct zygote *zygote)
{
    struct child_ends ends;
    bool is_renewable = zygote->is_renewable && zygote->n_forked >= RENEWABLE_AFTER &&
                        renewal_is_worth_it();
    bool has_ledger = needs_ledger(zygote);
    int r = ends_open(&ends, is_renewable, has_ledger);
    if (r < 0)
        return r;
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_begin(zygote, self, &ends);
    if (pid < 0)
        r = -errno;
    ends_close(&ends, 1);
    if (pid > 0) {
        zygote->lanes[zygote->n_children] = -1;
        zygote->children[zygote->n_children++] = pid;
        zygote->n_forked++;
        r = announce(zygote, pid, &ends);
        if (has_ledger) {
            zygote->lanes[zygote->n_children - 1] = ends.lane_fd;
            ends.lane_fd = -1;
        }
    }
    ends_close(&ends, 0);
    lane_unmap(ends.lane);
    return r;
}

/* One that is no job worker yet ends with its feed. */
static void twin_clear(struct twin *twin)
{
    if (!twin->pid)
        return;
    ends_close(&twin->ends, 0);
    close(twin->feed);
    twin->pid = 0;
}

/* What a job worker has left of a task that it did not answer; 0: there was none. */
static uint32_t salvage(const struct zygote *zygote, int lane, struct buffer *ret)
{
    struct lane_shared *shared = lane >= 0 ? lane_map(lane) : NULL;
    uint32_t task =
        shared ? zygote->work->salvage(zygote->work->context, lane_ledger(shared), ret)
               : 0;
    lane_unmap(shared);
    return task;
}

static int tell_death(struct zygote *zygote, pid_t pid, int status, uint32_t task,
                      const struct buffer *left)
{
    struct buffer body = {0};
    pack_u64(&body, (uint64_t)pid);
    pack_u64(&body, (uint64_t)(unsigned)status);
    pack_u64(&body, task);
    pack_bytes(&body, left->data, left->size);
    int r = channel_send(zygote->channel, ZYGOTE_DIED, 0, 0, body.data, body.size, NULL);
    buffer_clear(&body);
    return r;
}

/* A fork that fails is tried again when a job worker ends; without any there is no use.
 */
static int fill(struct zygote *zygote)
{
    while (zygote->is_loaded && !zygote->is_resting &&
           zygote->n_children < zygote->keep) {
        int r = fork_child(zygote);
        if (r < 0 && !zygote->n_children)
            return r;
        zygote->is_resting = zygote->n_forked == 1;
        if (r < 0 || zygote->is_resting)
            break;
    }
    for (; zygote->n_ended; zygote->n_ended--) {
        const struct buffer none = {0};
        int r = tell_death(zygote, zygote->ended[zygote->n_ended - 1], 0, 0, &none);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Its lane is the caller's then. */
static bool forget_child(struct zygote *zygote, pid_t pid, int *ret_lane)
{
    for (size_t i = 0; i < zygote->n_children; i++)
        if (zygote->children[i] == pid) {
            *ret_lane = zygote->lanes[i];
            zygote->children[i] = zygote->children[--zygote->n_children];
            zygote->lanes[i] = zygote->lanes[zygote->n_children];
            return true;
        }
    return false;
}

/* What a job worker started in the background must not outlive it. A process that left
 * the group is the zygote's own child by now (subreaper), and what that has started will
 * be when it has ended. */
static void end_strays(const struct zygote *zygote)
{
    pid_t found[ZYGOTE_CHILDREN_MAX + STRAYS_A_TIME];
    size_t n = zygote->has_own ? 0 : descent_own(found, sizeof(found) / sizeof(*found));
    for (size_t i = 0; i < n; i++) {
        bool is_worker = false;
        for (size_t k = 0; k < zygote->n_children; k++)
            is_worker |= zygote->children[k] == found[i];
        if (!is_worker)
            kill(found[i], SIGKILL);
    }
}

/* One that has answered is in no hurry: it is told with its successor. */
static int child_ended(struct zygote *zygote, pid_t pid, int status, int lane)
{
    CLEANUP(buffer_clear) struct buffer left = {0};
    uint32_t task = salvage(zygote, lane, &left);
    if (status || task || zygote->n_ended == ZYGOTE_CHILDREN_MAX)
        return tell_death(zygote, pid, status, task, &left);
    zygote->ended[zygote->n_ended++] = pid;
    return 0;
}

static int reap(struct zygote *zygote)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            return 0;
        CLEANUP(closep) int lane = -1;
        bool is_child = forget_child(zygote, info.si_pid, &lane);
        kicks_forget(&zygote->kicks, info.si_pid);
        if (info.si_pid == zygote->twin.pid)
            twin_clear(&zygote->twin);
        if (is_child)
            kill(-info.si_pid, SIGKILL);
        int status = 0;
        waitpid(info.si_pid, &status, 0);
        bool was_alone = is_child && status == W_EXITCODE(JOB_CHILD_ALONE, 0);
        if (!was_alone)
            end_strays(zygote);
        if (is_child &&
            child_ended(zygote, info.si_pid, was_alone ? 0 : status, lane) < 0)
            return -EPIPE;
    }
}

static size_t bounded(uint64_t children)
{
    return children < ZYGOTE_CHILDREN_MAX ? (size_t)children : ZYGOTE_CHILDREN_MAX;
}

/* What a ZYGOTE_LOAD asks for; false: it cannot be read. */
static bool load_payload(struct zygote *zygote, const void *data, size_t size,
                         struct outcome *ret)
{
    struct unpack in = unpack_init(data, size);
    struct zygote_payload payload = {.places = zygote->pieces.places,
                                     .n_places = zygote->pieces.n};
    size_t object_size;
    payload.data = unpack_bytes(&in, &payload.size);
    const void *object = unpack_bytes(&in, &object_size);
    uint64_t keep = unpack_u64(&in);
    bool is_hopeless = unpack_bool(&in);
    if (!unpack_done(&in) || zygote->is_loaded)
        return false;
    zygote->work->load(zygote->work->context, &payload,
                       (struct zygote_object){object, object_size, is_hopeless}, ret);
    zygote_pieces_clear(&zygote->pieces); /* code of the payload's is not to have them */
    fflush(NULL); /* children would print what is left in the buffers once each */
    zygote->is_loaded = ret->kind == OUTCOME_OK;
    zygote->keep = bounded(keep);
    return true;
}

static struct buffer load_answer(const struct zygote *zygote, struct outcome *outcome)
{
    struct buffer body = {0};
    outcome_pack(outcome, &body);
    outcome_clear(outcome);
    pack_u64(&body, zygote->is_loaded && zygote->work->is_improvable &&
                        zygote->work->is_improvable(zygote->work->context));
    return body;
}

/* What it prints while it loads is no task's. */
static _Noreturn void twin_run(struct zygote *zygote, pid_t parent, int feed)
{
    struct outcome outcome = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (getppid() != parent)
        _exit(1);
    if (zygote->work->warm)
        zygote->work->warm(zygote->work->context);
    ssize_t size = recv(feed, zygote->twin.body, TWIN_LOAD_MAX, 0);
    close(feed);
    if (size <= 0 || !load_payload(zygote, zygote->twin.body, (size_t)size, &outcome) ||
        outcome.kind != OUTCOME_OK)
        _exit(0);
    struct buffer body = load_answer(zygote, &outcome);
    buffer_clear(&body);
    child_begin(zygote, parent, &zygote->twin.ends);
}

/* Only where the two can load side by side. */
static void twin_start(struct zygote *zygote)
{
    struct child_ends *ends = &zygote->twin.ends;
    cpu_set_t cpus;
    int feed[2];
    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) < 2 ||
        ends_open(ends, false, false) < 0)
        return;
    pid_t self = getpid(), pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, feed) == 0) {
        pid = fork();
        if (pid == 0) {
            close(feed[0]);
            twin_run(zygote, self, feed[1]);
        }
        close(feed[pid > 0]);
        if (pid < 0)
            close(feed[1]);
    }
    ends_close(ends, 1);
    if (pid < 0) {
        ends_close(ends, 0);
        return;
    }
    zygote->lanes[zygote->n_children] = -1;
    zygote->twin.pid = zygote->children[zygote->n_children++] = pid;
    zygote->twin.feed = feed[0];
}

/* It has been given the payload too, or there is none any more. */
static void twin_feed(struct zygote *zygote, const struct frame *frame)
{
    struct twin *twin = &zygote->twin;
    if (!twin->pid)
        return;
    static const char once[] = "constructor"; /* code that is not to run twice */
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size;
    const void *payload = unpack_bytes(&in, &size);
    /* Files are in one folder for all tasks. */
    if (frame->size > TWIN_LOAD_MAX || zygote->pieces.n || recipe_is(payload, size) ||
        memmem(frame->data, frame->size, once, strlen(once)) ||
        send(twin->feed, frame->data, frame->size, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            (ssize_t)frame->size)
        twin_clear(twin);
}

/* From now on it is a job worker as any other, if the payload was loaded; but it has no
 * ledger. */
static int twin_announce(struct zygote *zygote)
{
    struct twin *twin = &zygote->twin;
    int r = 0;
    if (twin->pid && zygote->is_loaded && !needs_ledger(zygote)) {
        zygote->n_forked++;
        zygote->is_resting = true;
        r = announce(zygote, twin->pid, &twin->ends);
    }
    twin_clear(twin);
    return r;
}

/* Whether the payload has started processes when it was loaded. */
static bool has_own(const struct zygote *zygote)
{
    siginfo_t none;
    pid_t found[2];
    return waitid(P_ALL, 0, &none, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           descent_own(found, 2) > zygote->n_children;
}

static int load(struct zygote *zygote, const struct frame *frame)
{
    struct outcome outcome = {0};
    twin_feed(zygote, frame);
    if (!load_payload(zygote, frame->data, frame->size, &outcome))
        return -EBADMSG;
    struct buffer body = load_answer(zygote, &outcome);
    int r = channel_send(zygote->channel, ZYGOTE_LOAD, 0, frame->id, body.data, body.size,
                         NULL);
    buffer_clear(&body);
    if (r == 0)
        r = twin_announce(zygote);
    zygote->has_own = has_own(zygote);
    return r;
}

static int handle(struct zygote *zygote, const struct frame *frame)
{
    int r = -EBADMSG;
    if (frame->kind == ZYGOTE_LOAD) {
        r = load(zygote, frame);
    } else if (frame->kind == ZYGOTE_IMPROVE) {
        r = kicks_improve(&zygote->kicks, zygote->work, zygote->channel, frame,
                          zygote->children, zygote->n_children);
    } else if (frame->kind == ZYGOTE_PIECES) {
        r = zygote_pieces_take(&zygote->pieces, frame);
    } else if (frame->kind == ZYGOTE_KEEP) {
        struct unpack in = unpack_init(frame->data, frame->size);
        zygote->keep = bounded(unpack_u64(&in));
        r = 0;
    }
    if (r != -EBADMSG)
        return r;
    static const char text[] = "a zygote cannot read this";
    struct buffer body = {0};
    pack_string(&body, text);
    r = channel_send(zygote->channel, FRAME_BAD, 0, frame->id, body.data, body.size,
                     NULL);
    buffer_clear(&body);
    return r;
}

static int set_up(struct zygote *zygote)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    zygote->is_renewable = renewal_is_supported();
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &zygote->user_mask);
    zygote->signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (zygote->signal_fd < 0)
        return -errno;
    fcntl(PROCESS_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    int fd = fcntl(PROCESS_CHANNEL_FD, F_DUPFD_CLOEXEC, TASK_FD);
    if (fd < 0)
        return -errno;
    close(PROCESS_CHANNEL_FD);
    zygote->channel = channel_new(fd, fd);
    struct buffer hello = {0};
    pack_u64(&hello, PROTOCOL_VERSION);
    pack_u64(&hello, (uint64_t)getpid());
    pack_string(&hello, "zygote");
    int r =
        channel_send(zygote->channel, FRAME_HELLO, 0, 0, hello.data, hello.size, NULL);
    buffer_clear(&hello);
    return r;
}

static int wait_ms(struct zygote *zygote)
{
    int kicks = kicks_time(&zygote->kicks);
    return zygote->is_resting && (kicks < 0 || kicks > ALONE_MS) ? ALONE_MS : kicks;
}

static int serve_once(struct zygote *zygote)
{
    struct pollfd fds[2] = {{.fd = channel_fd(zygote->channel), .events = POLLIN},
                            {.fd = zygote->signal_fd, .events = POLLIN}};
    if (!channel_has_frame(zygote->channel) && poll(fds, 2, wait_ms(zygote)) < 0 &&
        errno != EINTR)
        return -errno;
    zygote->is_resting = false;
    struct signalfd_siginfo info;
    if (fds[1].revents && read(zygote->signal_fd, &info, sizeof(info)) > 0) {
        int r = reap(zygote);
        if (r < 0)
            return r;
    }
    struct frame frame;
    int r = channel_receive(zygote->channel, 0, &frame, NULL);
    if (r > 0)
        r = handle(zygote, &frame);
    return r < 0 ? r : fill(zygote);
}

static bool is_asked(const struct zygote *zygote)
{
    struct pollfd fd = {.fd = channel_fd(zygote->channel), .events = POLLIN};
    return poll(&fd, 1, 0) != 0;
}

/* Unless somebody waits already. */
static void warm(struct zygote *zygote)
{
    if (is_asked(zygote))
        return;
    channel_reserve(zygote->channel, 2 * TWIN_LOAD_MAX);
    twin_start(zygote);
    if (is_asked(zygote))
        twin_clear(&zygote->twin); /* which warms up */
    else if (zygote->work->warm)
        zygote->work->warm(zygote->work->context);
}

int zygote_serve(const struct zygote_work *work)
{
    CLEANUP(freep) struct zygote *zygote = must_alloc(sizeof(*zygote));
    zygote->work = work;
    int r = set_up(zygote);
    if (r == 0)
        warm(zygote);
    while (r == 0)
        r = serve_once(zygote);
    channel_free(zygote->channel);
    kicks_clear(&zygote->kicks);
    return r == -EPIPE ? 0 : 1;
}
