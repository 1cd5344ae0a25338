/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A task's life: it waits, goes to a ready job worker, prints, answers or dies. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/peer/display.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/pool.h"

void tasks_result(struct pool *pool, uint32_t id, const struct outcome *outcome)
{
    struct buffer body = {0};
    outcome_pack(outcome, &body);
    pack_bytes(&body, NULL, 0);
    pool_say(pool, POOL_RESULT, id, &body);
    buffer_clear(&body);
}

struct family *tasks_find_family(struct pool *pool, const void *hash)
{
    for (size_t i = 0; i < pool->n_families; i++)
        if (!pool->families[i]->is_removed &&
            memcmp(pool->families[i]->hash, hash, PAYLOAD_HASH_SIZE) == 0)
            return pool->families[i];
    return NULL;
}

/* Gives the task to a ready job worker, which owns it then; false when there is none. */
static bool start(struct pool *pool, struct family *family, struct task *task)
{
    for (struct worker *worker; (worker = family_ready_worker(family, pool_now()));) {
        family->n_ready--;
        if (channel_post(worker->channel, TASK_RUN, 0, task->id, task->argument,
                         task->size, NULL) < 0) {
            worker->is_gone = true; /* it died while it waited; nothing was begun */
            continue;
        }
        /* One that has answered may not be as new after all: not the task's doing. */
        task->starts += worker->answered_at == 0;
        worker->task = task;
        family->n_running++;
        pool->n_running++;
        family->used = ++pool->clock;
        return true;
    }
    return false;
}

void tasks_add(struct pool *pool, struct family *family, uint32_t id,
               const void *argument, size_t size)
{
    struct task *task = task_new(id, argument, size);
    bool is_next = family->state == FAMILY_AWAKE && !family->n_waiting &&
                   pool->n_running < pool->n_workers;
    if (is_next && start(pool, family, task))
        return;
    family_add_task(family, task);
    pool->waiting_bytes += size;
    if (family->state == FAMILY_ASLEEP)
        zygotes_wake(pool, family);
}

/* Other payloads give up their waiting job workers: they can be had again in no time. */
static void activate(struct pool *pool, struct family *active)
{
    if (pool->active == active)
        return;
    pool->active = active;
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family == active || family->state != FAMILY_AWAKE ||
            !family_is_idle(family) || family->keep <= 1)
            continue;
        zygotes_keep(pool, family, 1);
        while (family->n_ready > 1) {
            family_ready_worker(family, 0)->is_gone = true;
            family->n_ready--;
        }
    }
}

static void keep_enough(struct pool *pool, struct family *family)
{
    size_t busy = family->n_running + family->n_waiting;
    size_t want = (busy < pool->n_workers ? busy : pool->n_workers) + POOL_SPARE;
    if (busy && family->state == FAMILY_AWAKE && want > family->keep)
        zygotes_keep(pool, family, want);
}

/* One waiting task of this payload; false when it has none or no ready job worker. */
static bool start_next(struct pool *pool, struct family *family)
{
    if (family->state != FAMILY_AWAKE || !family->n_waiting || !family->n_ready)
        return false;
    struct task *task = family_next_task(family);
    bool is_started = start(pool, family, task);
    if (is_started)
        pool->waiting_bytes -= task->size;
    else
        family_return_task(family, task);
    return is_started;
}

void tasks_dispatch(struct pool *pool)
{
    size_t without = 0; /* payloads in a row that could not start one */
    while (pool->n_running < pool->n_workers && without < pool->n_families) {
        struct family *family = pool->families[pool->turn++ % pool->n_families];
        without = start_next(pool, family) ? 0 : without + 1;
    }
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family->n_running)
            activate(pool, family);
        keep_enough(pool, family);
    }
}

void tasks_send_output(struct pool *pool, struct worker *worker)
{
    for (int i = 0; i < 2; i++) {
        struct output *output = &worker->output[i];
        if (!output->unsent.size)
            continue;
        struct buffer body = {0};
        pack_u64(&body, (uint64_t)i + 1);
        pack_bytes(&body, output->unsent.data, output->unsent.size);
        pool_say(pool, POOL_OUTPUT, worker->task->id, &body);
        buffer_clear(&body);
        output->unsent.size = 0;
        output->sent_at = pool_now();
    }
}

/* After the worker's last word: all output first, then the result. */
static void finish(struct pool *pool, struct family *family, struct worker *worker)
{
    output_read_rest(&worker->output[0]);
    output_read_rest(&worker->output[1]);
    tasks_send_output(pool, worker);
    family->n_running--;
    pool->n_running--;
    worker->is_gone = true;
}

static void make_ready(struct family *family, struct worker *worker)
{
    task_free(TAKE(worker->task));
    worker->answered_at = pool_now();
    worker->is_gone = false;
    family->n_ready++;
}

static bool is_answer(const struct frame *frame)
{
    return frame->kind == TASK_DONE || frame->kind == TASK_DONE_READY;
}

/* What a task displays comes after all that it has printed before. */
static void forward_display(struct pool *pool, struct worker *worker, struct frame *frame)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    if (frame->id == worker->task->id && display_bytes(frame, &body, NULL) == 0) {
        output_read_rest(&worker->output[0]);
        output_read_rest(&worker->output[1]);
        tasks_send_output(pool, worker);
        pool_say(pool, POOL_DISPLAY, frame->id, &body);
    }
    display_done(frame);
}

