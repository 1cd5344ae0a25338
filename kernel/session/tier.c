/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/tier.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/tier_unit.h"
#include "pickler/base/clock.h"
#include "pickler/base/file.h"
#include "pickler/graph/name_ids.h"

#define POLL_MS 10     /* while something is compiled or on its way */
#define KICK_MS 4      /* before the first signal to a cell is repeated ... */
#define KICK_MAX_MS 32 /* ... and later ones, at most */
#define COMPILES_SAFELY "-fno-delete-null-pointer-checks" /* faults stay faults */

static const struct tier_level levels[] = {
    {"0", {"-O0", NULL}},
    {"1", {"-O1", COMPILES_SAFELY, NULL}},
    {"2", {"-O2", COMPILES_SAFELY, NULL}},
    {"3", {"-O3", COMPILES_SAFELY, NULL}},
    {"native", {"-O3", "-march=native", COMPILES_SAFELY, NULL}},
    {"fast", {"-Ofast", "-march=native", COMPILES_SAFELY, NULL}},
};

void tier_init(struct tier *tier)
{
    *tier = (struct tier){.next_serial = 1};
    tier->compiler = tier_compiler_new();
    tier_set_level(tier, "2");
}

static void drop_units(struct tier *tier, bool only_old);

void tier_clear(struct tier *tier)
{
    tier_compiler_free(tier->compiler);
    drop_units(tier, false);
    free(tier->units);
    for (size_t i = 0; i < tier->n_functions; i++)
        tier_function_clear(&tier->functions[i]);
    free(tier->functions);
    *tier = (struct tier){0};
}

void tier_reset(struct tier *tier)
{
    const struct tier_level *level = tier->level;
    uint32_t serial = tier->next_serial;
    uint64_t n_kept = tier->n_kept;
    tier_clear(tier);
    tier_init(tier);
    tier->level = level;
    tier->next_serial = serial;
    tier->n_kept = n_kept;
}

/* ---- what is known of functions ------------------------------------------------------
 */

/* What holds an old version is made again. */
static void invalidate(struct tier *tier, uint32_t old)
{
    for (size_t i = 0; i < tier->n_functions; i++)
        if (tier_function_needs(&tier->functions[i], old))
            tier_function_set(tier, &tier->functions[i], TIER_WAITING);
}

static void define(struct tier *tier, const struct definition *definition)
{
    struct tier_function *function = tier_find(tier, definition->name);
    bool is_possible = definition_is_copyable(definition);
    if (function && function->id == definition->id)
        return;
    if (definition->kind == DEFINITION_FUNCTION && !definition->source && function)
        return; /* one more prototype */
    if (function)
        invalidate(tier, function->id);
    if (function && !is_possible) {
        tier_function_remove(tier, function);
    } else if (is_possible) {
        if (!function)
            function = tier_function_add(tier, definition->name);
        function->id = definition->id;
        function->n_needs = 0;
        function->is_alone = false;
        tier_function_set(tier, function, TIER_WAITING);
    }
}

void tier_defined(struct tier *tier, const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_definitions; i++) {
        const struct definition *at = plan->definitions[i];
        if (at->kind != DEFINITION_FUNCTION && at->kind != DEFINITION_VARIABLE)
            continue;
        define(tier, at);
        tier->changed_at = clock_ms();
    }
}

void tier_forget(struct tier *tier, const char *name)
{
    struct tier_function *function = tier_find(tier, name);
    if (!function)
        return;
    uint32_t id = function->id;
    tier_function_remove(tier, function);
    invalidate(tier, id);
}

static void sync_known(struct tier *tier, const struct graph *graph,
                       struct name_ids *known)
{
    for (size_t i = tier->n_functions; i-- > 0;) {
        struct tier_function *function = &tier->functions[i];
        const struct definition *now = graph_current(graph, function->name);
        if (!now || !definition_is_copyable(now)) {
            tier_function_remove(tier, function);
            continue;
        }
        name_ids_set(known, now->name, now->id);
        define(tier, now);
    }
}

void tier_sync(struct tier *tier, const struct graph *graph)
{
    struct name_ids known = {0};
    sync_known(tier, graph, &known);
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (at->kind == DEFINITION_FUNCTION && graph_is_current(graph, at) &&
            !name_ids_get(&known, at->name, strlen(at->name)))
            define(tier, at);
    }
    name_ids_clear(&known);
}

