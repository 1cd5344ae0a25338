/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What becomes of a task that was handed over: it prints, answers, dies or is cancelled.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/peer/display.h"
#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/tier.h"

static void say_result(struct pool *pool, uint32_t id, const struct outcome *outcome,
                       const void *values, size_t size)
{
    struct buffer body = {0};
    outcome_pack(outcome, &body);
    pack_bytes(&body, values, size);
    pool_say(pool, POOL_RESULT, id, &body);
    buffer_clear(&body);
}

void tasks_result(struct pool *pool, uint32_t id, const struct outcome *outcome)
{
    say_result(pool, id, outcome, NULL, 0);
}

static void send_output(struct pool *pool, struct worker *worker)
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

static void stop_running(struct pool *pool, struct family *family)
{
    family->n_running--;
    pool->n_running--;
}

/* It takes no other task; what was sent ahead and not begun waits again, in order. */
static void leave(struct pool *pool, struct family *family, struct worker *worker)
{
    struct task *reversed = NULL;
    while (worker->task) {
        struct task *task = worker_remove_task(worker, &worker->task);
        task->next = reversed;
        reversed = task;
    }
    while (reversed) {
        struct task *task = reversed;
        reversed = task->next;
        pool->waiting_bytes += task->size;
        family_return_task(family, task);
    }
    stop_running(pool, family);
    worker->is_gone = true;
}

/* The first task has its result. */
static void pop(struct pool *pool, struct family *family, struct worker *worker)
{
    tier_ended(pool, family, worker);
    task_free(worker_remove_task(worker, &worker->task));
    family->deaths = 0;
    worker->started_at = pool->now;
    if (worker->task)
        return;
    stop_running(pool, family);
    worker->answered_at = worker->started_at;
    /* the signal may still come */
    worker->is_gone = worker->kill_at != 0 || worker->is_old;
    family->n_ready += !worker->is_gone;
}

/* Before the last word of the first task: all of its output. */
static void send_rest(struct pool *pool, struct worker *worker)
{
    output_read_rest(&worker->output[0]);
    output_read_rest(&worker->output[1]);
    send_output(pool, worker);
}

static struct task **find_task(struct worker *worker, uint32_t id)
{
    for (struct task **at = &worker->task; *at; at = &(*at)->next)
        if ((*at)->id == id)
            return at;
    return NULL;
}

/* Results that it has in shared memory may be taken. */
static bool has_lane(const struct worker *worker)
{
    return worker->task && worker->lane && worker->task->id != worker->held_by;
}

/* Results in shared memory are of tasks that made no system call: they printed nothing.
 * What had no room there is on its way through the channel, and comes first. */
static void drain(struct pool *pool, struct family *family, struct worker *worker)
{
    uint32_t id;
    const void *data;
    size_t size;
    while (worker->lane && (!worker->task || has_lane(worker)) &&
           lane_receive(worker->lane, &id, &data, &size)) {
        if (worker->is_gone || !find_task(worker, id))
            continue; /* user code wrote there */
        if (worker->task->id != id) {
            lane_put_back(worker->lane);
            worker->held_by = worker->task->id;
            return;
        }
        struct buffer body = {.data = (char *)data, .size = size};
        pool_say(pool, POOL_RESULT, id, &body);
        worker->depth = 2 * worker->depth < POOL_AHEAD ? 2 * worker->depth : POOL_AHEAD;
        worker->n_taken++;
        pop(pool, family, worker);
    }
}

void tasks_drain_all(struct pool *pool)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (worker->task && !worker->is_gone)
                drain(pool, pool->families[i], worker);
}

bool tasks_have_results(const struct pool *pool)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (has_lane(worker) &&
                lane_has_results(worker->lane, (uint32_t)worker->batch))
                return true;
    return false;
}

/* Results of a job worker that has enough to do are taken together. It has twice as many
 * as are waited for, so that it goes on meanwhile; where they do not come in time there
 * are soon fewer. */
