/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/tier.h"

#include <string.h>

#include "kernel/peer/protocol.h"

static bool is_counted(const struct family *family)
{
    return family->tier == TIER_COUNTING || family->tier == TIER_UNKNOWN;
}

static uint64_t limit(const struct family *family)
{
    return family->tier == TIER_COUNTING ? TIER_LOOK_US : TIER_COMPILE_US;
}

static uint64_t since(const struct pool *pool, const struct worker *worker)
{
    return pool->now > worker->started_at ? pool->now - worker->started_at : 0;
}

static uint64_t time_spent(const struct pool *pool, const struct family *family)
{
    uint64_t spent = family->spent_us;
    for (const struct worker *worker = family->workers; worker; worker = worker->next)
        if (worker->task && !worker->is_gone)
            spent += since(pool, worker);
    return spent;
}

static void look_at(struct pool *pool, uint64_t due)
{
    due = due < pool->now + TIER_STEP_US ? pool->now + TIER_STEP_US : due;
    pool->tier_at = due < pool->tier_at ? due : pool->tier_at;
}

/* It is not tried again, nor is any other where there is no compiler. */
static void give_up(struct pool *pool, struct family *family)
{
    family->tier = TIER_NEVER;
    buffer_clear(&family->better);
    look_at(pool, 0);
}

static void improve(struct pool *pool, struct family *family)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_bytes(&body, family->better.data, family->better.size);
    family->tier = TIER_IMPROVING;
    /* When it has died, the end of its channel says so. */
    (void)!channel_post(family->zygote.channel, ZYGOTE_IMPROVE, 0, 0, body.data,
                        body.size, NULL);
}

void tier_loaded(struct pool *pool, struct family *family, bool is_improvable)
{
    if (!is_improvable || pool->has_no_compiler)
        family->tier = TIER_NEVER;
    else if (family->better.size)
        improve(pool, family);
    else if (family->tier == TIER_NEW)
        family->tier = TIER_COUNTING;
}

void tier_asleep(struct pool *pool, struct family *family)
{
    if (pool->improving == family) {
        pool->improving = NULL;
        look_at(pool, 0);
    }
    if (family->tier == TIER_ASKING)
        family->tier = TIER_COUNTING;
    else if (family->tier == TIER_COMPILING)
        family->tier = TIER_UNKNOWN;
}

void tier_started(struct pool *pool, const struct family *family)
{
    if (is_counted(family) && pool->tier_at == UINT64_MAX)
        look_at(pool, pool->now + (limit(family) > family->spent_us
                                       ? limit(family) - family->spent_us
                                       : 0));
}

void tier_ended(struct pool *pool, struct family *family, const struct worker *worker)
{
    family->spent_us += since(pool, worker);
}

static void start_helper(struct pool *pool, struct family *family)
{
    static const char *const argv[] = {"achar-pool", "--compile", NULL};
    CLEANUP(buffer_clear) struct buffer body = {0};
    bool is_look = family->tier == TIER_COUNTING;
    pack_bytes(&body, family->payload.data, family->payload.size);
    pack_u64(&body, is_look ? COMPILER_KEPT : COMPILER_FUNCTIONS);
    int r = process_start(argv, false, -1, ++pool->generation, &family->compiler, NULL);
    if (r == 0)
        r = channel_post(family->compiler.channel, COMPILER_RUN, 0, 1, body.data,
                         body.size, NULL);
    if (r < 0) {
        zygotes_end_compiler(family);
        give_up(pool, family);
        return;
    }
    family->tier = is_look ? TIER_ASKING : TIER_COMPILING;
    pool->improving = family;
}

void tier_time(struct pool *pool)
{
    if (pool->now < pool->tier_at)
        return;
    pool->tier_at = UINT64_MAX;
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family->state != FAMILY_AWAKE || !family->n_running || !is_counted(family))
            continue;
        uint64_t spent = time_spent(pool, family);
        if (pool->has_no_compiler)
            family->tier = TIER_NEVER;
        else if (spent < limit(family))
            look_at(pool, pool->now + (limit(family) - spent) / family->n_running);
        else if (!pool->improving) /* when that is over it is looked again */
            start_helper(pool, family);
    }
}

void tier_read_compiler(struct pool *pool, struct family *family)
{
    struct frame frame;
    struct outcome outcome = {0};
    int r = channel_flush(family->compiler.channel, NULL);
    if (r == 0)
        r = channel_receive(family->compiler.channel, 0, &frame, NULL);
    if (r == 0 || (r == 1 && frame.kind == FRAME_HELLO))
        return;
    struct unpack in = r == 1 ? unpack_init(frame.data, frame.size) : (struct unpack){0};
    bool is_good =
        r == 1 && frame.kind == COMPILER_RUN && outcome_unpack(&in, &outcome, NULL) == 0;
    size_t size = 0;
    const void *object = is_good ? unpack_bytes(&in, &size) : NULL;
    is_good = is_good && unpack_done(&in);
    const char *name = outcome.name ? outcome.name : "";
    pool->improving = NULL;
    if (is_good && outcome.kind == OUTCOME_OK && size) {
        buffer_add(&family->better, object, size);
        improve(pool, family);
    } else if (is_good && family->tier == TIER_ASKING &&
               strcmp(name, COMPILER_UNKNOWN) == 0) {
        family->tier = TIER_UNKNOWN;
    } else {
        pool->has_no_compiler |= is_good && strcmp(name, COMPILER_NONE) == 0;
        give_up(pool, family);
    }
    look_at(pool, 0);
    outcome_clear(&outcome);
    zygotes_end_compiler(family);
}

void tier_improved(struct pool *pool, struct family *family, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct outcome outcome = {0};
    bool is_good = outcome_unpack(&in, &outcome, NULL) == 0 && unpack_done(&in) &&
                   outcome.kind == OUTCOME_OK;
    outcome_clear(&outcome);
    if (family->tier != TIER_IMPROVING)
        return;
    if (!is_good) {
        give_up(pool, family);
        return;
    }
    family->tier = TIER_DONE;
    tasks_retire(pool, family);
}
