/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Events that arrive while an answer is waited for are kept and handed out later, in
 * order. Every open task ends exactly once: by its result, or by the pool's end. */
#include "magics/executors/pool_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "magics/executors/pool_client_inside.h"

struct open_task *open_tasks_add(struct open_tasks *open, uint32_t id)
{
    if (open->start == open->n) {
        open->start = open->n = 0;
        open->first = id;
    }
    if (open->start > open->n / 2 && open->start > 64) {
        open->n -= open->start;
        memmove(open->all, open->all + open->start, open->n * sizeof(*open->all));
        open->start = 0;
    }
    /* Ids between were used by requests that are no tasks. */
    while (open->first + (open->n - open->start) <= id) {
        GROW(open->all, open->n, open->capacity);
        open->all[open->n++] = (struct open_task){0};
    }
    open->all[open->n - 1].is_open = true;
    return &open->all[open->n - 1];
}

/* NULL when the task is not open. */
static struct open_task *open_find(const struct open_tasks *open, uint32_t id)
{
    if (id < open->first || id - open->first >= open->n - open->start)
        return NULL;
    struct open_task *task = &open->all[open->start + (id - open->first)];
    return task->is_open ? task : NULL;
}

static void open_remove(struct open_tasks *open, struct open_task *task)
{
    task->is_open = task->has_file = false;
    while (open->start < open->n && !open->all[open->start].is_open) {
        open->start++;
        open->first++;
    }
}

bool pool_client_knows(const struct pool_client *client, const uint8_t *hash, size_t *ret)
{
    for (*ret = 0; *ret < client->n_known; ++*ret)
        if (memcmp(client->known[*ret], hash, HASH_SIZE) == 0)
            return true;
    return false;
}

static void forget(struct pool_client *client, const uint8_t *hash)
{
    size_t i;
    if (pool_client_knows(client, hash, &i))
        memcpy(client->known[i], client->known[--client->n_known], HASH_SIZE);
}

/* The pool has died, or must be treated so. The first reason stays. */
void pool_client_lose(struct pool_client *client, const struct error *why)
{
    client->is_dead = true;
    if (why)
        error_set(&client->why, why->code, "%s", why->text);
}

static int take_hello(struct pool_client *client, const struct frame *frame,
                      struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    uint64_t version = unpack_u64(&in);
    unpack_u64(&in); /* pid */
    CLEANUP(freep) char *about = unpack_string(&in);
    uint64_t n_workers = unpack_max(&in, 1u << 20);
    if (frame->kind != FRAME_HELLO || in.failed || !n_workers)
        return error_set(err, -EBADMSG, "the pool of executor '%s' does not say hello",
                         client->type->name);
    if (version != PROTOCOL_VERSION)
        return error_set(
            err, -EPROTO, "the pool of executor '%s' speaks version %llu, not %d",
            client->type->name, (unsigned long long)version, PROTOCOL_VERSION);
    client->n_workers = (unsigned)n_workers;
    CLEANUP(freep) char *machine = unpack_string(&in);
    struct utsname ours;
    if (machine && uname(&ours) == 0 && strcmp(machine, ours.machine) != 0)
        client->machine = TAKE(machine);
    return 0;
}

/* What both sides keep to from now on. A pool behind a socket of this machine sees its
 * front's end by itself, and a front that is only stopped must not lose it. */
static int send_terms(struct pool_client *client, struct error *err)
{
    struct line_terms terms = {.beat_ms = client->lease_ms / 3,
                               .lease_ms = client->lease_ms,
                               .window = client->type->is_near ? 0 : LINE_WINDOW};
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, terms.beat_ms);
    pack_u64(&body, client->type->is_near ? 0 : terms.lease_ms);
    pack_u64(&body, terms.window);
    int r = line_send(client->line, POOL_TERMS, 0, body.data, body.size, err);
    line_agree(client->line, &terms);
    return r;
}

/* The job workers that are to wait, where the options say how many. */
static int send_prestart(struct pool_client *client, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    if (!client->n_prestart)
        return 0;
    pack_u64(&body, client->n_prestart);
    return line_send(client->line, POOL_PRESTART, 0, body.data, body.size, err);
}

