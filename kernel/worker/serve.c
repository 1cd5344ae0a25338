/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/serve.h"

#include <errno.h>
#include <string.h>

#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/code.h"
#include "kernel/worker/heap.h"
#include "kernel/worker/limit.h"
#include "kernel/worker/run.h"
#include "kernel/worker/serve_names.h"
#include "kernel/worker/serve_types.h"
#include "kernel/worker/swapping.h"
#include "pickler/code/swap.h"

#define VARIABLES_MAX 100000 /* of one dump */

/* Adds the answer after the outcome, which it may change; NULL `in`: it failed already.
 */
typedef int (*handler)(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err);

static int bad_request(struct error *err)
{
    return error_set(err, -EBADMSG, "the request cannot be read");
}

static int run_request(struct engine *engine, struct unpack *in, bool has_flags,
                       struct outcome *outcome, struct plan **ret_plan, char **ret_value,
                       struct error *err)
{
    size_t plan_size, object_size;
    const void *plan_bytes = unpack_bytes(in, &plan_size);
    const void *object = unpack_bytes(in, &object_size);
    unsigned flags = has_flags ? (unsigned)unpack_max(in, 255) : RUN_NO_VALUE;
    if (!unpack_done(in))
        return bad_request(err);
    struct unpack packed = unpack_init(plan_bytes, plan_size);
    int r = plan_unpack(&packed, ret_plan, err);
    if (r < 0)
        return r;
    return run_plan(engine, *ret_plan, object, object_size, flags, outcome, ret_value,
                    err);
}

static int handle_run(struct engine *engine, struct unpack *in, struct outcome *outcome,
                      struct buffer *rest, struct error *err)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    char *value;
    (void)rest;
    return run_request(engine, in, true, outcome, &plan, &value, err);
}

static int handle_time(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    CLEANUP(freep) uint64_t *times = NULL;
    size_t plan_size, object_size;
    const void *plan_bytes = unpack_bytes(in, &plan_size);
    const void *object = unpack_bytes(in, &object_size);
    uint64_t how = unpack_u64(in), loops = how >> TIME_LOOPS_SHIFT;
    unsigned repeats = how & ((1u << TIME_LOOPS_SHIFT) - 1);
    if (!unpack_done(in) || loops > TIME_LOOPS_MAX || repeats > TIME_REPEATS_MAX)
        return bad_request(err);
    struct unpack packed = unpack_init(plan_bytes, plan_size);
    int r = plan_unpack(&packed, &plan, err);
    if (r == 0)
        r = run_timed(engine, plan, object, object_size, &loops, repeats, outcome, &times,
                      err);
    pack_u64(rest, loops);
    pack_u64(rest, times ? repeats : 0);
    for (unsigned i = 0; times && i < repeats; i++)
        pack_u64(rest, times[i]);
    return r;
}

/* Bytes from an address to the end of what it points into, 0: not known. */
static size_t bytes_left(const struct engine *engine, const char *address)
{
    const struct value_world *world = &engine->world;
    struct value_block block;
    struct value_variable variable;
    if (world->find_block(world->context, address, &block) && !block.is_freed)
        return (size_t)(block.start + block.size - address);
    if (world->find_variable(world->context, address, &variable))
        return (size_t)(variable.start + variable.size - address);
    return 0;
}

static int handle_address(struct engine *engine, struct unpack *in,
                          struct outcome *outcome, struct buffer *rest, struct error *err)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    char *value = NULL;
    int r = run_request(engine, in, false, outcome, &plan, &value, err);
    if (r < 0 || outcome->kind != OUTCOME_OK)
        return r;
    const struct type *type = types_get(&engine->types, plan->value_type);
    if (!value || type->kind != TYPE_POINTER) {
        outcome_set(outcome, OUTCOME_REFUSED, "TypeError",
                    "an array or a pointer is needed, not '%s'",
                    type->spelling ? type->spelling : "void");
        return 0;
    }
    char *address;
    memcpy(&address, value, sizeof(address));
    size_t size = (size_t)types_size(&engine->types, type->target);
    size_t left = bytes_left(engine, address);
    pack_u64(rest, (uint64_t)(uintptr_t)address);
    pack_u64(rest, size ? left / size : 0);
    pack_u64(rest, size);
    return 0;
}

