/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs that a cell starts: their output goes into the cell while they run. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "magics/context.h"

#define OUTPUT_KEPT_MAX (1u << 20) /* of a program whose output is looked at */

extern char **environ;

void magic_print(struct magic_context *context, const char *format, ...)
{
    char *formatted = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&formatted, format, args);
    va_end(args);
    if (size > 0)
        context->events->stream(context->events->context, false, formatted, (size_t)size);
    free(formatted);
}

char *magic_path(struct magic_context *context, const char *path)
{
    const char *home = getenv("HOME");
    CLEANUP(freep) char *folder = session_folder(context->session);
    if (!strncmp(path, "~/", 2) && home)
        return must_format("%s%s", home, path + 1);
    return *path == '/' || !folder ? must_strdup(path)
                                   : must_format("%s/%s", folder, path);
}

static int spawn(const char *const *argv, const char *folder, int out, int errors,
                 pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (folder)
        posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int r =
        posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* Reads once from a program's pipe; closes it at its end. */
static void take_output(struct magic_context *context, int *fd, bool is_stderr,
                        struct buffer *ret_output)
{
    char text[65536];
    ssize_t n = read(*fd, text, sizeof(text));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        closep(fd);
        *fd = -1;
    } else if (!ret_output) {
        context->events->stream(context->events->context, is_stderr, text, (size_t)n);
    } else if (ret_output->size < OUTPUT_KEPT_MAX) {
        buffer_add(ret_output, text, (size_t)n);
    }
}

/* True when it was interrupted. */
static bool pump(struct magic_context *context, pid_t pid, int *out, int *errors,
                 struct buffer *ret_output)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool has_ended = false;
    int n_interrupts = 0;
    while (!has_ended) {
        struct pollfd fds[4] = {
            {.fd = *out, .events = POLLIN},
            {.fd = *errors, .events = POLLIN},
            {.fd = session_interrupt_fd(context->session), .events = POLLIN},
            {.fd = pidfd, .events = POLLIN}};
        poll(fds, 4, -1);
        if (fds[2].revents && session_was_interrupted(context->session))
            kill(-pid, n_interrupts++ ? SIGKILL : SIGINT);
        has_ended = fds[3].revents && !fds[0].revents && !fds[1].revents;
        if (fds[0].revents)
            take_output(context, out, false, ret_output);
        if (fds[1].revents)
            take_output(context, errors, true, ret_output);
    }
    closep(&pidfd);
    return n_interrupts > 0;
}

int magic_process(struct magic_context *context, const char *const *argv,
                  struct buffer *ret_output, int *ret_status, struct error *err)
{
    CLEANUP(freep) char *folder = session_folder(context->session);
    int out[2], errors[2];
    pid_t pid;
    if (pipe2(out, O_CLOEXEC) < 0)
        return error_errno(err, -errno, "cannot make a pipe");
    if (pipe2(errors, O_CLOEXEC) < 0) {
        int r = error_errno(err, -errno, "cannot make a pipe");
        close(out[0]);
        close(out[1]);
        return r;
    }
    bool was_interrupted = false;
    int r = spawn(argv, folder, out[1], errors[1], &pid);
    close(out[1]);
    close(errors[1]);
    if (r == 0) {
        was_interrupted = pump(context, pid, &out[0], &errors[0], ret_output);
        while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
            ;
    }
    closep(&out[0]);
    closep(&errors[0]);
    return r < 0 ? error_errno(err, r, "cannot run '%s'", argv[0]) : was_interrupted;
}
