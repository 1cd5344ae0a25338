/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "kernel/peer/memory_channel.h"
#include "pickler/base/start.h"

/* Where a build tree keeps each helper, seen from the folder of `achar`. */
static const char *const helper_folders[] = {".",
                                             "../libexec/achar",
                                             "../unit",
                                             "../worker",
                                             "../pool",
                                             "../kernel/unit",
                                             "../kernel/worker",
                                             "../kernel/pool",
                                             "../../kernel/unit",
                                             "../../kernel/worker",
                                             "../../kernel/pool",
                                             NULL};

char *process_helper_path(const char *name)
{
    const char *folder = getenv("ACHAR_LIBEXEC");
    if (folder && *folder)
        return must_format("%s/%s", folder, name);
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (size < 0)
        return must_strdup(name);
    self[size] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; helper_folders[i]; i++) {
        CLEANUP(freep)
        char *path = must_format("%s/%s/%s", self, helper_folders[i], name);
        if (access(path, X_OK) == 0)
            return TAKE(path);
    }
    return must_format("%s/../libexec/achar/%s", self, name);
}

struct child_ends {
    int channel, in, out, err; /* the child's; -1: inherited, `in` /dev/null */
    int memory;                /* -1: none */
};

static int spawn(const char *path, const char *const *argv, const struct child_ends *ends,
                 pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    /* dup2() onto itself would keep close-on-exec, so every end is moved far away first:
     * process_start() makes them all >= 10. */
    if (ends->in >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->in, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (ends->out >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->out, 1);
    if (ends->err >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->err, 2);
    posix_spawn_file_actions_adddup2(&actions, ends->channel, PROCESS_CHANNEL_FD);
    if (ends->memory >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->memory, PROCESS_MEMORY_FD);
    /* Nor does what the front itself was started with reach code of users. */
    posix_spawn_file_actions_addclosefrom_np(
        &actions, (ends->memory >= 0 ? PROCESS_MEMORY_FD : PROCESS_CHANNEL_FD) + 1);
    /* A group of its own: a terminal's Ctrl-C is for the front, which decides. With a
     * terminal of its own for input, it shall not find another one as /dev/tty either. */
    return start_program(path, argv, NULL, &actions,
                         ends->in >= 0 ? START_SESSION : START_GROUP, ret);
}

static int move_high(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    close(fd);
    return high;
}

static int make_pair(bool is_socket, int ends[2])
{
    int r = is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                      : pipe2(ends, O_CLOEXEC);
    if (r < 0)
        return -errno;
    ends[0] = move_high(ends[0]);
    ends[1] = move_high(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    closep(&ends[0]);
    closep(&ends[1]);
    ends[0] = ends[1] = -1;
    return -EMFILE;
}

void process_set_pipe(int fd)
{
    fcntl(fd, F_SETPIPE_SZ, PROCESS_PIPE_SIZE);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* `memory` is -1 or taken. */
static int start(const char *const *argv, bool is_captured, int input, int memory,
                 struct process *ret, struct error *err)
{
    CLEANUP(freep) char *path = process_helper_path(argv[0]);
    int channel[2] = {-1, -1}, out[2] = {-1, -1}, errors[2] = {-1, -1};
    pid_t pid = 0;
    int r = make_pair(true, channel);
    if (r == 0 && is_captured)
        r = make_pair(false, out);
    if (r == 0 && is_captured)
        r = make_pair(false, errors);
    if (r == 0) {
        struct child_ends ends = {channel[1], input, out[1], errors[1], memory};
        r = spawn(path, argv, &ends, &pid);
    }
    closep(&channel[1]);
    closep(&out[1]);
    closep(&errors[1]);
    if (r < 0) {
        closep(&channel[0]);
        closep(&out[0]);
        closep(&errors[0]);
        closep(&memory);
        return error_errno(err, r, "cannot start '%s'", path);
    }
    if (is_captured) {
        process_set_pipe(out[0]);
        process_set_pipe(errors[0]);
    }
    *ret = (struct process){.pid = pid,
                            .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
                            .out = out[0],
                            .err = errors[0]};
    ret->channel = memory >= 0 ? memory_channel_new(channel[0], memory, true)
                               : channel_new(channel[0], channel[0]);
    if (ret->pidfd >= 0)
        fcntl(ret->pidfd, F_SETFD, FD_CLOEXEC);
    if (ret->channel)
        return 0;
    close(channel[0]);
    close(memory);
    process_end(ret);
    return error_set(err, -ENOMEM, "cannot share memory with '%s'", path);
}

int process_start(const char *const *argv, bool is_captured, int input,
                  uint32_t generation, struct process *ret, struct error *err)
{
    int r = start(argv, is_captured, input, -1, ret, err);
    if (r == 0)
        ret->generation = generation;
    return r;
}

int process_start_near(const char *const *argv, uint32_t generation, struct process *ret,
                       struct error *err)
{
    int made = memory_channel_make(), memory = made < 0 ? made : move_high(made);
    if (memory < 0)
        return error_errno(err, made < 0 ? made : -errno,
                           "cannot make memory to share with '%s'", argv[0]);
    int r = start(argv, false, -1, memory, ret, err);
    if (r == 0)
        ret->generation = generation;
    return r;
}

bool process_has_ended(struct process *process, int *ret_status)
{
    if (process->pid <= 0 || waitpid(process->pid, ret_status, WNOHANG) != process->pid)
        return false;
    process->pid = 0;
    return true;
}

void process_leave(struct process *process, int timeout_ms)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    int status;
    channel_free(TAKE(process->channel));
    if (process->pid > 0 && process->pidfd >= 0)
        poll(&ended, 1, timeout_ms);
    process_has_ended(process, &status); /* else process_end() kills it */
    process_end(process);
}

int process_end(struct process *process)
{
    int status = -1;
    if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    channel_free(process->channel);
    closep(&process->pidfd);
    closep(&process->out);
    closep(&process->err);
    *process = (struct process){.pidfd = -1, .out = -1, .err = -1};
    return status;
}

bool process_is_computing(pid_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end && strncmp(end, ") R", 3) == 0;
}

uint64_t process_had_us(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}
