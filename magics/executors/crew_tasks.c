/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who runs what. A task waits in the queue of its payload; a link takes it when it has
 * the payload and room. What a pool was given may have begun, whatever it has said since:
 * results and all else that would tell may be lost together with it. So what it was given
 * is never given to another one, unless the task may be started again, and no more is
 * sent ahead than keeps the pool busy. */
#include <errno.h>
#include <string.h>

#include "magics/executors/crew_inside.h"
#include "pickler/base/clock.h"

#define AHEAD_US 5000.0 /* of work that waits at a worker */
#define AHEAD_MAX 64    /* tasks ahead of one worker */
#define SLOW_US 200e3   /* nothing is sent ahead of tasks that take so long */
#define MOVES_MAX 100   /* from pool to pool: refused, as the payload was forgotten */

static void queue_add(struct crew_queue *queue, struct crew_task *task)
{
    task->next = NULL;
    if (!queue->first)
        queue->last = &queue->first;
    *queue->last = task;
    queue->last = &task->next;
}

static void queue_add_first(struct crew_queue *queue, struct crew_task *task)
{
    task->next = queue->first;
    if (!queue->first)
        queue->last = &task->next;
    queue->first = task;
}

static void queue_remove(struct crew_queue *queue, struct crew_task *task)
{
    struct crew_task **at = &queue->first;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    if (!task->next)
        queue->last = at;
}

static void copy_outcome(const struct outcome *from, struct outcome *ret)
{
    CLEANUP(buffer_clear) struct buffer packed = {0};
    outcome_pack(from, &packed);
    struct unpack in = unpack_init(packed.data, packed.size);
    if (outcome_unpack(&in, ret, NULL) < 0)
        *ret = (struct outcome){.kind = from->kind};
}

static void remember(struct crew *crew, struct crew_task *task)
{
    if (crew->start == crew->n_tasks) {
        crew->start = crew->n_tasks = 0;
        crew->first_id = task->id;
    }
    if (crew->start > crew->n_tasks / 2 && crew->start > 64) {
        crew->n_tasks -= crew->start;
        memmove(crew->tasks, crew->tasks + crew->start,
                crew->n_tasks * sizeof(struct crew_task *));
        crew->start = 0;
    }
    GROW(crew->tasks, crew->n_tasks, crew->tasks_capacity);
    crew->tasks[crew->n_tasks++] = task;
}

static struct crew_task *find_task(const struct crew *crew, uint32_t id)
{
    if (id < crew->first_id || id - crew->first_id >= crew->n_tasks - crew->start)
        return NULL;
    return crew->tasks[crew->start + (id - crew->first_id)];
}

static void free_memory(struct crew_task *task)
{
    if (task)
        blob_unref(task->large);
    free(task);
}

static void free_task(struct crew *crew, struct crew_task *task)
{
    crew->tasks[crew->start + (task->id - crew->first_id)] = NULL;
    while (crew->start < crew->n_tasks && !crew->tasks[crew->start]) {
        crew->start++;
        crew->first_id++;
    }
    if (!--task->payload->n_tasks)
        crew_payloads_ask_again(crew, task->payload);
    free_memory(task);
}

/* Without the lock: a large argument takes its time. */
static struct crew_task *new_task(const void *argument, size_t size,
                                  const struct crew_task_options *options)
{
    bool is_large = size > POOL_CLIENT_LARGE;
    size_t n_here = is_large ? 0 : size;
    struct crew_task *task = must_realloc(NULL, sizeof(*task) + n_here, 1);
    *task = (struct crew_task){.retries = options ? options->retries : 0,
                               .owner = options ? options->owner : NULL,
                               .large = is_large ? blob_new(argument, size) : NULL,
                               .size = n_here};
    if (n_here)
        memcpy(task->argument, argument, n_here);
    return task;
}

int crew_submit(struct crew *crew, const uint8_t hash[32], const void *argument,
                size_t size, const struct crew_task_options *options, uint32_t *ret_id,
                struct error *err)
{
    struct crew_task *task = new_task(argument, size, options);
    pthread_mutex_lock(&crew->lock);
    struct crew_payload *payload = crew_payloads_find(crew, hash);
    if (!payload) {
        pthread_mutex_unlock(&crew->lock);
        free_memory(task);
        return error_set(err, -ENOENT, "the task's payload is not here");
    }
    task->payload = payload;
    task->id = ++crew->last_id;
    payload->n_tasks++;
    payload->used = ++crew->clock;
    remember(crew, task);
    *ret_id = task->id;
    queue_add(&payload->waiting, task);
    /* Unless the keeper waits, a round follows soon: of the caller's or of its own. */
    crew_tasks_dispatch(crew, !crew->is_polled);
    pthread_mutex_unlock(&crew->lock);
    return 0;
}

