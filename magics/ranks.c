/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/ranks.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/dispatch.h"
#include "magics/executors/mpi.h"
#include "magics/mpi_headers.h"
#include "pickler/base/clock.h"

static void forget_variables(struct ranks *ranks)
{
    for (size_t i = 0; i < ranks->n_variables; i++)
        free(ranks->variables[i].name);
    ranks->n_variables = 0;
}

void ranks_free(struct ranks *ranks)
{
    if (!ranks)
        return;
    ranks_client_free(ranks->client);
    forget_variables(ranks);
    free(ranks->variables);
    free(ranks);
}

/* ---- what happens while they run ---- */

static void take_output(void *context, size_t rank, int stream, const char *text,
                        size_t size)
{
    struct ranks_cell *cell = context;
    ranks_output_add(&cell->output, rank, stream, text, size);
}

static void take_display(void *context, size_t rank, const void *data, size_t size)
{
    struct ranks_cell *cell = context;
    const struct session_events *events = cell->context->events;
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct unpack in = unpack_init(data, size);
    (void)rank;
    if (bundle_unpack(&in, &bundle, NULL) == 0)
        events->display(events->context, &bundle);
}

static int cell_due(const void *context)
{
    const struct ranks_cell *cell = context;
    int due = ranks_output_due(&cell->output);
    int64_t left = cell->late_at - clock_ms();
    if (!cell->late_at || (due >= 0 && due < left))
        return due;
    return left < 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX;
}

static bool is_late(void *context)
{
    struct ranks_cell *cell = context;
    if (!cell->late_at || clock_ms() < cell->late_at)
        return false;
    cell->late_at = 0;
    cell->was_late = true;
    return true;
}

static void output_tick(void *context)
{
    struct ranks_cell *cell = context;
    ranks_output_tick(&cell->output);
}

static bool is_stopped(void *context)
{
    struct ranks_cell *cell = context;
    if (!session_was_interrupted(cell->context->session))
        return false;
    cell->was_stopped = true;
    return true;
}

static void cell_init(struct ranks_cell *cell, struct magic_context *context,
                      enum ranks_grouping grouping, size_t n)
{
    *cell = (struct ranks_cell){.context = context};
    cell->events =
        (struct ranks_events){.context = cell,
                              .output = take_output,
                              .display = take_display,
                              .due = cell_due,
                              .tick = output_tick,
                              .wake_fd = session_interrupt_fd(context->session),
                              .is_stopped = is_stopped,
                              .is_late = is_late};
    ranks_output_init(&cell->output, context->events, grouping, n);
}

static void cell_clear(struct ranks_cell *cell)
{
    ranks_output_clear(&cell->output);
    for (size_t i = 0; i < cell->n_made; i++)
        free(cell->made[i]);
    free(cell->made);
}

/* ---- requests ---- */

static bool ask(struct ranks_cell *cell, size_t rank, uint16_t kind,
                const struct buffer *body, struct rank_answers *ret,
                struct result *result)
{
    struct error err = {0};
    if (ranks_client_ask(cell->ranks->client, rank, kind, body, &cell->events, ret,
                         &err) == 0)
        return true;
    rank_answers_clear(ret);
    cell->ranks->is_stale = true;
    result_error(result, "ExecutorError", "%s", err.text);
    return false;
}

bool ranks_ask(struct ranks_cell *cell, size_t rank, uint16_t kind,
               const struct buffer *body, struct rank_answers *ret, struct result *result)
{
    if (!ask(cell, rank, kind, body, ret, result))
        return false;
    if (ret->first == SIZE_MAX)
        return true;
    ranks_report(cell, ret, result);
    rank_answers_clear(ret);
    return false;
}

/* ---- up and up to date ---- */

