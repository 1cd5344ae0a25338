/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pickler/base/start.h"

#define TERM_MS 2000 /* from SIGTERM to SIGKILL */

extern char **environ;

/* Those that an outer job of Slurm has set; not those that lead to the cluster. */
static bool is_of_outer_job(const char *variable)
{
    return strncmp(variable, "SLURM_", 6) == 0 &&
           strncmp(variable, "SLURM_CONF=", 11) != 0 &&
           strncmp(variable, "SLURM_CLUSTERS=", 15) != 0;
}

/* Owned array of borrowed strings. */
static char **environment(void)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    bool is_in_job = getenv("SLURM_JOB_ID") != NULL;
    char **ret = must_alloc((n + 1) * sizeof(*ret));
    for (size_t i = 0; i < n; i++)
        if (!is_in_job || !is_of_outer_job(environ[i]))
            ret[kept++] = environ[i];
    return ret;
}

static int spawn(const char *const *argv, int stdio, int err, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    CLEANUP(freep) char **variables = environment();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, stdio, 0);
    posix_spawn_file_actions_adddup2(&actions, stdio, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    return start_program(argv[0], argv, variables, &actions, START_SESSION, ret);
}

static int move_high(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10); /* dup2() onto itself would not do */
    close(fd);
    return high;
}

int launch_start(const char *const *argv, struct launch *ret, struct error *err)
{
    int ends[2], pipe_ends[2];
    pid_t pid = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return error_errno(err, -errno, "cannot start '%s'", argv[0]);
    if (pipe2(pipe_ends, O_CLOEXEC) < 0) {
        int code = -errno;
        close(ends[0]);
        close(ends[1]);
        return error_errno(err, code, "cannot start '%s'", argv[0]);
    }
    ends[1] = move_high(ends[1]);
    pipe_ends[1] = move_high(pipe_ends[1]);
    int flags = fcntl(ends[1], F_GETFL);
    fcntl(ends[1], F_SETFL, flags & ~O_NONBLOCK); /* ours stays so */
    int r = spawn(argv, ends[1], pipe_ends[1], &pid);
    closep(&ends[1]);
    closep(&pipe_ends[1]);
    if (r < 0) {
        close(ends[0]);
        close(pipe_ends[0]);
        return error_errno(err, r, "cannot start '%s'", argv[0]);
    }
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    *ret = (struct launch){.pid = pid,
                           .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
                           .fd = ends[0],
                           .err = pipe_ends[0]};
    return 0;
}

void launch_listen(struct launch *launch)
{
    char text[1024];
    while (launch->err >= 0) {
        ssize_t n = read(launch->err, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n > 0) {
            buffer_add(&launch->words, text, (size_t)n);
            continue;
        }
        close(launch->err);
        launch->err = -1;
    }
    size_t size = launch->words.size;
    if (size <= LAUNCH_WORDS_MAX)
        return;
    memmove(launch->words.data, launch->words.data + size - LAUNCH_WORDS_MAX,
            LAUNCH_WORDS_MAX + 1);
    launch->words.size = LAUNCH_WORDS_MAX;
}

bool launch_read(struct launch *launch, struct buffer *out, size_t max)
{
    char text[4096];
    while (launch->fd >= 0 && out->size <= max) {
        ssize_t n = read(launch->fd, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n <= 0)
            return false;
        buffer_add(out, text, (size_t)n);
    }
    return false;
}

bool launch_has_ended(struct launch *launch)
{
    if (launch->pid > 0 && waitpid(launch->pid, &launch->status, WNOHANG) == launch->pid)
        launch->pid = 0;
    return launch->pid == 0;
}

/* The last line of the text that holds one of the words, or is not empty. */
static char *find_line(const char *text, const char *const *words)
{
    CLEANUP(freep) char *copy = must_strdup(text);
    char *found = NULL, *rest = copy;
    for (char *line; (line = strsep(&rest, "\r\n"));)
        for (const char *const *word = words; *word; word++)
            if (*line && strstr(line, *word))
                found = line;
    return must_strdup(found);
}

char *launch_last_line(struct launch *launch)
{
    static const char *const telling[] = {"error", "unrecognized", "invalid", NULL};
    static const char *const any[] = {"", NULL};
    launch_listen(launch);
    const char *text = buffer_string(&launch->words);
    char *line = find_line(text, telling);
    return line ? line : find_line(text, any);
}

static bool wait_end(struct launch *launch, int timeout_ms)
{
    struct pollfd ended = {.fd = launch->pidfd, .events = POLLIN};
    if (!launch_has_ended(launch) && launch->pidfd >= 0)
        poll(&ended, 1, timeout_ms);
    return launch_has_ended(launch);
}

int launch_end(struct launch *launch, int timeout_ms)
{
    if (launch->fd >= 0)
        close(launch->fd);
    if (launch->pid > 0 && !wait_end(launch, timeout_ms)) {
        kill(launch->pid, SIGTERM);
        if (!wait_end(launch, TERM_MS)) {
            kill(launch->pid, SIGKILL);
            while (waitpid(launch->pid, &launch->status, 0) < 0 && errno == EINTR)
                ;
        }
    }
    closep(&launch->pidfd);
    closep(&launch->err);
    buffer_clear(&launch->words);
    int status = launch->status;
    *launch = (struct launch)LAUNCH_NONE;
    return status;
}