/* True for what is no answer: a display, or a late word on the task before. */
static bool is_aside(struct pool *pool, struct worker *worker, struct frame *frame)
{
    if (frame->kind == WORKER_DISPLAY)
        forward_display(pool, worker, frame);
    return frame->kind == WORKER_DISPLAY ||
           (is_answer(frame) && frame->id != worker->task->id);
}

void tasks_read(struct pool *pool, struct family *family, struct worker *worker)
{
    struct frame frame;
    struct error err = {0};
    if (channel_flush(worker->channel, NULL) < 0)
        worker->is_closed = true;
    int r;
    do
        r = channel_receive(worker->channel, 0, &frame, &err);
    while (r == 1 && is_aside(pool, worker, &frame));
    if (r == 0)
        return;
    if (r == 1 && is_answer(&frame)) {
        struct buffer body = {.data = (char *)frame.data, .size = frame.size};
        finish(pool, family, worker);
        family->deaths = 0;
        pool_say(pool, POOL_RESULT, worker->task->id, &body);
        if (frame.kind == TASK_DONE_READY && !worker->kill_at)
            make_ready(family, worker);
        return;
    }
    worker->is_closed = true;
    if (r != -EPIPE) /* user code wrote on it */
        syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
}

static struct outcome describe_death(const struct worker *worker, int status)
{
    struct outcome outcome = {.kind = OUTCOME_DIED};
    if (worker->kill_at) {
        outcome.kind = OUTCOME_INTERRUPTED;
        outcome.name = must_strdup("Cancelled");
        outcome.message = must_strdup("the task was cancelled");
    } else if (status >= 0 && WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        outcome.status = WTERMSIG(status);
        outcome.name =
            name ? must_format("SIG%s", name) : must_format("signal %d", outcome.status);
        outcome.message = must_format("the job worker was killed by %s", outcome.name);
    } else if (status >= 0) {
        outcome.status = WEXITSTATUS(status);
        outcome.name = must_strdup("WorkerExit");
        outcome.message =
            must_format("the job worker ended with status %d before its task "
                        "had answered",
                        outcome.status);
    } else {
        outcome.name = must_strdup("WorkerLost");
        outcome.message = must_strdup("the job worker was lost with the process that had "
                                      "forked it");
    }
    return outcome;
}

/* It died with the task unread: another one may have it, though not for ever, since the
 * task's size may be what kills them. */
static bool give_back(struct pool *pool, struct family *family, struct worker *worker)
{
    bool is_unread =
        channel_unsent(worker->channel) || channel_was_reset(worker->channel);
    if (!is_unread || worker->kill_at || worker->task->starts >= TASK_STARTS_MAX)
        return false;
    family->n_running--;
    pool->n_running--;
    worker->is_gone = true;
    pool->waiting_bytes += worker->task->size;
    family_return_task(family, TAKE(worker->task));
    return true;
}

/* `status` below 0: unknown. */
void tasks_worker_died(struct pool *pool, struct family *family, struct worker *worker,
                       int status)
{
    if (!worker->task) {
        worker->is_gone = true;
        family->n_ready--;
        return;
    }
    if (!worker->is_closed)
        tasks_read(pool, family, worker);    /* it may have answered just before */
    if (!worker->is_gone && !worker->task) { /* it said that it would go on */
        worker->is_gone = true;
        family->n_ready--;
    }
    if (worker->is_gone || give_back(pool, family, worker))
        return;
    struct outcome outcome = describe_death(worker, status);
    finish(pool, family, worker);
    tasks_result(pool, worker->task->id, &outcome);
    outcome_clear(&outcome);
}

void tasks_fail_waiting(struct pool *pool, struct family *family,
                        const struct outcome *outcome)
{
    for (struct task *task; (task = family_next_task(family));) {
        pool->waiting_bytes -= task->size;
        tasks_result(pool, task->id, outcome);
        task_free(task);
    }
}

static void cancel_waiting(struct pool *pool, struct family *family, uint32_t id)
{
    size_t before = family->waiting_bytes;
    if (!family_drop_task(family, id))
        return;
    pool->waiting_bytes -= before - family->waiting_bytes;
    struct outcome outcome = {.kind = OUTCOME_INTERRUPTED,
                              .name = (char *)"Cancelled",
                              .message =
                                  (char *)"the task was cancelled before it began"};
    tasks_result(pool, id, &outcome);
}

/* A task that is unknown has ended already; its result is on the way. */
void tasks_cancel(struct pool *pool, uint32_t id)
{
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        for (struct worker *worker = family->workers; worker; worker = worker->next) {
            if (!worker->task || worker->task->id != id || worker->is_gone ||
                worker->kill_at)
                continue;
            syscall(SYS_pidfd_send_signal, worker->pidfd, SIGINT, NULL, 0);
            worker->kill_at = pool_now() + POOL_CANCEL_US;
            return;
        }
        cancel_waiting(pool, family, id);
    }
}

void tasks_time(struct pool *pool, uint64_t now)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next) {
            if (!worker->task || worker->is_gone)
                continue;
            if (worker->kill_at && worker->kill_at <= now) {
                syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
                worker->kill_at = UINT64_MAX;
            }
            if (output_due(&worker->output[0]) <= now ||
                output_due(&worker->output[1]) <= now)
                tasks_send_output(pool, worker);
        }
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t tasks_due(const struct pool *pool)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next) {
            if (!worker->task || worker->is_gone)
                continue;
            if (worker->kill_at)
                due = sooner(due, worker->kill_at);
            due = sooner(due, output_due(&worker->output[0]));
            due = sooner(due, output_due(&worker->output[1]));
        }
    return due;
}