static int handle_link(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    CLEANUP(freep) char *file = unpack_string(in);
    (void)rest;
    if (!unpack_done(in) || !file)
        return bad_request(err);
    engine_open_library(engine, file, outcome);
    return 0;
}

static int handle_types(struct engine *engine, struct unpack *in, struct outcome *outcome,
                        struct buffer *rest, struct error *err)
{
    size_t size, from = (size_t)unpack_max(in, TYPES_MAX);
    const void *data = unpack_bytes(in, &size);
    (void)outcome;
    (void)rest;
    return unpack_done(in) ? engine_add_types(engine, from, data, size, err)
                           : bad_request(err);
}

static void refuse(const struct value_dump *dump, struct outcome *outcome)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    for (size_t i = 0; i < dump->n_blockers; i++) {
        const struct value_blocker *blocker = &dump->blockers[i];
        buffer_format(&text, "%s%s %s", i ? "\n" : "", blocker->path, blocker->reason);
        if (blocker->hint)
            buffer_format(&text, " (%s)", blocker->hint);
    }
    outcome_set(outcome, OUTCOME_REFUSED, "CannotPickle", "%s", buffer_string(&text));
}

/* Large values go in a file, if the asker can take one. */
static void pack_values(struct engine *engine, const struct value_dump *dump,
                        bool may_be_file, struct buffer *rest)
{
    size_t n_parts;
    CLEANUP(freep) struct iovec *parts = value_dump_parts(dump, &n_parts);
    if (may_be_file && dump->size >= MEMORY_FILE_MIN)
        engine->answer_file = memory_file_make(parts, (int)n_parts);
    bool is_file = engine->answer_file >= 0;
    pack_u64(rest, is_file ? 0 : dump->size); /* as pack_bytes() */
    for (size_t i = 0; i < n_parts && !is_file; i++)
        buffer_add(rest, parts[i].iov_base, parts[i].iov_len);
    pack_u64(rest, dump->n_functions + dump->n_variables);
    for (size_t i = 0; i < dump->n_functions; i++)
        pack_string(rest, dump->functions[i]);
    for (size_t i = 0; i < dump->n_variables; i++)
        pack_string(rest, dump->variables[i]);
    if (!is_file)
        return;
    pack_u64(rest, dump->size);
    pack_u64(rest, dump->n_cuts);
    for (size_t i = 0; i < dump->n_cuts; i++)
        pack_u64(rest, dump->cuts[i]);
}

static int dump(struct engine *engine, const struct value_root *roots, size_t n,
                bool may_be_file, struct outcome *outcome, struct buffer *rest)
{
    CLEANUP(value_dump_clear) struct value_dump result = {0};
    struct error err = {0};
    int r = may_be_file ? value_dump_shared(&engine->world, roots, n, &result, &err)
                        : value_dump(&engine->world, roots, n, &result, &err);
    if (r == -EINTR) {
        outcome_set(outcome, OUTCOME_INTERRUPTED, "Interrupted",
                    "interrupted while values were collected; nothing was sent");
        return 0;
    }
    if (r < 0) {
        outcome_set(outcome, OUTCOME_REFUSED, "CannotPickle", "%s", err.text);
        return 0;
    }
    if (result.n_blockers) {
        refuse(&result, outcome);
        return 0;
    }
    pack_values(engine, &result, may_be_file, rest);
    return 0;
}

static bool find_root(struct engine *engine, const char *name, struct value_root *ret)
{
    struct value_variable variable;
    if (!name || !engine->world.variable(engine, name, &variable))
        return false;
    *ret = (struct value_root){name, variable.start, variable.type, 1};
    return true;
}

static void refuse_root(const struct engine *engine, const char *text,
                        struct outcome *outcome)
{
    const struct name *name = names_find(&engine->names, text);
    if (name && name->kind == NAME_THREAD)
        outcome_set(outcome, OUTCOME_REFUSED, "CannotPickle",
                    "variable '%s' cannot be sent: every thread has its own copy of it",
                    text);
    else
        outcome_set(outcome, OUTCOME_REFUSED, "UnknownVariable",
                    "there is no variable '%s'", text);
}