void tier_restart(struct tier *tier)
{
    for (size_t i = 0; i < tier->n_functions; i++)
        if (tier->functions[i].state != TIER_REFUSED)
            tier_function_set(tier, &tier->functions[i], TIER_WAITING);
}

bool tier_set_level(struct tier *tier, const char *name)
{
    bool is_off = strcmp(name, "off") == 0;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels) && !is_off; i++)
        if (strcmp(levels[i].name, name) == 0) {
            if (tier->level != &levels[i])
                for (size_t k = 0; k < tier->n_functions; k++)
                    tier_function_set(tier, &tier->functions[k], TIER_WAITING);
            tier->level = &levels[i];
            return true;
        }
    if (is_off) {
        tier_restart(tier);
        tier->level = NULL;
    }
    return is_off;
}

bool tier_is_settled(const struct tier *tier)
{
    return !tier->level || (!tier->n_state[TIER_WAITING] &&
                            !tier->n_state[TIER_COMPILING] && !tier->n_state[TIER_SENT]);
}

/* ---- what came of them ---------------------------------------------------------------
 */

static size_t count_roots(const struct tier *tier, uint32_t serial, enum tier_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < tier->n_functions; i++)
        n += tier->functions[i].serial == serial && tier->functions[i].state == state;
    return n;
}

/* Others that were refused with this one compiled in may do without it. */
static void retry_without(struct tier *tier, uint32_t id)
{
    for (size_t i = 0; i < tier->n_functions; i++) {
        struct tier_function *function = &tier->functions[i];
        if (function->state == TIER_REFUSED && function->id != id &&
            tier_function_needs(function, id))
            tier_function_set(tier, function, TIER_WAITING);
    }
}

static void failed(struct tier *tier, uint32_t serial, const char *why)
{
    size_t n = count_roots(tier, serial, TIER_COMPILING);
    for (size_t i = 0; i < tier->n_functions; i++) {
        struct tier_function *function = &tier->functions[i];
        if (function->serial != serial || function->state != TIER_COMPILING)
            continue;
        if (n > 1) {
            function->is_alone = true;
            tier_function_set(tier, function, TIER_WAITING);
        } else {
            tier_function_refuse(tier, function, why);
            retry_without(tier, function->id);
        }
    }
}

static int object_fd(const struct buffer *object)
{
    int fd = memfd_create("achar-object", MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, object->data, object->size) < 0)
        closep(&fd);
    return fd;
}

static bool send_unit(const struct tier_job *job, const struct process *worker)
{
    CLEANUP(closep) int fd = object_fd(&job->object);
    return fd >= 0 && worker->pid > 0 &&
           channel_send_fds(worker->channel, WORKER_SWAP, worker->generation, 0,
                            job->request.data, job->request.size, &fd, 1, NULL) == 0;
}

static bool is_in_force(const struct tier *tier, uint32_t serial)
{
    return count_roots(tier, serial, TIER_SENT) || count_roots(tier, serial, TIER_DONE);
}

static void drop_units(struct tier *tier, bool only_old)
{
    size_t n = 0;
    for (size_t i = 0; i < tier->n_units; i++) {
        struct tier_unit *unit = &tier->units[i];
        if (only_old && is_in_force(tier, unit->serial)) {
            tier->units[n++] = *unit;
            continue;
        }
        buffer_clear(&unit->request);
        buffer_clear(&unit->object);
    }
    tier->n_units = n;
}

static void keep_unit(struct tier *tier, const struct tier_job *job)
{
    struct tier_unit unit = {.number = ++tier->n_kept, .serial = job->serial};
    drop_units(tier, true);
    buffer_add(&unit.request, job->request.data, job->request.size);
    buffer_add(&unit.object, job->object.data, job->object.size);
    GROW(tier->units, tier->n_units, tier->units_capacity);
    tier->units[tier->n_units++] = unit;
}

const struct tier_unit *tier_next_unit(const struct tier *tier, uint64_t number)
{
    for (size_t i = 0; i < tier->n_units; i++)
        if (tier->units[i].number > number && is_in_force(tier, tier->units[i].serial))
            return &tier->units[i];
    return NULL;
}

