/* SPDX-License-Identifier: BSD-3-Clause */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/dying.h"
#include "kernel/worker/improve.h"
#include "kernel/worker/job.h"
#include "kernel/worker/limit.h"
#include "kernel/worker/renewal.h"
#include "kernel/worker/show.h"
#include "kernel/worker/zygote.h"
#include "pickler/code/tcc.h"

#define HEAP_ROOM (1 << 20)
#define WARM_TIMES                                                                       \
    2 /* what the first time has left behind is in the way of the second                 \
       */

/* The pages of compiler and heap that any payload needs, before there is one. */
static void warm(void *context)
{
    static const char text[] =
        "static int one = 1;\nint two(int x) { return x + one; }\n";
    (void)context;
    for (int i = 0; i < WARM_TIMES; i++) {
        CLEANUP(compiled_clear) struct compiled compiled = {0};
        if (tcc_compile(text, NULL, 0, &compiled, NULL) < 0)
            return; /* a payload will tell why */
    }
    tcc_prepare();
}

static void load(void *context, const struct zygote_payload *payload,
                 struct zygote_object object, struct outcome *ret)
{
    if (object.size) /* code of the payload's is not to have the compiler's file */
        tcc_drop();
    job_load(context, payload, object, ret);
    tcc_drop();
    mallopt(M_TRIM_THRESHOLD, -1); /* never again: renewal.h */
}

static void begin(void *context, int task_fd, void *ledger)
{
    struct job *job = context;
    job->ledger = ledger;
    const char *memory = getenv(ZYGOTE_MEMORY);
    if (memory)
        limit_keep(strtoull(memory, NULL, 10));
    guard_adopt();
    guard_keep_mask(); /* a task that changes it is the last one of this process */
    dying_set(task_fd, TASK_DYING, 0, 0, "", 1); /* the tail: a result of no bytes */
    show_connect(task_fd);
    improve_begin();
}

static void begin_task(void *context, uint32_t id)
{
    struct job *job = context;
    job->task = id;
    dying_set_id(id);
    show_begin(0, id);
}

int zygote_main(void)
{
    static struct engine engine; /* must not move */
    struct error err = {0};
    if (engine_init(&engine, dying_report, &err) < 0) {
        fprintf(stderr, "achar-worker: %s\n", err.text);
        return 1;
    }
    engine.world.is_disposable = true;
    /* Room for what a task allocates: growing the heap would rule its renewal out. */
    mallopt(M_TOP_PAD, HEAP_ROOM);
    mallopt(M_TRIM_THRESHOLD, 16 * HEAP_ROOM);
    guard_watch(renewal_watch, renewal_unwatch);
    limit_init();
    struct job job = {.engine = &engine};
    improve_init(&job);
    struct zygote_work work = {.context = &job,
                               .warm = warm,
                               .load = load,
                               .is_improvable = improve_is_possible,
                               .improve = improve_take,
                               .has_ledger = job_has_ledger,
                               .begin = begin,
                               .begin_task = begin_task,
                               .run = job_run,
                               .salvage = job_salvage};
    return zygote_serve(&work);
}
