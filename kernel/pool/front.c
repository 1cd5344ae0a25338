/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the front asks of the pool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/pool/pool.h"
#include "pickler/payload/payload.h"

#define FRAMES_A_ROUND 256 /* job workers get their turn in between */

static void say_bad(struct pool *pool, uint32_t id, const char *text)
{
    struct buffer body = {0};
    pack_string(&body, text);
    pool_say(pool, FRAME_BAD, id, &body);
    buffer_clear(&body);
}

static void answer_payload(struct pool *pool, uint32_t id, enum outcome_kind kind,
                           const char *name, const char *message)
{
    struct outcome outcome = {
        .kind = kind, .name = (char *)name, .message = (char *)message};
    struct buffer body = {0};
    outcome_pack(&outcome, &body);
    pool_say(pool, POOL_PAYLOAD, id, &body);
    buffer_clear(&body);
}

static bool is_hash_right(const uint8_t *hash, const void *data, size_t size)
{
    uint8_t right[PAYLOAD_HASH_SIZE];
    payload_hash(data, size, right);
    return memcmp(hash, right, sizeof(right)) == 0;
}

static size_t own_size(const struct family *family)
{
    return family->payload.size + family->object.size + family->better.size;
}

static size_t size_of_pieces(const struct family *family)
{
    size_t size = 0;
    for (size_t i = 0; i < family->n_pieces; i++)
        size += (size_t)family->pieces[i]->size;
    return size;
}

/* Forgets idle payloads, the oldest first, until the new one fits. Large values of those
 * that are in use, which may be the same ones, are in nobody's way. */
static bool make_room(struct pool *pool, size_t size)
{
    for (;;) {
        size_t n = 0, bytes = 0, own = 0;
        struct family *oldest = NULL;
        for (size_t i = 0; i < pool->n_families; i++) {
            struct family *family = pool->families[i];
            if (family->is_removed)
                continue;
            n++;
            own += own_size(family);
            bytes += own_size(family) + size_of_pieces(family);
            if (family_is_idle(family) && (!oldest || family->used < oldest->used))
                oldest = family;
        }
        if (n == 0 || (n < POOL_PAYLOADS_MAX && bytes + size <= POOL_PAYLOADS_BYTES))
            return true;
        if (!oldest)
            return n < POOL_PAYLOADS_MAX && own + size <= POOL_PAYLOADS_BYTES;
        struct buffer body = {0};
        pack_bytes(&body, oldest->hash, PAYLOAD_HASH_SIZE);
        pool_say(pool, POOL_FORGOT, 0, &body);
        buffer_clear(&body);
        zygotes_sleep(pool, oldest);
        oldest->is_removed = true;
    }
}

/* Reads a hash; NULL when there is none. */
static const uint8_t *read_hash(struct unpack *in)
{
    size_t size;
    const uint8_t *hash = unpack_bytes(in, &size);
    if (size != PAYLOAD_HASH_SIZE)
        in->failed = true;
    return in->failed ? NULL : hash;
}

static bool take_payload(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    const uint8_t *hash = read_hash(&in);
    size_t size;
    const void *payload = unpack_bytes(&in, &size);
    if (!unpack_done(&in))
        return false;
    struct family *family = tasks_find_family(pool, hash);
    if (family && !family->request) {
        answer_payload(pool, frame->id, OUTCOME_OK, NULL, NULL);
        return true;
    }
    if (family || !is_hash_right(hash, payload, size)) {
        answer_payload(pool, frame->id, OUTCOME_REFUSED, "BadPayload",
                       family ? "the payload is being loaded already"
                              : "the payload does not have the hash it was sent under");
        return true;
    }
    if (!make_room(pool, size)) {
        answer_payload(pool, frame->id, OUTCOME_REFUSED, "PoolFull",
                       "the pool has no room for the payload while its tasks run");
        return true;
    }
    GROW(pool->families, pool->n_families, pool->families_capacity);
    family = pool->families[pool->n_families++] = family_new(hash, payload, size);
    family->request = frame->id;
    supply_begin(pool, family);
    return true;
}

static void refuse_task(struct pool *pool, uint32_t id)
{
    struct outcome outcome = {.kind = OUTCOME_REFUSED,
                              .name = (char *)"UnknownPayload",
                              .message =
                                  (char *)"the pool does not have the task's payload"};
    tasks_result(pool, id, &outcome);
}