static void choose_batch(struct worker *worker)
{
    size_t most = worker->n_tasks / 2, batch = 2 * worker->n_taken;
    batch = batch < worker->batch / 2 ? worker->batch / 2 : batch;
    batch = batch < most ? batch : most;
    worker->batch = batch ? batch : 1;
    worker->n_taken = 0;
}

void tasks_choose_batches(struct pool *pool)
{
    pool->is_gathering = false;
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (worker->task && worker->lane) {
                choose_batch(worker);
                pool->is_gathering |= worker->batch > 1;
            }
}

bool tasks_sleep(const struct pool *pool)
{
    bool is_there = false;
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (has_lane(worker))
                is_there |= lane_sleep(worker->lane, (uint32_t)worker->batch);
    return !is_there;
}

void tasks_awake(const struct pool *pool)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (worker->task && worker->lane)
                lane_awake(worker->lane);
}

static bool is_answer(const struct frame *frame)
{
    return frame->kind == TASK_DONE || frame->kind == TASK_DONE_READY ||
           frame->kind == TASK_DONE_FILE || frame->kind == TASK_DYING;
}

/* What a task displays comes after all that it has printed before. */
static void forward_display(struct pool *pool, struct worker *worker, struct frame *frame)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    if (frame->id == worker->task->id && display_bytes(frame, &body, NULL) == 0) {
        send_rest(pool, worker);
        pool_say(pool, POOL_DISPLAY, frame->id, &body);
    }
    display_done(frame);
}

/* True for what is no answer: a display, a call, or a late word on the task before. */
static bool is_aside(struct pool *pool, struct worker *worker, struct frame *frame)
{
    if (frame->kind == WORKER_DISPLAY && worker->task)
        forward_display(pool, worker, frame);
    else if (frame->kind == WORKER_DISPLAY)
        display_done(frame);
    return frame->kind == WORKER_DISPLAY || frame->kind == TASK_LOOK ||
           (is_answer(frame) && (!worker->task || frame->id != worker->task->id));
}

/* The file goes on as it is where the front is near; else the bytes in it. */
static void say_result_file(struct pool *pool, const struct worker *worker,
                            const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size = (size_t)unpack_max(&in, FRAME_SIZE_MAX);
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, size);
    bool is_good = unpack_done(&in) && frame->n_fds == 1;
    if (is_good && line_send_file(pool->front, POOL_RESULT_FILE, worker->task->id, &body,
                                  frame->fds[0]) == 0)
        return;
    void *data = is_good ? memory_file_map(frame->fds[0], size) : NULL;
    struct buffer bytes = {.data = data, .size = data ? size : 0};
    pool_say(pool, POOL_RESULT, worker->task->id, &bytes); /* of none: it is bad */
    memory_file_unmap(data, size);
}

static void take_answer(struct pool *pool, struct family *family, struct worker *worker,
                        const struct frame *frame)
{
    struct buffer body = {.data = (char *)frame->data, .size = frame->size};
    send_rest(pool, worker);
    if (frame->kind == TASK_DONE_FILE)
        say_result_file(pool, worker, frame);
    else
        pool_say(pool, POOL_RESULT, worker->task->id, &body);
    if (frame->kind == TASK_DONE_READY) {
        pop(pool, family, worker);
        return;
    }
    family->deaths = 0;
    tier_ended(pool, family, worker);
    task_free(worker_remove_task(worker, &worker->task));
    leave(pool, family, worker);
}

/* It ends now, and has told why; its zygote may find more. */
static void keep_last_words(struct worker *worker, const struct frame *frame)
{
    buffer_clear(&worker->last_words);
    buffer_add(&worker->last_words, frame->data, frame->size);
    worker->is_closed = true;
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL,
            0); /* or user code wrote it */
}

/* True when there may be more to read. */
static bool read_one(struct pool *pool, struct family *family, struct worker *worker)
{
    struct frame frame;
    struct error err = {0};
    int r = channel_receive(worker->channel, 0, &frame, &err);
    drain(pool, family, worker); /* what came before it */
    if (r == 0 || worker->is_gone)
        return false;
    if (r == 1 && is_aside(pool, worker, &frame))
        return true;
    if (r == 1 && frame.kind == TASK_DYING) {
        keep_last_words(worker, &frame);
        display_done(&frame);
        return false;
    }
    if (r == 1 && is_answer(&frame)) {
        take_answer(pool, family, worker, &frame);
        display_done(&frame);
        return !worker->is_gone;
    }
    if (r == 1)
        display_done(&frame);
    worker->is_closed = true;
    if (r != -EPIPE) /* user code wrote on it */
        syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
    return false;
}

