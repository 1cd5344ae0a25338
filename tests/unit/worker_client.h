/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An achar-worker for tests that speak to it directly: plans are made by hand. */
#ifndef ACHAR_TESTS_WORKER_CLIENT_H
#define ACHAR_TESTS_WORKER_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "kernel/peer/outcome.h"
#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/plan/plan.h"
#include "tests/unit/check.h"

/* Cells are written with their first members only. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define ANSWER_TIMEOUT_MS 20000

struct worker {
    struct process process;
    struct buffer out, err; /* all it has printed */
    struct types types;     /* the session's */
    uint32_t id;
    bool has_died;
    struct outcome dying; /* of a WORKER_DYING */
};

static inline void worker_drain(struct worker *worker)
{
    struct {
        int fd;
        struct buffer *to;
    } pipes[2] = {{worker->process.out, &worker->out},
                  {worker->process.err, &worker->err}};
    for (int i = 0; i < 2; i++) {
        char bytes[4096];
        ssize_t n;
        while (pipes[i].fd >= 0 && (n = read(pipes[i].fd, bytes, sizeof(bytes))) > 0)
            if (pipes[i].to->size < 1 << 20)
                buffer_add(pipes[i].to, bytes, (size_t)n);
    }
}

static inline bool worker_start(struct worker *worker)
{
    static const char *const argv[] = {"achar-worker", NULL};
    struct error err = {0};
    struct frame hello = {0};
    *worker = (struct worker){0};
    types_init(&worker->types);
    if (process_start(argv, true, -1, 7, &worker->process, &err) < 0 ||
        channel_receive(worker->process.channel, ANSWER_TIMEOUT_MS, &hello, &err) != 1) {
        fprintf(stderr, "cannot start the worker: %s\n", err.text);
        check_failures++;
        return false;
    }
    return CHECK_INT(hello.kind, FRAME_HELLO);
}

static inline void worker_stop(struct worker *worker)
{
    process_end(&worker->process);
    buffer_clear(&worker->out);
    buffer_clear(&worker->err);
    types_clear(&worker->types);
    outcome_clear(&worker->dying);
}

static inline void worker_change_pipes(struct worker *worker, const struct frame *frame)
{
    if (!CHECK_INT(frame->n_fds, 2))
        return;
    worker_drain(worker);
    closep(&worker->process.out);
    closep(&worker->process.err);
    worker->process.out = frame->fds[0];
    worker->process.err = frame->fds[1];
    process_set_pipe(frame->fds[0]);
    process_set_pipe(frame->fds[1]);
}

/* Sends SIGINT after interrupt_ms (0: never, -1: before the request). The rest of the
 * answer is in *ret_rest, valid until the next request. False when the worker died. */
static inline bool worker_ask(struct worker *worker, uint16_t kind,
                              const struct buffer *question, int interrupt_ms,
                              struct outcome *ret, struct unpack *ret_rest)
{
    struct channel *channel = worker->process.channel;
    struct error err = {0};
    *ret = (struct outcome){0};
    worker->id++;
    if (interrupt_ms < 0)
        sigqueue(worker->process.pid, SIGINT,
                 (union sigval){.sival_int = (int)worker->id});
    CHECK_OK(
        channel_send(channel, kind, 7, worker->id, question->data, question->size, &err),
        err);
    for (int waited = 0; waited < ANSWER_TIMEOUT_MS; waited += 2) {
        struct frame frame;
        int r = channel_receive(channel, 2, &frame, &err);
        worker_drain(worker);
        if (interrupt_ms > 0 && waited >= interrupt_ms) {
            sigqueue(worker->process.pid, SIGINT,
                     (union sigval){.sival_int = (int)worker->id});
            interrupt_ms = 0;
        }
        if (r == 0)
            continue;
        if (r < 0)
            break;
        *ret_rest = unpack_init(frame.data, frame.size);
        if (frame.kind == WORKER_PIPES) {
            worker_change_pipes(worker, &frame);
            continue;
        }
        if (frame.kind == WORKER_DYING) {
            CHECK_OK(outcome_unpack(ret_rest, &worker->dying, &err), err);
            continue;
        }
        CHECK_INT(frame.id, worker->id);
        CHECK_INT(frame.generation, 7);
        if (!CHECK_INT(frame.kind, kind)) {
            CLEANUP(freep) char *text = unpack_string(ret_rest);
            fprintf(stderr, "  %s\n", text ? text : "");
            return false;
        }
        CHECK_OK(outcome_unpack(ret_rest, ret, &err), err);
        return true;
    }
    worker->has_died = true;
    return false;
}

/* A plan's parts; text says the rest: functions and variables that are bound. */
struct cell {
    uint32_t number;
    const char *text;
    struct binding bindings[8];
    const char *run;   /* one function that is called, or NULL */
    const char *main;  /* or main */
    const char *value; /* an object's symbol */
    uint32_t value_type;
    int interrupt_ms;
};

#define FUNCTION(name_, id)                                                              \
    {BINDING_FUNCTION, (char *)name_, (char *)name_ "__achar" #id, 0, id}
#define VARIABLE(name_, id, type_)                                                       \
    {BINDING_VARIABLE, (char *)name_, (char *)name_ "__achar" #id, type_, id}
#define DECLARED(name_) {BINDING_DECLARED, (char *)name_, NULL, 0, 0}

static inline void cell_pack(const struct cell *cell, struct buffer *out)
{
    struct plan plan = {.cell = cell->number,
                        .text = (char *)cell->text,
                        .bindings = (struct binding *)cell->bindings,
                        .types_from = 1,
                        .runs = (char *[]){(char *)cell->run},
                        .n_runs = cell->run != NULL,
                        .main_symbol = (char *)cell->main,
                        .main_has_arguments = true,
                        .value_symbol = (char *)cell->value,
                        .value_type = cell->value_type};
    while (plan.n_bindings < 8 && cell->bindings[plan.n_bindings].name)
        plan.n_bindings++;
    CLEANUP(buffer_clear) struct buffer packed = {0};
    plan_pack(&plan, &packed);
    pack_bytes(out, packed.data, packed.size);
    pack_bytes(out, "", 0);
}

static inline struct outcome worker_run(struct worker *worker, const struct cell *cell)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct outcome outcome = {0};
    struct unpack rest;
    cell_pack(cell, &question);
    pack_u64(&question, 0);
    worker_ask(worker, WORKER_RUN, &question, cell->interrupt_ms, &outcome, &rest);
    return outcome;
}

#endif