static bool take_task(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    const uint8_t *hash = read_hash(&in);
    /* What follows the hash is the body of the TASK_RUN, as it is. */
    const void *body = in.at;
    size_t size, body_size = (size_t)(in.end - in.at);
    unpack_bytes(&in, &size);
    if (!unpack_done(&in) || !frame->id)
        return false;
    struct family *family = tasks_find_family(pool, hash);
    if (family)
        tasks_add(pool, family, task_new(frame->id, body, body_size));
    else
        refuse_task(pool, frame->id);
    return true;
}

/* Its argument is in a file, which only its job worker reads. */
static bool take_task_file(struct pool *pool, struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    const uint8_t *hash = read_hash(&in);
    size_t size = (size_t)unpack_max(&in, FRAME_SIZE_MAX);
    if (!unpack_done(&in) || !frame->id || frame->n_fds != 1 || !size)
        return false;
    struct family *family = tasks_find_family(pool, hash);
    if (family)
        tasks_add(pool, family,
                  task_new_file(frame->id, frame->fds[--frame->n_fds], size));
    else
        refuse_task(pool, frame->id);
    return true;
}

static bool have(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    const uint8_t *hash = read_hash(&in);
    if (!unpack_done(&in))
        return false;
    struct buffer body = {0};
    pack_u64(&body, tasks_find_family(pool, hash) != NULL);
    pool_say(pool, POOL_HAVE, frame->id, &body);
    buffer_clear(&body);
    return true;
}

/* Before it bodies come whole. */
static bool take_terms(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct line_terms terms = {.beat_ms = (unsigned)unpack_max(&in, LINE_MS_MAX),
                               .lease_ms = (unsigned)unpack_max(&in, LINE_MS_MAX),
                               .window = unpack_max(&in, LINE_WINDOW_MAX)};
    bool is_small = terms.window && terms.window < 4 * (size_t)LINE_PIECE;
    if (!unpack_done(&in) || is_small || pool->n_families)
        return false;
    line_agree(pool->front, &terms);
    pool->is_counted = terms.window > 0;
    return true;
}

static bool take_prestart(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    pool->n_prestart = (size_t)unpack_max(&in, POOL_PRESTART_MAX);
    return unpack_done(&in);
}

static void handle(struct pool *pool, struct frame *frame)
{
    bool is_good = true;
    switch (frame->kind) {
    case POOL_PAYLOAD:
        is_good = take_payload(pool, frame);
        break;
    case POOL_PIECE:
        is_good = supply_take_piece(pool, frame);
        break;
    case POOL_PIECE_FILE:
        is_good = supply_take_file(pool, frame);
        break;
    case POOL_TASK:
        is_good = take_task(pool, frame);
        break;
    case POOL_TASK_FILE:
        is_good = take_task_file(pool, frame);
        break;
    case POOL_TERMS:
        is_good = take_terms(pool, frame);
        break;
    case POOL_PRESTART:
        is_good = take_prestart(pool, frame);
        break;
    case POOL_CANCEL:
        tasks_cancel(pool, frame->id);
        break;
    case POOL_HAVE:
        is_good = have(pool, frame);
        break;
    case POOL_BYE:
        pool->is_over = pool->has_bye = true;
        break;
    default:
        is_good = false;
    }
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    if (!is_good)
        say_bad(pool, frame->id, "the pool cannot read this");
}

void front_lost(struct pool *pool, const struct error *why)
{
    if (!pool->is_over && why->code != -EPIPE)
        fprintf(stderr, "achar-pool: error: the kernel is lost: %s\n", why->text);
    pool->is_over = true;
}

void front_read(struct pool *pool)
{
    struct frame frame;
    struct error err = {0};
    for (int i = 0; i < FRAMES_A_ROUND && !pool->is_over; i++) {
        if (pool->waiting_bytes > POOL_WAITING_BYTES && !pool->is_counted)
            return;
        int r = line_receive(pool->front, &frame, &err);
        if (r == 0)
            return;
        if (r < 0)
            front_lost(pool, &err);
        else
            handle(pool, &frame);
        if (!line_has_frame(pool->front))
            return; /* poll() tells when there is more: no read in vain on a warm call */
    }
}