static int handle_dump(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    size_t n = (size_t)unpack_max(in, VARIABLES_MAX);
    if (in->failed || n > (size_t)(in->end - in->at))
        return bad_request(err);
    char **names = must_alloc((n + 1) * sizeof(*names));
    CLEANUP(freep) struct value_root *roots = must_alloc((n + 1) * sizeof(*roots));
    for (size_t i = 0; i < n; i++) {
        names[i] = unpack_string(in);
        if (!in->failed && outcome->kind == OUTCOME_OK &&
            !find_root(engine, names[i], &roots[i]))
            refuse_root(engine, names[i] ? names[i] : "", outcome);
    }
    bool may_be_file = in->at < in->end && unpack_bool(in);
    int r = unpack_done(in) ? 0 : bad_request(err);
    if (r == 0 && outcome->kind == OUTCOME_OK)
        r = dump(engine, roots, n, may_be_file, outcome, rest);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return r;
}

/* {s name, u address, u type, u count}, or without the name. */
static int read_place(struct engine *engine, struct unpack *in, struct value_root *ret,
                      struct outcome *outcome, struct error *err)
{
    ret->address = (void *)(uintptr_t)unpack_u64(in);
    ret->type = (uint32_t)unpack_max(in, TYPES_MAX);
    ret->count = unpack_u64(in);
    if (in->failed)
        return bad_request(err);
    uint64_t size = types_size(&engine->types, ret->type);
    size_t left = bytes_left(engine, ret->address);
    if (!size)
        outcome_set(outcome, OUTCOME_REFUSED, "TypeError",
                    "the size of '%s' elements is not known",
                    types_get(&engine->types, ret->type)->spelling);
    else if (left && ret->count > left / size)
        outcome_set(outcome, OUTCOME_REFUSED, "RangeError",
                    "%llu elements are asked for, but there are only %llu",
                    (unsigned long long)ret->count, (unsigned long long)(left / size));
    return 0;
}

static int handle_dump_at(struct engine *engine, struct unpack *in,
                          struct outcome *outcome, struct buffer *rest, struct error *err)
{
    CLEANUP(freep) char *name = unpack_string(in);
    struct value_root root = {.name = name ? name : ""};
    int r = read_place(engine, in, &root, outcome, err);
    if (r < 0 || outcome->kind != OUTCOME_OK)
        return r;
    bool may_be_file = in->at < in->end && unpack_bool(in);
    return unpack_done(in) ? dump(engine, &root, 1, may_be_file, outcome, rest)
                           : bad_request(err);
}

static int handle_dump_pieces(struct engine *engine, struct unpack *in,
                              struct outcome *outcome, struct buffer *rest,
                              struct error *err)
{
    CLEANUP(freep) char *name = unpack_string(in);
    struct value_root root = {.name = name ? name : ""};
    int r = read_place(engine, in, &root, outcome, err);
    uint64_t n = unpack_u64(in);
    if (r < 0 || outcome->kind != OUTCOME_OK)
        return r;
    if (!unpack_done(in) || !n || root.count % n)
        return bad_request(err);
    root.count /= n;
    size_t size = root.count * types_size(&engine->types, root.type);
    for (; r == 0 && outcome->kind == OUTCOME_OK && n; n--) {
        r = dump(engine, &root, 1, false, outcome, rest);
        root.address = (char *)root.address + size;
    }
    return r;
}

static void load(struct engine *engine, const void *data, size_t size,
                 const struct value_root *at, struct outcome *outcome)
{
    struct error err = {0};
    int r = value_load(&engine->world, data, size, at, &err);
    if (r == -EINTR)
        outcome_set(outcome, OUTCOME_INTERRUPTED, "Interrupted",
                    "interrupted while values were loaded; nothing was stored");
    else if (r < 0)
        outcome_set(outcome, OUTCOME_REFUSED, "CannotUnpickle", "%s", err.text);
}

static int handle_load(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    size_t size;
    const void *data = unpack_bytes(in, &size);
    (void)rest;
    if (!unpack_done(in))
        return bad_request(err);
    load(engine, data, size, NULL, outcome);
    return 0;
}

static int handle_load_at(struct engine *engine, struct unpack *in,
                          struct outcome *outcome, struct buffer *rest, struct error *err)
{
    (void)rest;
    do {
        struct value_root root = {.name = "the value"};
        size_t size;
        int r = read_place(engine, in, &root, outcome, err);
        const void *data = unpack_bytes(in, &size);
        if (r < 0 || in->failed)
            return r < 0 ? r : bad_request(err);
        if (outcome->kind == OUTCOME_OK)
            load(engine, data, size, &root, outcome);
    } while (in->at < in->end && outcome->kind == OUTCOME_OK);
    return 0;
}

