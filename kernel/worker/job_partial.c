/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is left of a task of several elements when one of them has failed: the results of
 * those before it. Either this process is still there, or its ledger is. */
#include <string.h>

#include "kernel/peer/lane.h"
#include "kernel/worker/job.h"

static bool are_flat(const struct job *job)
{
    const struct payload *payload = job->payload;
    const struct types *types = &job->engine->types;
    bool are_flat =
        payload->entry != PAYLOAD_MAP || types_is_flat(types, payload->value_type);
    for (size_t i = 0; i < payload->n_outs && are_flat; i++)
        are_flat = types_is_flat(types, payload->outs[i].type);
    return are_flat;
}

void job_open_ledger(const struct job *job, uint64_t count, struct ledger *ledger)
{
    void (*step)(void *) = ledger_step;
    char *at = image_address(job->unit->image, "achar_step");
    char *context = image_address(job->unit->image, "achar_ledger");
    if (count < 2 || !job->ledger || !at || !context)
        return;
    memcpy(at, &step, sizeof(step));
    memcpy(context, &ledger, sizeof(ledger));
    ledger_begin(ledger, job->ledger, LANE_LEDGER_SIZE, job->task, count, are_flat(job));
}

/* The elements that are done as the result of a task that had no others. */
static void pack_values(const struct job *job, const struct value_root *roots, size_t n,
                        struct buffer *result)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer all = {0};
    bool is_map = job->payload->entry == PAYLOAD_MAP;
    if (!is_map)
        pack_u64(&all, n);
    for (size_t i = 0; i < n && outcome.kind == OUTCOME_OK; i++) {
        CLEANUP(buffer_clear) struct buffer values = {0};
        job_dump_roots(job, &roots[i], 1, &outcome, &values);
        if (is_map)
            buffer_add(&all, values.data, values.size);
        else
            pack_bytes(&all, values.data, values.size);
    }
    if (!is_map)
        pack_u64(&all, 0); /* what was written elsewhere is not known */
    if (outcome.kind == OUTCOME_OK)
        buffer_add(result, all.data, all.size);
}

void job_pack_partial(const struct job *job, const struct ledger *ledger,
                      struct value_root *roots, size_t n, struct buffer *result)
{
    if (!ledger->shared)
        return;
    pack_u64(result, ledger->n_done);
    for (size_t i = 0; i < n; i++)
        roots[i].count = ledger->n_done;
    if (ledger->n_done)
        pack_values(job, roots, n, result);
}

void job_make_partial(const struct job *job, const struct ledger *ledger,
                      struct buffer *result)
{
    struct buffer whole = *result;
    if (!job_has_ledger((void *)job))
        return;
    *result = (struct buffer){0};
    if (ledger->shared) {
        pack_u64(result, ledger->count);
        buffer_add(result, whole.data, whole.size);
    }
    buffer_clear(&whole);
}

bool job_has_ledger(void *context)
{
    const struct job *job = context;
    return job->payload &&
           (job->payload->entry == PAYLOAD_MAP || job->payload->entry == PAYLOAD_RANGE);
}

static uint32_t out_type(const struct job *job, size_t i)
{
    const struct payload *payload = job->payload;
    return payload->entry == PAYLOAD_MAP ? payload->value_type : payload->outs[i].type;
}

uint32_t job_salvage(void *context, const void *memory, struct buffer *result)
{
    const struct job *job = context;
    struct ledger_entry left;
    size_t n = job->payload->entry == PAYLOAD_MAP ? 1 : job->payload->n_outs;
    size_t element_size = 0;
    for (size_t i = 0; i < n; i++)
        element_size += types_size(&job->engine->types, out_type(job, i));
    if (!ledger_read(memory, LANE_LEDGER_SIZE, element_size, &left))
        return 0;
    pack_u64(result, left.n_done);
    if (!left.values || !left.n_done || !are_flat(job))
        return left.task;
    CLEANUP(freep) struct value_root *roots = must_alloc((n + 1) * sizeof(*roots));
    for (size_t i = 0; i < n; i++) {
        roots[i] = (struct value_root){.name = "achar_out",
                                       .address = (void *)left.values,
                                       .type = out_type(job, i),
                                       .count = left.n_done};
        left.values += types_size(&job->engine->types, out_type(job, i)) * left.count;
    }
    pack_values(job, roots, n, result);
    return left.task;
}
