/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/analyser_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/peer/protocol.h"
#include "pickler/base/clock.h"

#define LINGER_US 1500 /* for an answer, before going to sleep */

void analyser_client_init(struct analyser_client *client, const struct graph *graph,
                          const struct types *types, struct interrupt *interrupt)
{
    *client = (struct analyser_client){.process = {.pidfd = -1, .out = -1, .err = -1},
                                       .next_generation = 1,
                                       .next_id = 1,
                                       .graph = graph,
                                       .types = types,
                                       .interrupt = interrupt};
}

void analyser_client_clear(struct analyser_client *client)
{
    process_leave(&client->process, ANALYSER_END_MS);
    buffer_clear(&client->flags);
    buffer_clear(&client->options);
    buffer_clear(&client->orphans);
}

void analyser_client_stop(struct analyser_client *client)
{
    process_end(&client->process);
}

static int send_memory(struct analyser_client *client, struct error *err)
{
    struct process *process = &client->process;
    if (client->flags.size) {
        int r = channel_send(process->channel, ANALYSER_FLAGS, process->generation, 0,
                             client->flags.data, client->flags.size, err);
        if (r < 0)
            return r;
    }
    if (client->options.size) {
        int r = channel_send(process->channel, ANALYSER_OPTIONS, process->generation, 0,
                             client->options.data, client->options.size, err);
        if (r < 0)
            return r;
    }
    if (client->orphans.size) {
        int r = channel_send(process->channel, ANALYSER_ORPHANS, process->generation, 0,
                             client->orphans.data, client->orphans.size, err);
        if (r < 0)
            return r;
    }
    CLEANUP(buffer_clear) struct buffer memory = {0}, types = {0};
    pack_u64(&memory, 1); /* entry 0, void, is in every table */
    types_pack(client->types, 1, &types);
    pack_bytes(&memory, types.data, types.size);
    size_t n = graph_count(client->graph);
    pack_u64(&memory, n);
    for (size_t i = 0; i < n; i++)
        definition_pack(graph_at(client->graph, i), &memory);
    graph_pack_forgotten(client->graph, &memory);
    return channel_send(process->channel, ANALYSER_DEFINE, process->generation, 0,
                        memory.data, memory.size, err);
}

int analyser_client_start(struct analyser_client *client, struct error *err)
{
    static const char *const argv[] = {"achar-analyser", NULL};
    client->is_greeted = false;
    return process_start(argv, false, -1, client->next_generation++, &client->process,
                         err);
}

void analyser_client_restart(struct analyser_client *client)
{
    struct error ignored; /* the next question tries again */
    process_end(&client->process);
    if (analyser_client_start(client, &ignored) < 0)
        client->process.pid = 0;
}

/* Reads its hello and tells it what it must remember. */
static int greet(struct analyser_client *client, struct error *err)
{
    struct frame hello;
    int r = channel_receive(client->process.channel, ANALYSER_TIMEOUT_MS, &hello, err);
    if (r > 0 && hello.kind != FRAME_HELLO)
        r = error_set(err, -EPROTO, "the analyser did not say hello");
    if (r == 0)
        r = error_set(err, -ETIMEDOUT, "the analyser did not start in time");
    if (r > 0)
        r = send_memory(client, err);
    if (r < 0)
        process_end(&client->process);
    client->is_greeted = r >= 0;
    return r;
}

static char *stop(struct analyser_client *client, const char *why)
{
    int status = 0;
    bool has_ended = false;
    if (!why) { /* its channel is closed: it is dying, and its status tells of what */
        struct pollfd fd = {.fd = client->process.pidfd, .events = POLLIN};
        poll(&fd, 1, 1000);
        has_ended = process_has_ended(&client->process, &status);
    }
    process_end(&client->process);
    if (why)
        return must_strdup(why);
    if (has_ended && WIFSIGNALED(status))
        return must_format("the analyser died of signal %d (%s) on this text",
                           WTERMSIG(status), strsignal(WTERMSIG(status)));
    return must_strdup("the analyser gave up on this text");
}

/* 1: an answer; 0: stopped, with *ret_why. */
static int wait_answer(struct analyser_client *client, uint32_t id, struct frame *ret,
                       char **ret_why)
{
    struct process *process = &client->process;
    int64_t deadline = clock_ms() + ANALYSER_TIMEOUT_MS;
    channel_linger(process->channel, LINGER_US, client->is_alone ? 1 : 2);
    for (;;) {
        int r = channel_receive(process->channel, 0, ret, NULL);
        if (r < 0) {
            *ret_why = stop(client, NULL);
            return 0;
        }
        if (r > 0 && ret->id == id)
            return 1;
        if (r > 0)
            continue;
        int64_t left = deadline - clock_ms();
        if (left <= 0) {
            *ret_why =
                stop(client, "the analyser took more than 10 seconds on this text");
            return 0;
        }
        struct pollfd fds[2] = {{.fd = channel_fd(process->channel), .events = POLLIN},
                                {.fd = client->interrupt->fd, .events = POLLIN}};
        poll(fds, 2, (int)left);
        if (fds[1].revents && interrupt_take(client->interrupt)) {
            *ret_why = stop(client, "interrupted while the text was analysed");
            return 0;
        }
    }
}

int analyser_client_ask(struct analyser_client *client, uint16_t kind,
                        const struct buffer *question, struct frame *ret, char **ret_why,
                        struct error *err)
{
    *ret_why = NULL;
    for (int attempt = 0;; attempt++) {
        int r = client->process.pid > 0 ? 0 : analyser_client_start(client, err);
        if (r == 0 && !client->is_greeted)
            r = greet(client, err);
        if (r < 0)
            return r;
        uint32_t id = client->next_id++;
        r = channel_send(client->process.channel, kind, client->process.generation, id,
                         question->data, question->size, NULL);
        if (r < 0 &&
            attempt == 0) { /* it died since the last question, not of this one */
            process_end(&client->process);
            continue;
        }
        if (r < 0) {
            *ret_why = stop(client, NULL);
            return 0;
        }
        return wait_answer(client, id, ret, ret_why);
    }
}

int analyser_client_more(struct analyser_client *client, struct frame *ret,
                         char **ret_why)
{
    *ret_why = NULL;
    if (client->process.pid > 0 && client->is_greeted)
        return wait_answer(client, client->next_id - 1, ret, ret_why);
    *ret_why = must_strdup("the analyser has ended");
    return 0;
}

void analyser_client_tell(struct analyser_client *client, uint16_t kind,
                          const struct buffer *message)
{
    if (client->process.pid <= 0 || !client->is_greeted)
        return;
    if (channel_send(client->process.channel, kind, client->process.generation, 0,
                     message->data, message->size, NULL) < 0)
        process_end(&client->process);
}

void analyser_client_watch(struct analyser_client *client, pid_t session)
{
    buffer_clear(&client->orphans);
    pack_u64(&client->orphans, (uint64_t)session);
    analyser_client_tell(client, ANALYSER_ORPHANS, &client->orphans);
}