static int handle_bytes(struct engine *engine, struct unpack *in, struct outcome *outcome,
                        struct buffer *rest, struct error *err)
{
    size_t max = (size_t)unpack_u64(in), n = unpack_count(in), total = 0;
    (void)outcome;
    if (in->failed || n > VARIABLES_MAX)
        return bad_request(err);
    pack_u64(rest, n);
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *name = unpack_string(in);
        const struct value_world *world = &engine->world;
        struct value_variable at;
        bool is_known = name && world->variable(world->context, name, &at) &&
                        types_is_flat(&engine->types, at.type) && at.size <= max - total;
        pack_bytes(rest, is_known ? at.start : "", is_known ? (size_t)at.size : 0);
        total += is_known ? (size_t)at.size : 0;
    }
    return unpack_done(in) ? 0 : bad_request(err);
}

static int handle_limit(struct engine *engine, struct unpack *in, struct outcome *outcome,
                        struct buffer *rest, struct error *err)
{
    uint64_t bytes = unpack_u64(in);
    (void)engine;
    (void)outcome;
    (void)rest;
    if (!unpack_done(in))
        return bad_request(err);
    limit_set(bytes);
    return 0;
}

static int handle_code(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    CLEANUP(freep) char *function = unpack_string(in);
    if (!unpack_done(in) || !function)
        return bad_request(err);
    code_show(&engine->names, function, outcome, rest);
    return 0;
}

static int handle_unswap(struct engine *engine, struct unpack *in,
                         struct outcome *outcome, struct buffer *rest, struct error *err)
{
    (void)outcome;
    (void)rest;
    if (!unpack_done(in))
        return bad_request(err);
    swap_take_back_all(&engine->names);
    return 0;
}

static int handle_swap(struct engine *engine, struct unpack *in, struct outcome *outcome,
                       struct buffer *rest, struct error *err)
{
    size_t size, object_size;
    const void *request = unpack_bytes(in, &size);
    const void *object = unpack_bytes(in, &object_size);
    struct error why = {0};
    (void)engine;
    (void)outcome;
    (void)rest;
    if (!unpack_done(in))
        return bad_request(err);
    int r = swapping_load(request, size, object, object_size, &why);
    return r == -EBADMSG ? bad_request(err) : 0;
}

static handler find_handler(uint16_t kind)
{
    switch (kind) {
    case WORKER_RUN:
        return handle_run;
    case WORKER_LINK:
        return handle_link;
    case WORKER_CODE:
        return handle_code;
    case WORKER_BYTES:
        return handle_bytes;
    case WORKER_TIME:
        return handle_time;
    case WORKER_ADDRESS:
        return handle_address;
    case WORKER_DUMP:
        return handle_dump;
    case WORKER_DUMP_AT:
        return handle_dump_at;
    case WORKER_DUMP_PIECES:
        return handle_dump_pieces;
    case WORKER_LOAD:
        return handle_load;
    case WORKER_LOAD_AT:
        return handle_load_at;
    case WORKER_LIMIT:
        return handle_limit;
    case WORKER_TYPES:
        return handle_types;
    case WORKER_KEEP_TYPES:
        return serve_keep_types;
    case WORKER_FORGET:
        return serve_forget;
    case WORKER_PLACE:
        return serve_place;
    case WORKER_SHOW:
        return serve_show;
    case WORKER_UNSWAP:
        return handle_unswap;
    case RANKS_SWAP:
        return handle_swap;
    default:
        return NULL;
    }
}

int serve_request(struct engine *engine, const struct frame *request, struct buffer *out,
                  struct error *err)
{
    handler handle = find_handler(request->kind);
    if (!handle)
        return error_set(err, -EBADMSG,
                         "a session worker does not know requests of kind %u",
                         request->kind);
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer rest = {0};
    struct unpack in = unpack_init(request->data, request->size);
    engine->answer_file = -1;
    int r = handle(engine, &in, &outcome, &rest, err);
    if (r < 0)
        return r;
    engine_flush();
    outcome_pack(&outcome, out);
    buffer_add(out, rest.data, rest.size);
    return 0;
}