static void finish(struct tier *tier, const struct tier_job *job,
                   const struct tier_context *context)
{
    if (!count_roots(tier, job->serial, TIER_COMPILING))
        return; /* all of it has been defined again */
    if (!job->is_ok) {
        failed(tier, job->serial, job->why);
        return;
    }
    if (!tier->level || !send_unit(job, context->worker)) {
        tier_restart(tier);
        return;
    }
    for (size_t i = 0; i < tier->n_functions; i++)
        if (tier->functions[i].serial == job->serial &&
            tier->functions[i].state == TIER_COMPILING)
            tier_function_set(tier, &tier->functions[i], TIER_SENT);
    keep_unit(tier, job);
    tier->kick_at = 0;
    tier->kick_ms = KICK_MS;
}

void tier_swapped(struct tier *tier, const void *data, size_t size)
{
    struct unpack in = unpack_init(data, size);
    uint32_t serial = (uint32_t)unpack_max(&in, UINT32_MAX);
    uint64_t result = unpack_u64(&in);
    CLEANUP(freep) char *why = unpack_string(&in);
    for (size_t i = 0; i < tier->n_functions && !in.failed; i++) {
        struct tier_function *function = &tier->functions[i];
        if (function->serial != serial || function->state != TIER_SENT)
            continue;
        if (result == SWAP_DONE)
            tier_function_set(tier, function, TIER_DONE);
        else
            tier_function_refuse(tier, function, why);
    }
}

/* ---- steps ---------------------------------------------------------------------------
 */

static void take_finished(struct tier *tier, const struct tier_context *context)
{
    for (;;) {
        CLEANUP(tier_job_freep) struct tier_job *job = tier_compiler_pop(tier->compiler);
        if (!job)
            return;
        finish(tier, job, context);
    }
}

static void look_at_worker(struct tier *tier, const struct process *worker)
{
    if (worker->pid <= 0 || worker->generation == tier->generation)
        return;
    if (tier->generation)
        tier_restart(tier);
    tier->generation = worker->generation;
}

static int step(struct tier *tier, const struct tier_context *context, bool may_compile)
{
    look_at_worker(tier, context->worker);
    take_finished(tier, context);
    if (!tier->level || tier_is_settled(tier)) {
        tier->waiting_since = 0;
        return -1;
    }
    if (may_compile)
        while (tier_compiler_load(tier->compiler) < TIER_JOBS_MAX &&
               tier_unit_make(tier, context))
            ;
    if (!tier->n_state[TIER_WAITING])
        tier->waiting_since = 0;
    return POLL_MS;
}

int tier_step(struct tier *tier, const struct tier_context *context)
{
    int64_t now = clock_ms();
    int64_t quiet = tier->changed_at + TIER_QUIET_MS - now;
    bool is_impatient =
        tier->waiting_since && now - tier->waiting_since > TIER_PATIENCE_MS;
    bool may_compile = quiet <= 0 || is_impatient;
    int wait = step(tier, context, may_compile);
    return wait > 0 && !may_compile && quiet > wait ? (int)quiet : wait;
}

int tier_hurry(struct tier *tier, const struct tier_context *context)
{
    return step(tier, context, true);
}

/* ---- while a cell runs ---------------------------------------------------------------
 */

void tier_begin(struct tier *tier)
{
    tier->asked_at = clock_ms();
    tier->kick_ms = KICK_MS;
    tier->kick_at = 0;
}

void tier_end(struct tier *tier)
{
    tier->asked_at = 0;
}

static void kick(struct tier *tier, const struct process *worker)
{
    int64_t now = clock_ms();
    if (now < tier->kick_at || worker->pid <= 0)
        return;
    /* One that waits in the kernel calls nothing, and a signal would end its wait early.
     */
    if (process_is_computing(worker->pid))
        syscall(SYS_tgkill, worker->pid, worker->pid, SIGURG);
    tier->kick_at = now + tier->kick_ms;
    tier->kick_ms = tier->kick_ms < KICK_MAX_MS ? 2 * tier->kick_ms : KICK_MAX_MS;
}

int tier_step_running(struct tier *tier, const struct tier_context *context)
{
    int64_t left = tier->asked_at + TIER_RUNNING_MS - clock_ms();
    if (!tier->level)
        return -1;
    if (left > 0)
        return (int)left;
    if (context->scope.plan)
        tier_defined(tier, context->scope.plan);
    tier->has_seen_plan |= context->scope.plan != NULL;
    int wait = step(tier, context, true);
    if (tier->n_state[TIER_SENT])
        kick(tier, context->worker);
    return wait;
}
