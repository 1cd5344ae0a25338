/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs that a cell starts: their output goes into the cell while they run, and what
 * they read the person is asked for, as for what cells read (kernel/session/console.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/session/console.h"
#include "magics/context.h"
#include "pickler/base/clock.h"
#include "pickler/base/start.h"

#define OUTPUT_KEPT_MAX (1u << 20) /* of a program whose output is looked at */

void magic_print(struct magic_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP(freep) char *text = must_vformat(format, args);
    va_end(args);
    if (*text)
        context->events->stream(context->events->context, false, text, strlen(text));
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

/* A program that runs; the descriptors are the reading ends of its pipes. */
struct program {
    struct magic_context *context;
    struct buffer *output; /* takes all that it writes; NULL: the cell does */
    struct console console;
    pid_t pid;
    int out, errors;
};

static int spawn(struct program *program, const char *const *argv, int out, int errors)
{
    CLEANUP(freep) char *folder = session_folder(program->context->session);
    int in = program->output ? -1 : console_input(&program->console);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (folder)
        posix_spawn_file_actions_addchdir_np(&actions, folder);
    return start_program(argv[0], argv, NULL, &actions, START_GROUP, &program->pid);
}

/* Reads once from one of its pipes; closes it at its end. */
static void take_output(struct program *program, bool is_stderr)
{
    char text[65536];
    int *fd = is_stderr ? &program->errors : &program->out;
    ssize_t n = read(*fd, text, sizeof(text));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        closep(fd);
        *fd = -1;
    } else if (!program->output) {
        console_output(&program->console, is_stderr, text, (size_t)n, clock_ms(),
                       program->context->events);
    } else if (program->output->size < OUTPUT_KEPT_MAX) {
        buffer_add(program->output, text, (size_t)n);
    }
}

/* All that it has written so far, before a question is asked. */
static void drain(struct program *program)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = program->out, .events = POLLIN},
                                {.fd = program->errors, .events = POLLIN}};
        if (poll(fds, 2, 0) <= 0)
            return;
        for (int i = 0; i < 2; i++)
            if (fds[i].revents)
                take_output(program, i);
    }
}

/* Asks for input when it, or what it has started, waits for some. Where nobody can be
 * asked it finds that the input has ended. */
static void serve_input(struct program *program)
{
    struct console *console = &program->console;
    const struct session_events *events = program->context->events;
    int64_t now = clock_ms();
    if (console_timeout(console, now) ||
        !console_look(console, program->pid, now, events))
        return;
    console_take_written(console, now, events);
    drain(program);
    (void)console_serve(console, now, events);
}

/* True when it was interrupted. */
static bool pump(struct program *program)
{
    struct console *console = &program->console;
    struct session *session = program->context->session;
    const struct session_events *events = program->context->events;
    int pidfd = (int)syscall(SYS_pidfd_open, program->pid, 0);
    bool has_ended = false;
    int n_interrupts = 0;
    while (!has_ended) {
        struct pollfd fds[] = {
            {.fd = program->out, .events = POLLIN},
            {.fd = program->errors, .events = POLLIN},
            {.fd = session_interrupt_fd(session), .events = POLLIN},
            {.fd = pidfd, .events = POLLIN},
            {.fd = console->terminal.master, .events = POLLIN},
            {.fd = console_answer_fd(console, events), .events = POLLIN}};
        poll(fds, sizeof(fds) / sizeof(*fds), console_timeout(console, clock_ms()));
        has_ended = fds[3].revents && !fds[0].revents && !fds[1].revents;
        if (fds[0].revents)
            take_output(program, false);
        if (fds[1].revents)
            take_output(program, true);
        if (fds[4].revents)
            console_take_written(console, clock_ms(), events);
        if (fds[5].revents)
            console_take_answer(console, program->pid, clock_ms(), events);
        if (!has_ended)
            serve_input(program);
        if (fds[2].revents && session_was_interrupted(session))
            kill(-program->pid, n_interrupts++ ? SIGKILL : SIGINT);
    }
    closep(&pidfd);
    return n_interrupts > 0;
}

int magic_process(struct magic_context *context, const char *const *argv,
                  struct buffer *ret_output, int *ret_status, struct error *err)
{
    struct program program = {.context = context, .output = ret_output};
    int out[2], errors[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return error_errno(err, -errno, "cannot make a pipe");
    if (pipe2(errors, O_CLOEXEC) < 0) {
        int r = error_errno(err, -errno, "cannot make a pipe");
        close(out[0]);
        close(out[1]);
        return r;
    }
    console_init(&program.console);
    console_begin(&program.console, clock_ms());
    bool was_interrupted = false;
    int r = spawn(&program, argv, out[1], errors[1]);
    close(out[1]);
    close(errors[1]);
    program.out = out[0];
    program.errors = errors[0];
    if (r == 0) {
        was_interrupted = pump(&program);
        while (waitpid(program.pid, ret_status, 0) < 0 && errno == EINTR)
            ;
    }
    console_end(&program.console, false, context->events);
    console_clear(&program.console);
    closep(&program.out);
    closep(&program.errors);
    return r < 0 ? error_errno(err, r, "cannot run '%s'", argv[0]) : was_interrupted;
}
