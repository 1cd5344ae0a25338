/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/past.h"

#include <errno.h>
#include <string.h>

#include "kernel/session/state.h"

#define BUDGET_DEFAULT ((uint64_t)200 << 20)
#define SAID_MAX 32

void past_init(struct past *past)
{
    *past = (struct past){.moment = 1, .budget = BUDGET_DEFAULT};
}

static void drop_last(struct past *past)
{
    free(past->at[--past->n].obstacle);
}

void past_clear(struct past *past)
{
    while (past->n)
        drop_last(past);
    for (size_t i = 0; i < past->n_said; i++)
        free(past->said[i]);
    free(past->said);
    free(past->at);
    *past = (struct past){0};
}

/* As many as could stay in the budget if every page of each were its own. */
static size_t levels_max(const struct session *session)
{
    uint64_t bytes = session->worker.checkpoints.bytes;
    uint64_t n = bytes ? session->past.budget / bytes : PAST_LEVELS_MAX;
    return n < 1 ? 1 : n > PAST_LEVELS_MAX ? PAST_LEVELS_MAX : (size_t)n;
}

void past_trim(struct session *session)
{
    struct past *past = &session->past;
    size_t max = levels_max(session), n = past->n > max ? past->n - max : 0;
    if (!n)
        return;
    for (size_t i = 0; i < n; i++)
        free(past->at[i].obstacle);
    past->n -= n;
    memmove(past->at, past->at + n, past->n * sizeof(*past->at));
    graph_forget_marks(session->graph, past->at[0].mark);
    checkpoints_drop_before(&session->worker.checkpoints, past->at[0].moment);
}

static bool was_said(struct past *past, const char *obstacle)
{
    for (size_t i = 0; i < past->n_said; i++)
        if (!strcmp(past->said[i], obstacle))
            return true;
    if (past->n_said == SAID_MAX)
        return true;
    GROW(past->said, past->n_said, past->said_capacity);
    past->said[past->n_said++] = must_strdup(obstacle);
    return false;
}

static void say_obstacle(struct past *past, const struct level *level,
                         const struct session_events *events)
{
    if (past->is_off || !events || was_said(past, level->obstacle))
        return;
    CLEANUP(freep)
    char *text = must_format("note: no checkpoint before this cell, because the session "
                             "%s; a fault may leave what the cell did until then\n",
                             level->obstacle);
    events->stream(events->context, true, text, strlen(text));
}

char *past_obstacle(const struct session *session)
{
    const char *obstacle = session->worker.checkpoints.obstacle;
    return must_strdup(session->past.is_off ? "has them switched off (%checkpoint on)"
                       : obstacle           ? obstacle
                                            : "had no time to make one");
}

void past_open(struct session *session, const struct session_events *events)
{
    struct past *past = &session->past;
    if (past->is_open)
        return;
    GROW(past->at, past->n, past->capacity);
    struct level *level = &past->at[past->n++];
    *level = (struct level){.cell = past->cell,
                            .moment = past->moment,
                            .has_checkpoint = worker_client_has_checkpoint(
                                &session->worker, past->moment, events),
                            .mark = graph_mark(session->graph),
                            .n_types = session->types.n,
                            .n_flags = session->n_flags,
                            .n_libraries = session->n_libraries};
    past->is_open = true;
    session->worker.is_replaceable = level->has_checkpoint;
    if (!level->has_checkpoint) {
        level->obstacle = past_obstacle(session);
        say_obstacle(past, level, events);
    }
}

void past_change(struct session *session)
{
    past_learn(session);
    if (session->past.is_open)
        session->past.at[session->past.n - 1].has_acted = true;
}

void past_learn(struct session *session)
{
    struct past *past = &session->past;
    if (!past->is_open || past->at[past->n - 1].is_changed)
        return;
    past->at[past->n - 1].is_changed = true;
    past->moment++;
}

void past_close(struct session *session)
{
    struct past *past = &session->past;
    struct level *level = past->is_open ? &past->at[past->n - 1] : NULL;
    if (level && level->is_changed && !level->has_acted)
        checkpoints_drop(&session->worker.checkpoints, level->moment);
    if (level && !level->has_acted)
        drop_last(past);
    past->is_open = false;
}

void past_keep(struct session *session)
{
    struct past *past = &session->past;
    struct worker_client *worker = &session->worker;
    past_trim(session);
    checkpoints_reap(&worker->checkpoints);
    if (!checkpoints_has(&worker->checkpoints, past->moment))
        worker_client_ask_checkpoint(worker, past->moment,
                                     past->is_off ? 0 : past->budget);
}

void past_forget(struct session *session)
{
    struct past *past = &session->past;
    while (past->n)
        drop_last(past);
    past->is_open = false;
    checkpoints_drop_before(&session->worker.checkpoints, ++past->moment);
}

static void forget_since(struct session *session, const struct level *level)
{
    while (session->n_libraries > level->n_libraries)
        free(session->libraries[--session->n_libraries]);
    bool has_flags = session->n_flags > level->n_flags;
    while (session->n_flags > level->n_flags)
        free(session->flags[--session->n_flags]);
    struct graph_mark now = graph_mark(session->graph);
    bool has_definitions = now.next_id != level->mark.next_id ||
                           now.n_changes != level->mark.n_changes ||
                           session->types.n != level->n_types;
    if (has_flags)
        session_pack_flags(session);
    if (has_definitions) {
        graph_rewind(session->graph, level->mark);
        types_truncate(&session->types, level->n_types);
        kept_drop_after(&session->kept, level->moment);
    }
    if (has_flags || has_definitions)
        analyser_client_restart(&session->analyser);
}

int past_go_back(struct session *session, size_t i, char **ret_changed, struct error *err)
{
    struct past *past = &session->past;
    const struct level *level = &past->at[i];
    int r = worker_client_take_over(&session->worker, level->moment, ret_changed, err);
    if (r < 0)
        return r;
    forget_since(session, level);
    tier_sync(&session->tier, session->graph);
    past->moment = level->moment;
    past->is_open = false;
    while (past->n > i) {
        transcript_forget_cell(&session->transcript, past->at[past->n - 1].cell);
        drop_last(past);
    }
    past_keep(session);
    return 0;
}

static void note(struct outcome *outcome, const char *changed)
{
    free(outcome->note);
    outcome->note = must_format("The session is as it was before this cell%s%s.",
                                changed ? ", but for what was written to " : "",
                                changed ? changed : "");
}

bool past_roll_back(struct session *session, struct outcome *outcome)
{
    struct past *past = &session->past;
    CLEANUP(freep) char *changed = NULL;
    struct error err = {0};
    if (past->is_open && past->at[past->n - 1].has_checkpoint &&
        past_go_back(session, past->n - 1, &changed, &err) == 0) {
        note(outcome, changed);
        return true;
    }
    worker_client_stop(&session->worker);
    return false;
}

bool past_revive(struct session *session, const struct session_events *events)
{
    static const char text[] = "note: the session's process was ended from outside; its "
                               "checkpoint goes on, with everything as it was\n";
    CLEANUP(freep) char *changed = NULL;
    struct error err = {0};
    if (worker_client_take_over(&session->worker, session->past.moment, &changed, &err) <
        0)
        return false;
    if (events)
        events->stream(events->context, true, text, strlen(text));
    past_keep(session);
    return true;
}
