/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a person asks of the session's past. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/session/state.h"

void session_undone_clear(struct session_undone *undone)
{
    free(undone->cells);
    free(undone->changed);
    *undone = (struct session_undone){0};
}

/* The level to go back to; SIZE_MAX, and the result says why, when there is none. */
static size_t choose_level(const struct past *past, size_t n, struct result *result)
{
    if (n > past->n) {
        result_error(result, "CannotUndo",
                     past->n ? "only the last %zu cells can be taken back"
                             : "there is nothing to take back",
                     past->n);
        return SIZE_MAX;
    }
    size_t i = past->n - n, deeper = i;
    const struct level *level = &past->at[i];
    if (level->has_checkpoint)
        return i;
    while (deeper > 0 && !past->at[deeper].has_checkpoint)
        deeper--;
    CLEANUP(freep)
    char *hint = past->at[deeper].has_checkpoint
                     ? must_format("; '%%undo %zu' goes back to before In[%u]",
                                   past->n - deeper, past->at[deeper].cell)
                     : must_strdup("");
    result_error(result, "CannotUndo",
                 "In[%u] had no checkpoint, because the session then %s%s", level->cell,
                 level->obstacle, hint);
    return SIZE_MAX;
}

int session_undo(struct session *session, size_t n, struct session_undone *ret,
                 struct result *result, struct error *err)
{
    struct past *past = &session->past;
    struct error why = {0};
    past_close(session);
    if (session->worker.process.pid <= 0) /* it could not be replaced by a checkpoint */
        past_forget(session);
    size_t i = choose_level(past, n, result);
    if (i == SIZE_MAX)
        return 0;
    CLEANUP(session_undone_clear)
    struct session_undone undone = {.cells = must_alloc(n * sizeof(*undone.cells)),
                                    .n = n};
    for (size_t k = 0; k < n; k++)
        undone.cells[k] = past->at[i + k].cell;
    int r = past_go_back(session, i, &undone.changed, &why);
    if (r == -ESRCH) {
        result_error(result, "CannotUndo", "the checkpoint of before In[%u] is gone",
                     undone.cells[0]);
        return 0;
    }
    if (r < 0)
        return error_set(err, r, "%s", why.text);
    *ret = undone;
    undone = (struct session_undone){0};
    return 0;
}

/* --- checkpoints as such --- */

void session_set_checkpoints(struct session *session, bool is_on, uint64_t budget)
{
    struct past *past = &session->past;
    if (budget)
        past->budget = budget;
    past->is_off = !is_on;
    if (!is_on)
        past_forget(session);
    else
        past_trim(session);
    if (!worker_client_has_checkpoint(&session->worker, past->moment, NULL))
        past_keep(session);
}

/* The share of a process in the memory that it has with others: kB behind "Pss_Anon:". */
static uint64_t share_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kilobytes = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Pss_Anon: %llu", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kilobytes << 10;
}

void session_checkpoints_clear(struct session_checkpoints *state)
{
    free(state->cells);
    free(state->obstacle);
    *state = (struct session_checkpoints){0};
}

void session_checkpoints(struct session *session, const struct session_events *events,
                         struct session_checkpoints *ret)
{
    const struct past *past = &session->past;
    const struct checkpoints *checkpoints = &session->worker.checkpoints;
    bool has_next = worker_client_has_checkpoint(&session->worker, past->moment, events);
    *ret = (struct session_checkpoints){
        .is_on = !past->is_off,
        .budget = past->budget,
        .bytes = checkpoints->bytes,
        .n = checkpoints->n,
        .cells = must_alloc((past->n + 1) * sizeof(*ret->cells)),
        .obstacle = has_next ? NULL : past_obstacle(session)};
    for (size_t i = 0; i < checkpoints->n; i++)
        ret->kept_bytes += share_of(checkpoints->at[i].process.pid);
    for (size_t i = 0; i < past->n; i++)
        if (past->at[i].has_checkpoint)
            ret->cells[ret->n_cells++] = past->at[i].cell;
}