/* The event of a task that no pool has ended. */
static void end_here(struct crew *crew, struct crew_task *task, enum outcome_kind kind,
                     const char *name, const char *message)
{
    struct pool_event event = {.kind = POOL_EVENT_RESULT,
                               .id = task->id,
                               .tag = task->owner,
                               .outcome = {.kind = kind,
                                           .name = must_strdup(name),
                                           .message = must_strdup(message)}};
    free_task(crew, task);
    crew_keep(crew, &event);
}

void crew_cancel(struct crew *crew, uint32_t id)
{
    pthread_mutex_lock(&crew->lock);
    struct crew_task *task = find_task(crew, id);
    if (task && task->link && !task->is_cancelled) {
        task->is_cancelled = true;
        if (pool_client_cancel(task->link->client, task->link_id, NULL) < 0)
            task->is_cancelled = true; /* the link is lost, which ends it too */
    } else if (task && !task->link) {
        queue_remove(&task->payload->waiting, task);
        end_here(crew, task, OUTCOME_INTERRUPTED, "Cancelled",
                 "the task was cancelled before it began");
    }
    pthread_mutex_unlock(&crew->lock);
}

void crew_tasks_fail(struct crew *crew, struct crew_payload *payload,
                     const struct outcome *outcome)
{
    struct crew_task *task;
    while ((task = payload->waiting.first)) {
        queue_remove(&payload->waiting, task);
        struct pool_event event = {
            .kind = POOL_EVENT_RESULT, .id = task->id, .tag = task->owner};
        copy_outcome(outcome, &event.outcome);
        free_task(crew, task);
        crew_keep(crew, &event);
    }
}

bool crew_is_wanted(const struct crew *crew)
{
    const struct crew_payload *payload = crew->payloads;
    while (payload && !payload->n_tasks && !payload->is_wanted)
        payload = payload->next;
    return payload != NULL;
}

void crew_tasks_clear(struct crew *crew)
{
    for (size_t i = crew->start; i < crew->n_tasks; i++)
        free_memory(crew->tasks[i]);
    free(crew->tasks);
}

/* ---- links and payloads ---- */

static void send_payload(struct crew_link *link, struct crew_payload *payload)
{
    struct link_payload at = {.payload = payload, .state = PAYLOAD_SENT};
    if (pool_client_post_payload(link->client, payload->hash, payload->parcel.bytes,
                                 &at.request, NULL) < 0)
        return; /* a link that is lost shows when it is read */
    GROW(link->payloads, link->n_payloads, link->payloads_capacity);
    link->payloads[link->n_payloads++] = at;
}

static size_t room(const struct crew_link *link)
{
    unsigned workers = pool_client_workers(link->client);
    double duration = link->gap * workers;
    double ahead = duration > 0 ? AHEAD_US / duration : 1;
    ahead = duration > SLOW_US  ? 0
            : ahead < 1         ? 1
            : ahead > AHEAD_MAX ? AHEAD_MAX
                                : ahead;
    size_t max = (size_t)(workers * (1 + ahead));
    return link->n_tasks < max ? max - link->n_tasks : 0;
}

static bool is_usable(const struct crew_link *link)
{
    return link->is_up && !link->is_slow && pool_client_is_alive(link->client);
}

/* The link with the most room, in proportion, that has the payload; on the way there it
 * goes to those that could use it. */
static struct crew_link *choose(struct crew *crew, struct crew_payload *payload)
{
    struct crew_link *best = NULL;
    double least = 0;
    for (struct crew_link *link = crew->links; link; link = link->next) {
        if (!is_usable(link) || !room(link))
            continue;
        struct link_payload *at = crew_payloads_at(link, payload);
        if (!at)
            send_payload(link, payload);
        if (!at || at->state != PAYLOAD_LOADED)
            continue;
        double load = (double)link->n_tasks / pool_client_workers(link->client);
        if (!best || load < least) {
            best = link;
            least = load;
        }
    }
    return best;
}

static bool give(struct crew_link *link, struct crew_task *task)
{
    struct pool_client *client = link->client;
    const uint8_t *hash = task->payload->hash;
    int r = task->large
                ? pool_client_post_large(client, hash, task->large, &task->link_id, NULL)
                : pool_client_post_task(client, hash, task->argument, task->size,
                                        &task->link_id, NULL);
    if (r < 0)
        return false;
    pool_client_tag(link->client, task->link_id, task);
    queue_remove(&task->payload->waiting, task);
    queue_add(&link->tasks, task);
    task->link = link;
    if (!link->n_tasks++) /* it had nothing to answer */
        link->answered = clock_us();
    link->is_slow = pool_client_unsent(link->client) > LINK_UNSENT_MAX;
    return true;
}