struct pool_client *pool_client_adopt(const struct executor_type *type, void *executor,
                                      const struct executor_link *link,
                                      const struct executor_option *options,
                                      size_t n_options)
{
    struct pool_client *client = must_alloc(sizeof(*client));
    unsigned seconds = 0;
    client->type = type;
    client->executor = executor;
    client->link = *link;
    client->kept_end = &client->kept;
    client->line = line_new(client->link.channel);
    client->lease_ms = type->lease_ms;
    if (executor_number(options, n_options, "lease", LINE_MS_MAX / 1000, &seconds,
                        NULL) == 0 &&
        seconds)
        client->lease_ms = seconds * 1000;
    executor_prestarts(options, n_options, &client->n_prestart);
    return client;
}

static struct kept_event *unkeep(struct pool_client *client)
{
    struct kept_event *kept = client->kept;
    if (!kept)
        return NULL;
    client->kept = kept->next;
    if (!client->kept) {
        client->kept_end = &client->kept;
        client->kept_output = 0;
    }
    return kept;
}

void pool_client_free(struct pool_client *client)
{
    if (!client)
        return;
    /* Not waiting: a pool that does not read must not hold us up. */
    if (!client->is_dead && line_send(client->line, POOL_BYE, 0, NULL, 0, NULL) < 0)
        client->is_broken = true;
    line_free(client->line);
    memory_file_unmap(client->mapped, client->mapped_size);
    client->type->end(client->executor, client->link.state);
    if (client->owns_executor)
        client->type->close(client->executor);
    for (struct kept_event *kept; (kept = unkeep(client));) {
        outcome_clear(&kept->event.outcome);
        free(kept->data);
        free(kept);
    }
    free(client->link.host);
    free(client->lent);
    free(client->machine);
    buffer_clear(&client->head);
    free(client->open.all);
    free(client->known);
    free(client->requests);
    free(client);
}

unsigned pool_client_workers(const struct pool_client *client)
{
    return client->n_workers;
}

const char *pool_client_host(const struct pool_client *client)
{
    return client->link.host;
}

bool pool_client_is_alive(const struct pool_client *client)
{
    return !client->is_dead && !client->is_broken;
}

void pool_client_tag(struct pool_client *client, uint32_t id, void *tag)
{
    struct open_task *task = open_find(&client->open, id);
    if (task)
        task->tag = tag;
}

size_t pool_client_unsent(const struct pool_client *client)
{
    return line_unsent(client->line);
}

char *pool_client_why(const struct pool_client *client)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    if (client->type->why)
        client->type->why(client->executor, client->link.state, &text);
    const char *noise =
        client->n_workers ? "" : channel_noise(line_channel(client->line));
    const char *why = client->why.code ? client->why.text : "it closed the connection";
    return must_format("%s%s%s%s%s", why, text.size ? ": " : "", buffer_string(&text),
                       *noise ? "; it printed: " : "", noise);
}

char *pool_client_loss(const struct pool_client *client, char **ret_name)
{
    const struct executor_type *type = client->type;
    CLEANUP(buffer_clear) struct buffer loss = {0};
    CLEANUP(buffer_clear) struct buffer advice = {0};
    CLEANUP(freep) char *why = pool_client_why(client);
    const char *name = type->loss ? type->loss(client->executor, &loss, &advice) : NULL;
    *ret_name = must_strdup(name ? name : POOL_LOST);
    return name ? must_format("%s when '%s' had the task, which may have begun (%s)",
                              buffer_string(&loss), client->link.host,
                              buffer_string(&advice))
                : must_format("the pool on '%s' was lost when it had the task, which may "
                              "have begun: %s",
                              client->link.host, why);
}

int pool_client_lost(const struct pool_client *client, struct error *err)
{
    return error_set(err, -EPIPE, "the pool of executor '%s' is gone",
                     client->type->name);
}

static bool read_result(struct pool_client *client, const struct frame *frame,
                        struct open_task *task, struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    ret->kind = POOL_EVENT_RESULT;
    ret->tag = task->tag;
    client->n_files -= task->has_file;
    open_remove(&client->open, task);
    if (frame->kind == POOL_RESULT && outcome_unpack(&in, &ret->outcome, NULL) == 0) {
        ret->data = unpack_bytes(&in, &ret->size);
        if (unpack_done(&in))
            return true;
        outcome_clear(&ret->outcome);
    }
    ret->data = NULL;
    ret->size = 0;
    ret->outcome =
        (struct outcome){.kind = OUTCOME_DIED,
                         .name = must_strdup("BadResult"),
                         .message = must_strdup("the pool's answer cannot be read")};
    return true;
}

