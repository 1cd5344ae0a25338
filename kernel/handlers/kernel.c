/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Start, the two threads, and the end. */
#include "kernel/handlers/kernel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "kernel/handlers/handler.h"
#include "kernel/handlers/output.h"

#define SHELL_END_S                                                                      \
    2 /* for the shell thread to end what it does when the kernel ends                   \
       */

/* Events of the sockets' thread */

static void receive(void *context, struct request *request)
{
    struct kernel *kernel = context;
    bool is_early = !__atomic_load_n(&kernel->is_started, __ATOMIC_ACQUIRE) &&
                    strcmp(request->type, handle_kernel_info.type) == 0 &&
                    queue_is_empty(kernel->queue);
    if (request->channel == WIRE_STDIN) {
        input_receive(kernel->input, request);
        request_free(request);
        return;
    }
    if (request->channel == WIRE_SHELL && !is_early) {
        request->number = ++kernel->interrupts.n_received;
        queue_push(kernel->queue, request);
        return;
    }
    dispatch(kernel, request);
    request_free(request);
}

static bool has_room(void *context)
{
    struct kernel *kernel = context;
    return queue_has_room(kernel->queue);
}

static void take_signal(void *context, int number)
{
    struct kernel *kernel = context;
    if (number == SIGINT)
        interrupts_take(&kernel->interrupts, kernel->server, NULL);
    else
        server_stop(kernel->server);
}

/* The shell thread */

static void start_history(struct kernel *kernel)
{
    struct error err = {0};
    CLEANUP(freep) char *path = history_path();
    if (path && history_open(path, &kernel->history, &err) == 0)
        return;
    fprintf(stderr, "achar kernel: history is kept in memory only: %s\n",
            path ? err.text : "there is no home folder");
    if (history_open(NULL, &kernel->history, NULL) < 0)
        kernel->history = NULL;
}

static void start_session(struct kernel *kernel)
{
    int r = session_new(&kernel->session, &kernel->start_error);
    if (r == 0)
        r = magics_new(kernel->session, &kernel->magics, &kernel->start_error);
    if (r < 0) {
        fprintf(stderr, "achar kernel: there is no session: %s\n",
                kernel->start_error.text);
        session_free(kernel->session);
        kernel->session = NULL;
    }
    interrupts_set_session(&kernel->interrupts, kernel->session);
}

/* Waits for the next request; meanwhile passes on what the session prints, and lets it do
 * what it does at leisure. NULL at the end. */
static struct request *next_request(struct kernel *kernel, bool *ret_is_aborted)
{
    struct pollfd fds[1 + SESSION_WATCHED_MAX];
    int wait_ms = 0; /* none, when one is there already */
    while (!queue_is_closed(kernel->queue)) {
        struct request *request = queue_pop(kernel->queue, ret_is_aborted);
        if (request)
            return request;
        fds[0] = (struct pollfd){.fd = queue_fd(kernel->queue), .events = POLLIN};
        size_t n = kernel->session ? session_watch(kernel->session, fds + 1) : 0;
        int n_ready = poll(fds, 1 + n, wait_ms);
        if (n_ready > 0 && kernel->session)
            session_listen(kernel->session, fds + 1);
        if (!fds[0].revents)
            wait_ms = kernel->session ? session_idle(kernel->session) : -1;
    }
    return NULL;
}

static void *serve_shell(void *context)
{
    struct kernel *kernel = context;
    start_session(kernel);
    start_history(kernel);
    __atomic_store_n(&kernel->is_started, true, __ATOMIC_RELEASE);
    bool is_aborted;
    struct request *request;
    while ((request = next_request(kernel, &is_aborted))) {
        server_wake(kernel->server);
        interrupts_begin(&kernel->interrupts, kernel->server, request);
        if (is_aborted)
            dispatch_aborted(kernel, request);
        else
            dispatch(kernel, request);
        interrupts_end(&kernel->interrupts);
        request_free(request);
    }
    interrupts_set_session(&kernel->interrupts, NULL);
    history_close(kernel->history);
    magics_free(kernel->magics);
    session_free(kernel->session);
    output_unref(kernel->output);
    spills_clear(&kernel->spills);
    return NULL;
}

/* Start and end */

static int block_signals(int *ret_fd, struct error *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    *ret_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? error_errno(err, -errno, "cannot create a signal descriptor")
                       : 0;
}

/* What runs is interrupted; a session that does not stop is left to end with us: its
 * processes die with their parent. */
static void end_shell(struct kernel *kernel, pthread_t shell)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SHELL_END_S;
    queue_close(kernel->queue);
    interrupts_take(&kernel->interrupts, kernel->server, NULL);
    if (pthread_timedjoin_np(shell, NULL, &until) == 0)
        return;
    spills_clear(&kernel->spills);
    _exit(0);
}

int kernel_run(const struct connection *connection, struct error *err)
{
    CLEANUP(queue_freep) struct queue *queue = queue_new();
    CLEANUP(closep) int signal_fd = -1;
    int r = block_signals(&signal_fd, err);
    if (r < 0)
        return r;
    CLEANUP(input_freep) struct input *input = NULL;
    r = input_new(&input, err);
    if (r < 0)
        return r;
    struct kernel kernel = {.queue = queue, .input = input};
    interrupts_init(&kernel.interrupts);
    struct server_events events = {.receive = receive,
                                   .has_room = has_room,
                                   .signal = take_signal,
                                   .signal_fd = signal_fd,
                                   .context = &kernel};
    CLEANUP(server_freep) struct server *server = NULL;
    r = server_new(connection, &events, &server, err);
    if (r < 0)
        return r;
    kernel.server = server;
    pthread_t shell;
    r = -pthread_create(&shell, NULL, serve_shell, &kernel);
    if (r < 0)
        return error_errno(err, r, "cannot start the shell thread");
    publish(&kernel, NULL, "status", json_pack("{s:s}", "execution_state", "starting"));
    r = server_run(server, err);
    end_shell(&kernel, shell);
    return r;
}