void crew_tasks_dispatch(struct crew *crew, bool may_gather)
{
    for (struct crew_link *link = crew->links; link; link = link->next) {
        link->is_slow = pool_client_unsent(link->client) > LINK_UNSENT_MAX;
        pool_client_cork(link->client);
    }
    for (struct crew_payload *payload = crew->payloads; payload;
         payload = payload->next) {
        struct crew_link *link;
        while (payload->waiting.first && (link = choose(crew, payload)))
            if (!give(link, payload->waiting.first))
                break;
        if (payload->is_wanted && !payload->n_loaded)
            choose(crew, payload);
    }
    for (struct crew_link *link = crew->links; link; link = link->next)
        if (!may_gather || link->n_tasks <= pool_client_workers(link->client))
            pool_client_uncork(link->client);
}

/* ---- events ---- */

static void take_from_link(struct crew_link *link, struct crew_task *task, bool is_lost)
{
    queue_remove(&link->tasks, task);
    link->n_tasks--;
    task->link = NULL;
    if (is_lost) /* that makes no room */
        return;
    int64_t now = clock_us();
    double gap = (double)(now - link->answered);
    link->gap = link->gap > 0 ? (7 * link->gap + gap) / 8 : gap;
    link->answered = now;
}

static bool is_pool_lost(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_DIED && outcome->name &&
           strcmp(outcome->name, POOL_LOST) == 0;
}

/* Whether another worker or pool is to have it. */
static bool comes_again(struct crew_task *task, const struct outcome *outcome)
{
    bool was_forgotten = outcome->kind == OUTCOME_REFUSED && outcome->name &&
                         strcmp(outcome->name, "UnknownPayload") == 0;
    if (task->is_cancelled)
        return false;
    if (was_forgotten)
        return task->moves++ < MOVES_MAX;
    if (outcome->kind != OUTCOME_DIED || !task->retries)
        return false;
    task->retries--;
    return true;
}

static void say_why(struct crew_link *link, struct crew_task *task,
                    struct outcome *outcome)
{
    if (!is_pool_lost(outcome))
        return;
    outcome_clear(outcome);
    *outcome = (struct outcome){.kind = OUTCOME_DIED};
    outcome->message = pool_client_loss(link->client, &outcome->name);
    if (!task->is_cancelled)
        return;
    free(outcome->name);
    outcome->kind = OUTCOME_INTERRUPTED;
    outcome->name = must_strdup("Cancelled");
}

/* What the engine has ended is no fault of the task's. */
static void blame_engine(struct crew *crew, struct outcome *outcome)
{
    if (!outcome->name || strcmp(outcome->name, "SIGTERM") != 0 || !crew->type->is_over ||
        !crew->type->is_over(crew->executor))
        return;
    outcome_clear(outcome);
    *outcome = (struct outcome){.kind = OUTCOME_DIED, .name = must_strdup(POOL_LOST)};
}

static bool take_result(struct crew_link *link, struct crew_task *task, struct crew *crew,
                        struct pool_event *event)
{
    blame_engine(crew, &event->outcome);
    take_from_link(link, task, is_pool_lost(&event->outcome));
    if (comes_again(task, &event->outcome)) {
        if (event->outcome.kind == OUTCOME_REFUSED)
            crew_payloads_forgotten(crew, link, (const char *)task->payload->hash);
        queue_add_first(&task->payload->waiting, task);
        outcome_clear(&event->outcome);
        return false;
    }
    say_why(link, task, &event->outcome);
    free_task(crew, task);
    return true;
}

bool crew_tasks_take(struct crew *crew, struct crew_link *link, struct pool_event *event)
{
    struct crew_task *task = event->tag;
    switch (event->kind) {
    case POOL_EVENT_HELLO:
        link->is_up = true;
        link->answered = clock_us();
        return false;
    case POOL_EVENT_PAYLOAD:
        crew_payloads_answered(crew, link, event);
        return false;
    case POOL_EVENT_PIECES:
        crew_payloads_pieces_asked(link, event);
        return false;
    case POOL_EVENT_FORGOT:
        crew_payloads_forgotten(crew, link, event->data);
        return false;
    case POOL_EVENT_NONE:
    case POOL_EVENT_WAKE:
        return false;
    case POOL_EVENT_OUTPUT:
    case POOL_EVENT_DISPLAY:
    case POOL_EVENT_RESULT:
        break;
    }
    event->id = task->id;
    event->tag = task->owner;
    return event->kind != POOL_EVENT_RESULT || take_result(link, task, crew, event);
}