static int start_client(struct ranks_cell *cell, struct named_executor *executor,
                        struct result *result, struct error *err)
{
    struct ranks *ranks = cell->ranks;
    struct ranks_command command = {0};
    const char *library;
    int r = mpi_headers_library(cell->context, &library, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = mpi_command(executor->options, executor->n_options, &command, err);
    if (r == 0)
        r = ranks_client_new(&command, library, &ranks->client, err);
    ranks_command_clear(&command);
    return r;
}

int ranks_prestart(struct magic_context *context, struct named_executor *executor,
                   struct result *result, struct error *err)
{
    struct ranks_cell cell = {.context = context};
    if (!executor->ranks)
        executor->ranks = must_alloc(sizeof(*executor->ranks));
    cell.ranks = executor->ranks;
    int r = start_client(&cell, executor, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        r = ranks_client_begin(cell.ranks->client, err);
    return r;
}

/* All ranks are there; a world that is new knows nothing. */
static int get_ready(struct ranks_cell *cell, struct named_executor *executor,
                     struct result *result, struct error *err)
{
    struct ranks *ranks = cell->ranks;
    uint32_t world;
    if (ranks->client && (ranks->is_stale || !ranks_client_is_alive(ranks->client))) {
        ranks_client_free(TAKE(ranks->client));
        ranks->world = 0;
        ranks->is_stale = false;
    }
    int r = ranks->client ? 0 : start_client(cell, executor, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    struct error why = {0};
    r = ranks_client_ready(ranks->client, &cell->events, &world, &why);
    if (r < 0) {
        result_error(result, r == -EINTR ? "Interrupted" : "ExecutorError",
                     r == -EINTR ? "%s%s" : "executor '%s' does not start: %s",
                     r == -EINTR ? "" : executor->name, why.text);
        return 0;
    }
    if (world != ranks->world) {
        ranks->feed = (struct session_feed){0};
        forget_variables(ranks);
    }
    ranks->world = world;
    return 0;
}

/* What the session knows and the ranks do not yet. What does not load is left out, as in
 * the session: who uses it is told. */
static int feed(struct ranks_cell *cell, struct result *result)
{
    for (;;) {
        CLEANUP(buffer_clear) struct buffer body = {0};
        struct rank_answers answers;
        uint16_t kind;
        int r =
            session_feed_next(cell->context->session, &cell->ranks->feed, &kind, &body);
        if (r <= 0)
            return r;
        if (!ask(cell, RANKS_ALL, kind, &body, &answers, result))
            return 0;
        bool is_dead = answers.first != SIZE_MAX &&
                       answers.at[answers.first].outcome.kind == OUTCOME_DIED;
        if (is_dead)
            ranks_report(cell, &answers, result);
        rank_answers_clear(&answers);
        if (is_dead)
            return 0;
    }
}

static int get_fed(struct ranks_cell *cell, struct named_executor *executor,
                   struct result *result, struct error *err)
{
    static const char text[] =
        "note: something that the ranks know was taken back (%undo, %reset): they are "
        "started again, their variables have their initial values\n";
    const struct session_events *events = cell->context->events;
    int r = get_ready(cell, executor, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    if (feed(cell, result) == 0)
        return 0;
    events->stream(events->context, true, text, sizeof(text) - 1);
    cell->ranks->is_stale = true;
    r = get_ready(cell, executor, result, err);
    if (r == 0 && result->kind == RESULT_OK && feed(cell, result) < 0)
        result_error(result, "ExecutorError", "the ranks cannot be brought up to date");
    return r;
}

/* ---- the cell ---- */

static void note_made(struct ranks_cell *cell, const struct plan *plan)
{
    cell->made = must_alloc((plan->n_definitions + 1) * sizeof(*cell->made));
    for (size_t i = 0; i < plan->n_definitions; i++)
        if (plan->definitions[i]->kind == DEFINITION_VARIABLE)
            cell->made[cell->n_made++] = must_strdup(plan->definitions[i]->name);
}

static void find_roots(const struct plan *plan, struct capture_roots *ret)
{
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(ret, plan->refs[i]);
    for (size_t i = 0; i < plan->n_definitions; i++)
        capture_roots_add(ret, plan->definitions[i]->id);
}

static bool is_refused_by_compiler(const struct rank_answers *answers)
{
    for (size_t i = 0; i < answers->n; i++)
        if (answers->at[i].outcome.kind == OUTCOME_COMPILE ||
            answers->at[i].outcome.kind == OUTCOME_LINK)
            return true;
    return false;
}

/* What the time limit has stopped says so. */
static void name_limit(const struct ranks_cell *cell, double limit_ms,
                       struct rank_answers *answers)
{
    for (size_t i = 0; cell->was_late && i < answers->n; i++) {
        struct outcome *outcome = &answers->at[i].outcome;
        if (!outcome->name || strcmp(outcome->name, "Interrupted"))
            continue;
        CLEANUP(freep) char *message = outcome->message;
        free(outcome->name);
        outcome->name = must_strdup("TimeLimit");
        outcome->message =
            must_format("the cell did not end within its --timeout of %g s%s%s",
                        limit_ms / 1000, message ? ": " : "", message ? message : "");
    }
}

static int run_plan(struct ranks_cell *cell, const struct buffer *request,
                    double limit_ms, struct result *result, struct error *err)
{
    struct rank_answers answers;
    cell->late_at = limit_ms > 0 ? clock_ms() + (int64_t)limit_ms + 1 : 0;
    bool has_answers = ask(cell, RANKS_ALL, WORKER_RUN, request, &answers, result);
    cell->late_at = 0;
    ranks_output_finish(&cell->output);
    if (!has_answers)
        return 0;
    session_feed_skip(cell->context->session, &cell->ranks->feed);
    if (is_refused_by_compiler(&answers)) /* some have loaded it, some not */
        cell->ranks->is_stale = true;
    name_limit(cell, limit_ms, &answers);
    ranks_report(cell, &answers, result);
    rank_answers_clear(&answers);
    return ranks_own(cell, (const char *const *)cell->made, cell->n_made, err);
}

/* Takes the plan. */
static int run_cell(struct ranks_cell *cell, struct plan *plan,
                    const struct ranks_options *options, struct result *result,
                    struct error *err)
{
    CLEANUP(capture_roots_clear) struct capture_roots roots = {0};
    CLEANUP(buffer_clear) struct buffer request = {0};
    bool has_text = plan->text != NULL;
    note_made(cell, plan);
    find_roots(plan, &roots);
    ranks_check_wanted(cell, options, result);
    if (result->kind != RESULT_OK) {
        plan_free(plan);
        return 0;
    }
    int r = session_define_for(cell->context->session, plan, cell->context->events,
                               &request, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = ranks_send_state(cell, roots.ids, roots.n, result, err);
    if (r < 0 || result->kind != RESULT_OK || !has_text)
        return r;
    return run_plan(cell, &request, options->timeout_ms, result, err);
}

static int bring_home(struct ranks_cell *cell, const struct ranks_options *options,
                      struct result *result, struct error *err)
{
    int r = 0;
    if (options->out)
        r = ranks_bring_out(cell, options->out, result, err);
    if (r == 0 && result->kind == RESULT_OK && options->gather)
        r = ranks_gather(cell, options->gather, result, err);
    return r;
}

int ranks_run(struct magic_context *context, struct named_executor *executor,
              const struct magic_arguments *arguments,
              const struct ranks_options *options, struct result *result,
              struct error *err)
{
    struct ranks_command command = {0};
    enum ranks_grouping grouping;
    struct plan *plan = NULL;
    if (!ranks_grouping_read(options->group, &grouping)) {
        result_error(result, "UsageError", "--group is order, rank or type, not '%s'",
                     options->group);
        return 0;
    }
    int r = mpi_command(executor->options, executor->n_options, &command, err);
    if (r < 0)
        return r;
    CLEANUP(cell_clear) struct ranks_cell cell;
    cell_init(&cell, context, grouping, command.n);
    ranks_command_clear(&command);
    if (!executor->ranks)
        executor->ranks = must_alloc(sizeof(*executor->ranks));
    cell.ranks = executor->ranks;
    r = get_fed(&cell, executor, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        r = session_plan(context->session, context->cell, arguments->body_line, PLAN_CELL,
                         arguments->body, &plan, result, err);
    if (r == 0 && result->kind == RESULT_OK && plan)
        r = run_cell(&cell, plan, options, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        r = bring_home(&cell, options, result, err);
    cell.ranks->moment = session_moment(context->session);
    cell.ranks->generation = session_generation(context->session);
    return r;
}
