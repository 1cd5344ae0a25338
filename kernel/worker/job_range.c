/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A task that runs a body over indices: of each array that comes home only the elements
 * at those indices do, and what the body has written elsewhere is found and named. */
#include <errno.h>
#include <string.h>

#include "kernel/worker/heap.h"
#include "kernel/worker/job.h"
#include "kernel/worker/renewal.h"

/* The elements of one array that come home. */
struct out {
    struct value_root root;
    size_t size;  /* bytes */
    char *before; /* what they were; owned */
};

static void bad_payload(struct outcome *ret, const char *what)
{
    outcome_set(ret, OUTCOME_REFUSED, "BadPayload", "%s", what);
}

/* Where the variable's array, or what it points to, begins; NULL: it is neither. */
static char *find_base(const struct job *job, const char *name)
{
    const struct value_world *world = &job->engine->world;
    struct value_variable place;
    if (!world->variable(world->context, name, &place))
        return NULL;
    enum type_kind kind = types_get(&job->engine->types, place.type)->kind;
    char *base = kind == TYPE_ARRAY ? (char *)place.start : NULL;
    if (kind == TYPE_POINTER)
        memcpy(&base, (char *)place.start, sizeof(base));
    return base;
}

static bool find_out(const struct job *job, const struct payload_out *wanted,
                     int64_t from, uint64_t count, struct out *ret,
                     struct outcome *outcome)
{
    char *base = find_base(job, wanted->name);
    uint64_t size = types_size(&job->engine->types, wanted->type);
    if (!base || !size || __builtin_mul_overflow(size, count, &ret->size)) {
        outcome_set(outcome, OUTCOME_REFUSED, "BadPayload",
                    "'%s' is no array that elements can come home from", wanted->name);
        return false;
    }
    ret->root = (struct value_root){.name = "achar_out",
                                    .address = base + from * (int64_t)size,
                                    .type = wanted->type,
                                    .count = count};
    ret->before = must_realloc(NULL, ret->size + 1, 1);
    memcpy(ret->before, (char *)ret->root.address, ret->size);
    return true;
}

/* The elements that come home are put back first: what differs then was written
 * elsewhere. */
static void add_strays(const struct job *job, const struct out *outs, size_t n_outs,
                       struct buffer *result)
{
    CLEANUP(freep)
    struct value_root *changed = must_alloc((job->n_variables + 1) * sizeof(*changed));
    for (size_t i = 0; i < n_outs; i++)
        memcpy((char *)outs[i].root.address, outs[i].before, outs[i].size);
    size_t n = job_find_changed(job, changed);
    pack_u64(result, n);
    for (size_t i = 0; i < n; i++)
        pack_string(result, changed[i].name);
}

static void collect(const struct job *job, const struct out *outs, size_t n_outs,
                    struct outcome *ret, struct buffer *result)
{
    pack_u64(result, n_outs);
    for (size_t i = 0; i < n_outs && ret->kind == OUTCOME_OK; i++) {
        CLEANUP(buffer_clear) struct buffer values = {0};
        job_dump_roots(job, &outs[i].root, 1, ret, &values);
        pack_bytes(result, values.data, values.size);
    }
    if (ret->kind == OUTCOME_OK)
        add_strays(job, outs, n_outs, result);
    else
        buffer_clear(result);
}

static void collect_partial(const struct job *job, const struct ledger *ledger,
                            const struct out *outs, size_t n_outs, struct buffer *result)
{
    CLEANUP(freep) struct value_root *roots = must_alloc((n_outs + 1) * sizeof(*roots));
    for (size_t i = 0; i < n_outs; i++)
        roots[i] = outs[i].root;
    job_pack_partial(job, ledger, roots, n_outs, result);
}

static size_t element_size(const struct job *job, size_t out)
{
    return types_size(&job->engine->types, job->payload->outs[out].type);
}

void job_run_range(const struct job *job, const void *argument, size_t size,
                   struct outcome *ret, struct buffer *result)
{
    struct unpack in = unpack_init(argument, size);
    int64_t from = unpack_i64(&in);
    uint64_t count = unpack_max(&in, JOB_ELEMENTS_MAX);
    size_t n_outs = job->payload->n_outs, n = 0;
    if (!unpack_done(&in)) {
        bad_payload(ret, "the task names no indices");
        return;
    }
    long first = (long)from, end = (long)(from + (int64_t)count);
    renewal_watch(); /* memory may be mapped */
    CLEANUP(freep) struct out *outs = must_alloc((n_outs + 1) * sizeof(*outs));
    if (job_set_object(job, "achar_from", &first, sizeof(first), ret) &&
        job_set_object(job, "achar_to", &end, sizeof(end), ret))
        while (n < n_outs &&
               find_out(job, &job->payload->outs[n], from, count, &outs[n], ret))
            n++;
    CLEANUP(freep) struct ledger_out *kept = must_alloc((n + 1) * sizeof(*kept));
    for (size_t i = 0; i < n; i++)
        kept[i] = (struct ledger_out){.from = outs[i].root.address,
                                      .size = element_size(job, i)};
    struct ledger ledger = {.outs = kept, .n_outs = n};
    if (ret->kind == OUTCOME_OK)
        job_open_ledger(job, count, &ledger);
    renewal_unwatch();
    if (ret->kind == OUTCOME_OK)
        job_call(job, ret);
    renewal_watch();
    if (ret->kind == OUTCOME_OK)
        collect(job, outs, n, ret, result);
    else
        collect_partial(job, &ledger, outs, n, result);
    renewal_unwatch();
    job_end(job, &ledger, ret, result);
    for (size_t i = 0; i < n; i++)
        free(outs[i].before);
}
