/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/family.h"

#include <fcntl.h>
#include <string.h>

struct family *family_new(const uint8_t hash[PAYLOAD_HASH_SIZE], const void *payload,
                          size_t size)
{
    struct family *family = must_alloc(sizeof(*family));
    memcpy(family->hash, hash, PAYLOAD_HASH_SIZE);
    buffer_add(&family->payload, payload, size);
    family->zygote = family->compiler =
        (struct process){.pidfd = -1, .out = -1, .err = -1};
    family->last = &family->first;
    return family;
}

void task_free(struct task *task)
{
    if (!task)
        return;
    free(task->argument);
    closep(&task->file);
    free(task);
}

void family_free(struct family *family)
{
    if (!family)
        return;
    family_free_workers(family, false);
    pid_t pid = family->zygote.pid;
    process_end(&family->zygote);
    surroundings_remove(pid);
    process_end(&family->compiler);
    while (family->first)
        task_free(family_next_task(family));
    if (family->n_pieces)
        pieces_release(family->store, family->pieces, family->n_pieces);
    free(family->pieces);
    buffer_clear(&family->payload);
    buffer_clear(&family->object);
    buffer_clear(&family->better);
    free(family);
}

struct task *task_new(uint32_t id, const void *argument, size_t size)
{
    struct task *task = must_alloc(sizeof(*task));
    task->id = id;
    task->argument = must_realloc(NULL, size, 1);
    memcpy(task->argument, argument, size);
    task->size = size;
    task->file = -1;
    return task;
}

struct task *task_new_file(uint32_t id, int file, size_t size)
{
    struct task *task = must_alloc(sizeof(*task));
    task->id = id;
    task->file = file;
    task->size = size;
    return task;
}

void family_add_task(struct family *family, struct task *task)
{
    task->next = NULL;
    *family->last = task;
    family->last = &task->next;
    family->n_waiting++;
    family->waiting_bytes += task->size;
}

void family_return_task(struct family *family, struct task *task)
{
    task->next = family->first;
    if (!family->first)
        family->last = &task->next;
    family->first = task;
    family->n_waiting++;
    family->waiting_bytes += task->size;
}

static struct task *unlink_task(struct family *family, struct task **at)
{
    struct task *task = *at;
    *at = task->next;
    if (!*at)
        family->last = at;
    family->n_waiting--;
    family->waiting_bytes -= task->size;
    return task;
}

struct task *family_next_task(struct family *family)
{
    return family->first ? unlink_task(family, &family->first) : NULL;
}

bool family_drop_task(struct family *family, uint32_t id)
{
    for (struct task **at = &family->first; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            task_free(unlink_task(family, at));
            return true;
        }
    return false;
}

void worker_add_task(struct worker *worker, struct task *task)
{
    task->next = NULL;
    *worker->last_task = task;
    worker->last_task = &task->next;
    worker->n_tasks++;
}

struct task *worker_remove_task(struct worker *worker, struct task **at)
{
    struct task *task = *at;
    *at = task->next;
    if (!*at)
        worker->last_task = at;
    worker->n_tasks--;
    if (at == &worker->task && task->is_in_lane)
        lane_release(worker->lane, *at ? (*at)->place : lane_end(worker->lane));
    return task;
}

struct worker *family_add_worker(struct family *family, pid_t pid, const int fds[5])
{
    struct worker *worker = must_alloc(sizeof(*worker));
    worker->pid = pid;
    worker->channel = channel_new(fds[0], fds[0]);
    for (int i = 0; i < 2; i++) {
        worker->output[i].fd = fds[1 + i];
        fcntl(fds[1 + i], F_SETFL, O_NONBLOCK);
    }
    worker->pidfd = fds[3];
    worker->lane = fds[4] >= 0 ? lane_open(fds[4]) : NULL;
    worker->last_task = &worker->task;
    worker->depth = worker->batch = 1;
    worker->cpu = -1;
    worker->next = family->workers;
    family->workers = worker;
    family->n_ready++;
    return worker;
}

#define RENEWAL_US 50 /* a job worker that has answered needs so long to be as new */

/* Those that look for tasks come first, then those that are as new, then the others. */
static int rank(const struct worker *worker, uint64_t now)
{
    if (worker->answered_at && worker->lane && lane_is_watched(worker->lane))
        return 2;
    return worker->answered_at + RENEWAL_US <= now;
}

/* True when `a` will start sooner than `b`: of those that are as new, the one whose
 * memory is still warm; else the one that has had the most time. */
static bool is_better(const struct worker *a, const struct worker *b, uint64_t now)
{
    int rank_a = rank(a, now), rank_b = rank(b, now);
    if (rank_a != rank_b)
        return rank_a > rank_b;
    return rank_a ? a->answered_at >= b->answered_at : a->answered_at < b->answered_at;
}

struct worker *family_ready_worker(struct family *family, uint64_t now)
{
    struct worker *best = NULL;
    for (struct worker *worker = family->workers; worker; worker = worker->next)
        if (!worker->task && !worker->is_gone && (!best || is_better(worker, best, now)))
            best = worker;
    return best;
}

struct worker *family_find_worker(struct family *family, pid_t pid)
{
    for (struct worker *worker = family->workers; worker; worker = worker->next)
        if (worker->pid == pid && !worker->is_gone)
            return worker;
    return NULL;
}

static void worker_free(struct worker *worker)
{
    channel_free(worker->channel);
    output_clear(&worker->output[0]);
    output_clear(&worker->output[1]);
    closep(&worker->pidfd);
    while (worker->task)
        task_free(worker_remove_task(worker, &worker->task));
    lane_free(worker->lane);
    buffer_clear(&worker->last_words);
    free(worker);
}

void family_free_workers(struct family *family, bool only_gone)
{
    for (struct worker **at = &family->workers; *at;) {
        struct worker *worker = *at;
        if (only_gone && !worker->is_gone) {
            at = &worker->next;
            continue;
        }
        *at = worker->next;
        if (!worker->is_gone) {
            if (worker->task)
                family->n_running--;
            else
                family->n_ready--;
        }
        worker_free(worker);
    }
}