void tasks_read(struct pool *pool, struct family *family, struct worker *worker)
{
    if (channel_flush(worker->channel, NULL) < 0)
        worker->is_closed = true;
    while (read_one(pool, family, worker) && channel_has_frame(worker->channel))
        ;
}

static void read_what_is_there(struct pool *pool, struct family *family,
                               struct worker *worker)
{
    drain(pool, family, worker);
    if (!worker->is_closed && !worker->is_gone)
        tasks_read(pool, family, worker);
    if (!worker->is_gone)
        drain(pool, family, worker);
}

static void describe_excess(const struct pool *pool, const struct worker *worker,
                            struct outcome *ret)
{
    if (worker->exceeds == EXCEEDS_TIME) {
        ret->name = must_strdup("TimeLimit");
        ret->message =
            must_format("the task ran longer than its limit, --timeout=%g (seconds)",
                        (double)pool->limits.timeout_us / 1e6);
    } else {
        ret->name = must_strdup("MemoryLimit");
        ret->message = must_format("the task, with all that it has started, used more "
                                   "memory than its limit, --memory=%gM",
                                   (double)pool->limits.memory / (1 << 20));
    }
}

static struct outcome describe_death(const struct pool *pool, const struct worker *worker,
                                     int status)
{
    struct outcome outcome = {.kind = OUTCOME_DIED};
    struct unpack words = unpack_init(worker->last_words.data, worker->last_words.size);
    if (worker->exceeds != EXCEEDS_NONE) {
        describe_excess(pool, worker, &outcome);
    } else if (words.at < words.end && outcome_unpack(&words, &outcome, NULL) == 0) {
        return outcome;
    } else if (worker->kill_at) {
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
static bool is_unread(const struct worker *worker)
{
    const struct task *task = worker->task;
    if (task->is_in_lane)
        return task->starts < TASK_STARTS_MAX &&
               !lane_has_begun(worker->lane, task->place);
    return task->starts < LARGE_STARTS_MAX &&
           (channel_unsent(worker->channel) || channel_was_reset(worker->channel));
}

void tasks_worker_died(struct pool *pool, struct family *family, struct worker *worker,
                       const struct death *death)
{
    if (worker->task)
        drain(pool, family, worker);
    while (worker->task && !worker->is_gone && !worker->is_closed &&
           read_one(pool, family, worker))
        ; /* it may have answered just before */
    if (!worker->task && !worker->is_gone) {
        worker->is_gone = true;
        family->n_ready--;
    }
    if (worker->is_gone)
        return;
    if (worker->kill_at || !is_unread(worker)) {
        struct outcome outcome = describe_death(pool, worker, death->status);
        bool is_it = death->task == worker->task->id;
        send_rest(pool, worker);
        say_result(pool, worker->task->id, &outcome, death->left,
                   is_it ? death->left_size : 0);
        outcome_clear(&outcome);
        task_free(worker_remove_task(worker, &worker->task));
    }
    leave(pool, family, worker);
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

static void say_cancelled(struct pool *pool, uint32_t id)
{
    struct outcome outcome = {.kind = OUTCOME_INTERRUPTED,
                              .name = (char *)"Cancelled",
                              .message =
                                  (char *)"the task was cancelled before it began"};
    tasks_result(pool, id, &outcome);
}

static void cancel_waiting(struct pool *pool, struct family *family, uint32_t id)
{
    size_t before = family->waiting_bytes;
    if (!family_drop_task(family, id))
        return;
    pool->waiting_bytes -= before - family->waiting_bytes;
    say_cancelled(pool, id);
}

/* Tasks behind the first are taken back, so that a signal reaches no other. */
static void take_rest_back(struct pool *pool, struct family *family,
                           struct worker *worker)
{
    for (struct task **at = &worker->task->next; *at;) {
        if (!lane_revoke(worker->lane, (*at)->place)) {
            at = &(*at)->next;
            continue;
        }
        struct task *task = worker_remove_task(worker, at);
        pool->waiting_bytes += task->size;
        family_return_task(family, task);
    }
}

void tasks_retire(struct pool *pool, struct family *family)
{
    for (struct worker *worker = family->workers; worker; worker = worker->next) {
        if (worker->is_gone)
            continue;
        worker->is_old = true;
        if (worker->task) {
            take_rest_back(pool, family, worker);
            continue;
        }
        worker->is_gone = true;
        family->n_ready--;
    }
}

/* It stands behind others, or is not begun yet: the worker will pass over it. */
static bool cancel_ahead(struct pool *pool, struct family *family, struct worker *worker,
                         struct task **at)
{
    if (!(*at)->is_in_lane || !lane_revoke(worker->lane, (*at)->place))
        return false;
    say_cancelled(pool, (*at)->id);
    task_free(worker_remove_task(worker, at));
    if (!worker->task) {
        stop_running(pool, family);
        worker->is_gone = worker->is_old;
        family->n_ready += !worker->is_gone;
    }
    return true;
}

/* A signal that is sent then reaches its first task or none; false: that is over. */
static bool isolate(struct pool *pool, struct family *family, struct worker *worker)
{
    uint32_t id = worker->task->id;
    take_rest_back(pool, family, worker);
    read_what_is_there(pool, family, worker);
    return !worker->is_gone && worker->task && worker->task->id == id;
}

static void interrupt(struct pool *pool, struct family *family, struct worker *worker)
{
    if (!isolate(pool, family, worker))
        return;
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGINT, NULL, 0);
    worker->cancelled_at = pool_now();
    worker->had_us = process_had_us(worker->pid);
    worker->kill_at = worker->cancelled_at + POOL_CANCEL_US;
}

void tasks_exceed(struct pool *pool, struct family *family, struct worker *worker,
                  enum exceeds why)
{
    if (!isolate(pool, family, worker))
        return;
    worker->exceeds = why;
    worker->kill_at = UINT64_MAX; /* it is not used again, even if it answers yet */
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
}

/* True when the worker has it, or had it until now. */
static bool cancel_in(struct pool *pool, struct family *family, struct worker *worker,
                      uint32_t id)
{
    struct task **at = worker->is_gone ? NULL : find_task(worker, id);
    bool is_it = at != NULL;
    /* Where it is begun behind others, those are over, and their results on the way. */
    for (int i = 0; i < 2 && at && !worker->kill_at; i++) {
        if (cancel_ahead(pool, family, worker, at))
            break;
        if (at == &worker->task) {
            interrupt(pool, family, worker);
            break;
        }
        read_what_is_there(pool, family, worker);
        at = worker->is_gone ? NULL : find_task(worker, id);
    }
    return is_it;
}

/* A task that is unknown has ended already; its result is on the way. */
void tasks_cancel(struct pool *pool, uint32_t id)
{
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        for (struct worker *worker = family->workers; worker; worker = worker->next)
            if (cancel_in(pool, family, worker, id))
                return;
        cancel_waiting(pool, family, id);
    }
}

static void kill_cancelled(struct worker *worker, uint64_t now)
{
    bool had_time = process_had_us(worker->pid) - worker->had_us >= POOL_CANCEL_HAD_US;
    if (!had_time && now - worker->cancelled_at < POOL_CANCEL_MAX_US &&
        process_is_computing(worker->pid)) {
        worker->kill_at = now + POOL_CANCEL_US;
        return;
    }
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
    worker->kill_at = UINT64_MAX;
}

void tasks_time(struct pool *pool, uint64_t now)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next) {
            if (!worker->task || worker->is_gone)
                continue;
            if (worker->kill_at && worker->kill_at <= now)
                kill_cancelled(worker, now);
            if (output_due(&worker->output[0]) <= now ||
                output_due(&worker->output[1]) <= now)
                send_output(pool, worker);
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