/* The result in the frame's file, as if it had come in the frame. */
static bool read_result_file(struct pool_client *client, const struct frame *frame,
                             struct open_task *task, struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct frame whole = {.kind = POOL_RESULT, .id = frame->id};
    size_t size = (size_t)unpack_max(&in, FRAME_SIZE_MAX);
    if (unpack_done(&in) && frame->n_fds == 1)
        client->mapped = memory_file_map(frame->fds[0], size);
    client->mapped_size = size;
    whole.data = client->mapped;
    whole.size = client->mapped ? size : 0;
    return read_result(client, &whole, task, ret);
}

/* Another kind of machine may be why. */
static void note_machine(const struct pool_client *client, struct outcome *outcome)
{
    bool is_refused = outcome->kind == OUTCOME_COMPILE || outcome->kind == OUTCOME_LINK ||
                      outcome->kind == OUTCOME_REFUSED;
    if (is_refused && client->machine && !outcome->note)
        outcome->note = must_format(
            "It was to run on %s, a machine of kind '%s': what is for another kind only "
            "(inline assembly, intrinsics, structs that the system's headers define "
            "differently) cannot go there.",
            client->link.host ? client->link.host : "a host", client->machine);
}

/* The answer to the payload of request `i`. */
static bool read_answer(struct pool_client *client, const struct frame *frame, size_t i,
                        struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct request request = client->requests[i];
    client->requests[i] = client->requests[--client->n_requests];
    ret->kind = POOL_EVENT_PAYLOAD;
    if (frame->kind == FRAME_BAD || outcome_unpack(&in, &ret->outcome, NULL) < 0)
        ret->outcome =
            (struct outcome){.kind = OUTCOME_REFUSED,
                             .name = must_strdup("BadPayload"),
                             .message = must_strdup(
                                 "the pool and the kernel do not understand each other: "
                                 "the payload or the answer cannot be read")};
    note_machine(client, &ret->outcome);
    if (ret->outcome.kind == OUTCOME_OK) {
        GROW(client->known, client->n_known, client->known_capacity);
        memcpy(client->known[client->n_known++], request.hash, HASH_SIZE);
    }
    return true;
}

static bool read_forgot(struct pool_client *client, const struct frame *frame,
                        struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    const uint8_t *hash = unpack_bytes(&in, &ret->size);
    if (ret->size != HASH_SIZE)
        return false;
    forget(client, hash);
    ret->kind = POOL_EVENT_FORGOT;
    ret->data = (const char *)hash;
    return true;
}

static bool read_hello(struct pool_client *client, const struct frame *frame,
                       struct pool_event *ret)
{
    struct error err = {0};
    int r = take_hello(client, frame, &err);
    if (r == 0)
        r = send_terms(client, &err);
    if (r == 0)
        r = send_prestart(client, &err);
    ret->kind = POOL_EVENT_HELLO;
    if (r < 0)
        pool_client_lose(client, &err);
    return r == 0;
}

/* A frame as an event; false when it is none (or of no open task). */
static bool read_event(struct pool_client *client, const struct frame *frame,
                       struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    *ret = (struct pool_event){.id = frame->id, .host = client->link.host};
    if (!client->n_workers)
        return read_hello(client, frame, ret);
    if (frame->kind == POOL_FORGOT)
        return read_forgot(client, frame, ret);
    if (frame->kind == POOL_BYE) {
        error_set(&client->why, -EPIPE, "it said goodbye");
        client->is_broken = true; /* its last results were before this */
        client->is_dead = true;
        return false;
    }
    if (frame->kind == POOL_PIECES) {
        ret->kind = POOL_EVENT_PIECES;
        ret->data = frame->data;
        ret->size = frame->size;
        return true;
    }
    if (frame->kind == POOL_PAYLOAD || frame->kind == FRAME_BAD)
        for (size_t i = 0; i < client->n_requests; i++)
            if (client->requests[i].id == frame->id)
                return read_answer(client, frame, i, ret);
    struct open_task *task = open_find(&client->open, frame->id);
    if (!task)
        return false;
    ret->tag = task->tag;
    switch (frame->kind) {
    case POOL_OUTPUT:
        ret->kind = POOL_EVENT_OUTPUT;
        ret->stream = (int)unpack_max(&in, 2);
        ret->data = unpack_bytes(&in, &ret->size);
        return unpack_done(&in);
    case POOL_DISPLAY:
        ret->kind = POOL_EVENT_DISPLAY;
        ret->data = frame->data;
        ret->size = frame->size;
        return true;
    case POOL_RESULT_FILE:
        return read_result_file(client, frame, task, ret);
    case POOL_RESULT:
    case FRAME_BAD:
        return read_result(client, frame, task, ret);
    default:
        return false;
    }
}

