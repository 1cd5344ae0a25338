/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How tasks come to job workers: they wait, go to one that is ready, or ahead of time to
 * one that is busy. */
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/pool/tier.h"

struct family *tasks_find_family(struct pool *pool, const void *hash)
{
    for (size_t i = 0; i < pool->n_families; i++)
        if (!pool->families[i]->is_removed &&
            memcmp(pool->families[i]->hash, hash, PAYLOAD_HASH_SIZE) == 0)
            return pool->families[i];
    return NULL;
}

static bool hand_over_file(struct worker *worker, const struct task *task)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, task->size);
    struct frame_parts frame = {.kind = TASK_RUN_FILE,
                                .id = task->id,
                                .parts = {{body.data, body.size}},
                                .n_parts = 1,
                                .fds = &task->file,
                                .n_fds = 1};
    return channel_post_parts(worker->channel, &frame, NULL) == 0;
}

/* Hands it over, if need be ahead of time; false: there is no room, or the worker died.
 */
static bool hand_over(struct worker *worker, struct task *task)
{
    bool is_ahead = worker->task != NULL;
    task->is_in_lane = false;
    if (task->file >= 0)
        return !is_ahead && hand_over_file(worker, task);
    task->is_in_lane =
        worker->lane && (!is_ahead || worker->task->is_in_lane) &&
        lane_send(worker->lane, task->id, task->argument, task->size, &task->place);
    if (!task->is_in_lane)
        return !is_ahead && channel_post(worker->channel, TASK_RUN, 0, task->id,
                                         task->argument, task->size, NULL) == 0;
    return !lane_must_wake(worker->lane) ||
           channel_post(worker->channel, TASK_LOOK, 0, 0, NULL, 0, NULL) == 0;
}

/* Gives the task to a ready job worker, which owns it then; false when there is none. */
static bool start(struct pool *pool, struct family *family, struct task *task)
{
    for (struct worker *worker; (worker = family_ready_worker(family, pool->now));) {
        family->n_ready--;
        limits_pin(pool, worker);
        worker->started_at = pool->now;
        if (!hand_over(worker, task)) {
            worker->is_gone = true; /* it died while it waited; nothing was begun */
            continue;
        }
        /* One that has answered may not be as new after all: not the task's doing. */
        task->starts += worker->answered_at == 0;
        worker_add_task(worker, task);
        family->n_running++;
        pool->n_running++;
        tier_started(pool, family);
        family->used = ++pool->clock;
        return true;
    }
    return false;
}

void tasks_add(struct pool *pool, struct family *family, struct task *task)
{
    size_t size = task->size;
    bool is_next = family->state == FAMILY_AWAKE && !family->n_waiting &&
                   pool->n_running < pool->n_workers;
    if (is_next && start(pool, family, task))
        return;
    family_add_task(family, task);
    pool->waiting_bytes += size;
    if (family->state == FAMILY_ASLEEP && family_has_pieces(family))
        zygotes_wake(pool, family);
}

/* Other payloads give up their waiting job workers: they can be had again in no time.
 * Not at once: to end them takes the processors that the new payload's task needs. */
static void activate(struct pool *pool, struct family *active)
{
    if (pool->active == active)
        return;
    pool->active = active;
    pool->trim_at = pool->now + POOL_TRIM_US;
}

void tasks_trim(struct pool *pool)
{
    if (pool->now < pool->trim_at)
        return;
    pool->trim_at = UINT64_MAX;
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family == pool->active || family->state != FAMILY_AWAKE ||
            !family_is_idle(family) || family->keep <= 1)
            continue;
        zygotes_keep(pool, family, 1);
        while (family->n_ready > 1) {
            family_ready_worker(family, 0)->is_gone = true;
            family->n_ready--;
        }
    }
    if (zygotes_make_room(pool, POOL_ZYGOTES_MAX))
        pool->trim_at = pool->now + POOL_TRIM_US;
}

static void keep_enough(struct pool *pool, struct family *family)
{
    size_t busy = family->n_running + family->n_waiting;
    size_t spare = pool->n_prestart ? pool->n_prestart : POOL_SPARE;
    size_t want = (busy < pool->n_workers ? busy : pool->n_workers) + spare;
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

/* The one with the least to do that may have more; NULL: none. */
static struct worker *find_ahead(const struct family *family)
{
    struct worker *best = NULL;
    for (struct worker *worker = family->workers; worker; worker = worker->next)
        if (worker->task && worker->task->is_in_lane && !worker->is_gone &&
            !worker->is_old && !worker->kill_at && !worker->is_closed &&
            worker->n_tasks < worker->depth && (!best || worker->n_tasks < best->n_tasks))
            best = worker;
    return best;
}

/* What waits goes to job workers that are busy, but are expected to be done soon. */
static void send_ahead(struct pool *pool, struct family *family)
{
    struct worker *worker;
    while (family->n_waiting && (worker = find_ahead(family))) {
        struct task *task = family_next_task(family);
        if (!hand_over(worker, task)) {
            worker->depth = worker->n_tasks; /* it is full, or dead */
            family_return_task(family, task);
            continue;
        }
        pool->waiting_bytes -= task->size;
        worker_add_task(worker, task);
    }
}

/* Where most tasks were sent ahead half of them wait again, in order; false: nowhere. */
static bool take_back(struct pool *pool, struct family *family)
{
    struct worker *most = NULL;
    for (struct worker *worker = family->workers; worker; worker = worker->next)
        if (worker->n_tasks > 1 && !worker->is_gone &&
            (!most || worker->n_tasks > most->n_tasks))
            most = worker;
    struct task **at = most ? &most->task : NULL;
    for (size_t n = most ? most->n_tasks - most->n_tasks / 2 : 0; n; n--)
        at = &(*at)->next;
    struct task *reversed = NULL;
    while (at && *at) {
        if (!lane_revoke(most->lane, (*at)->place)) {
            at = &(*at)->next;
            continue;
        }
        struct task *task = worker_remove_task(most, at);
        task->next = reversed;
        reversed = task;
    }
    for (struct task *task; (task = reversed);) {
        reversed = task->next;
        pool->waiting_bytes += task->size;
        family_return_task(family, task);
    }
    return family->n_waiting > 0;
}

/* Nobody waits behind a long task while another job worker has nothing to do. */
static void share(struct pool *pool, struct family *family)
{
    while (family->state == FAMILY_AWAKE && family->n_ready && !family->n_waiting &&
           pool->n_running < pool->n_workers && take_back(pool, family))
        if (!start_next(pool, family))
            break;
    send_ahead(pool, family);
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
        share(pool, family);
        keep_enough(pool, family);
    }
}