static void drop_fds(struct frame *frame)
{
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    frame->n_fds = 0;
}

size_t pool_client_poll(const struct pool_client *client, struct pollfd *ret,
                        int *ret_timeout_ms)
{
    size_t n = line_poll(client->line, ret);
    bool is_due = client->kept || client->is_dead || line_has_frame(client->line);
    int due = is_due ? 0 : line_due(client->line);
    if (client->link.death_fd >= 0)
        ret[n++] = (struct pollfd){.fd = client->link.death_fd, .events = POLLIN};
    if (due >= 0 && (*ret_timeout_ms < 0 || due < *ret_timeout_ms))
        *ret_timeout_ms = due;
    return n;
}

bool pool_client_is_due(const struct pool_client *client)
{
    return client->kept || client->is_dead || line_has_frame(client->line) ||
           line_due(client->line) == 0;
}

void pool_client_beat(struct pool_client *client)
{
    if (line_flush(client->line, NULL) < 0 || line_tick(client->line, NULL) == -EPIPE)
        client->is_broken = true;
}

void pool_client_cork(struct pool_client *client)
{
    line_cork(client->line);
}

void pool_client_uncork(struct pool_client *client)
{
    if (line_uncork(client->line, NULL) < 0)
        client->is_broken = true;
}

bool pool_client_has_ended(const struct pool_client *client)
{
    struct pollfd fd = {.fd = client->link.death_fd, .events = POLLIN};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* 1: an event; 0: no frame is here; negative: the pool is gone. */
int pool_client_look(struct pool_client *client, struct pool_event *ret)
{
    struct frame frame;
    struct error why = {0};
    memory_file_unmap(TAKE(client->mapped), client->mapped_size);
    /* What is sent in answer to results that came together goes together. */
    if (!line_has_frame(client->line) && line_uncork(client->line, NULL) < 0)
        client->is_broken = true;
    do {
        int r = line_receive(client->line, &frame, &why);
        if (r < 0)
            pool_client_lose(client, r == -EPIPE ? NULL : &why);
        if (r <= 0)
            return r;
        bool is_event = read_event(client, &frame, ret);
        drop_fds(&frame);
        if (is_event)
            return 1;
    } while (!client->is_dead && line_has_frame(client->line));
    return client->is_dead ? -EPIPE : 0;
}

/* The next open task of a dead pool, as an event; -EPIPE when none is left. */
static int end_open_task(struct pool_client *client, struct pool_event *ret,
                         struct error *err)
{
    struct open_tasks *open = &client->open;
    if (open->start == open->n)
        return pool_client_lost(client, err);
    struct open_task *task = &open->all[open->start];
    *ret = (struct pool_event){.kind = POOL_EVENT_RESULT,
                               .id = open->first,
                               .tag = task->tag,
                               .host = client->link.host};
    ret->outcome.kind = OUTCOME_DIED;
    ret->outcome.name = must_strdup(POOL_LOST);
    ret->outcome.message = must_format(
        "the pool of executor '%s' ended while the task was open", client->type->name);
    open_remove(open, task);
    return 0;
}

int pool_client_next(struct pool_client *client, struct pool_event *ret,
                     struct error *err)
{
    struct error why = {0};
    free(TAKE(client->lent));
    CLEANUP(freep) struct kept_event *kept = unkeep(client);
    if (kept) {
        *ret = kept->event;
        client->lent = kept->data;
        return 0;
    }
    *ret = (struct pool_event){0};
    if (!client->is_dead && pool_client_look(client, ret) > 0)
        return 0;
    /* All that it had written was read before its end counts. */
    if (!client->is_dead && pool_client_has_ended(client) &&
        pool_client_look(client, ret) > 0)
        return 0;
    if (!client->is_dead && pool_client_has_ended(client))
        pool_client_lose(client, NULL);
    if (!client->is_dead && line_tick(client->line, &why) < 0)
        pool_client_lose(client, &why);
    return client->is_dead ? end_open_task(client, ret, err) : 0;
}
