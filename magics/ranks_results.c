/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a cell on ranks has brought: an error that says whose it is, or values. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/arguments.h"
#include "magics/dispatch.h"
#include "magics/ranks.h"
#include "magics/target.h"

#define OTHERS_SHOWN 8 /* ranks that failed by themselves, beside the first */

static bool is_failure(const struct outcome *outcome)
{
    return outcome->kind != OUTCOME_OK &&
           !(outcome->kind == OUTCOME_EXIT && !outcome->status);
}

/* Ended because another rank had failed, or with all. */
static bool is_follower(const struct outcome *outcome)
{
    return !outcome->name || !strcmp(outcome->name, "RankEnded") ||
           !strcmp(outcome->name, "Interrupted") || !strcmp(outcome->name, "TimeLimit");
}

static const char *say_exit(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_EXIT || outcome->kind == OUTCOME_DIED
               ? "it ended itself"
               : "it failed";
}

/* The error is the first rank's, its message names it. */
static void name_rank(struct outcome *outcome, size_t rank)
{
    CLEANUP(freep) char *message = outcome->message;
    if (outcome->kind == OUTCOME_EXIT && !message)
        outcome->message = must_format("rank %zu: exit status %d", rank, outcome->status);
    else
        outcome->message =
            must_format("rank %zu: %s", rank, message ? message : say_exit(outcome));
}

static void add_line(struct result *result, const char *text)
{
    result->traceback = must_realloc(result->traceback, result->n_traceback + 1,
                                     sizeof(*result->traceback));
    result->traceback[result->n_traceback++] = must_strdup(text);
}

/* " in In[3]:2", or nothing; owned. */
static char *describe_place(const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_frames; i++)
        if (outcome->frames[i].cell)
            return must_format(" in In[%u]:%u", outcome->frames[i].cell,
                               outcome->frames[i].line);
    return must_strdup("");
}

static void add_others(const struct rank_answers *answers, struct result *result)
{
    size_t n = 0;
    for (size_t i = 0; i < answers->n; i++) {
        const struct outcome *outcome = &answers->at[i].outcome;
        if (i == answers->first || !is_failure(outcome) ||
            (is_follower(outcome) && !outcome->n_frames)) /* nobody knows where */
            continue;
        if (n++ == OTHERS_SHOWN) {
            add_line(result, "... and other ranks");
            return;
        }
        CLEANUP(freep) char *place = describe_place(outcome);
        CLEANUP(freep)
        char *line =
            must_format("rank %zu: %s: %s%s", answers->at[i].rank, outcome->name,
                        outcome->message ? outcome->message : say_exit(outcome), place);
        add_line(result, line);
    }
}

static bool has_ended(const struct rank_answers *answers)
{
    for (size_t i = 0; i < answers->n; i++)
        if (answers->at[i].outcome.kind == OUTCOME_DIED)
            return true;
    return false;
}

void ranks_report(struct ranks_cell *cell, struct rank_answers *answers,
                  struct result *result)
{
    if (answers->first == SIZE_MAX) {
        struct outcome *first = &answers->at[0].outcome;
        result->value_text = TAKE(first->value_text);
        bundle_move(&result->value_more, &first->value_more);
        return;
    }
    struct outcome *outcome = &answers->at[answers->first].outcome;
    free(outcome->note);
    outcome->note = must_strdup(
        has_ended(answers)
            ? "All ranks are started again: their variables have their initial values."
            : "The ranks go on: their variables keep what the cell did until then.");
    name_rank(outcome, answers->at[answers->first].rank);
    /* A worker's end is no news where all ranks are started again. */
    outcome->kind = outcome->kind == OUTCOME_DIED ? OUTCOME_FAULT : outcome->kind;
    dispatch_report(cell->context, outcome, result);
    add_others(answers, result);
}

/* ---- values ---- */

static const struct definition *find_variable(struct ranks_cell *cell, const char *name,
                                              struct result *result)
{
    const struct definition *at =
        graph_current(session_graph(cell->context->session), name);
    if (at && at->kind == DEFINITION_VARIABLE)
        return at;
    result_error(result, "NameError", "there is no variable '%s' to bring home", name);
    return NULL;
}

static void check_variable(struct ranks_cell *cell, const char *name,
                           struct result *result)
{
    for (size_t i = 0; i < cell->n_made; i++)
        if (!strcmp(cell->made[i], name))
            return;
    (void)find_variable(cell, name, result);
}

void ranks_check_wanted(struct ranks_cell *cell, const struct ranks_options *options,
                        struct result *result)
{
    CLEANUP(freep) char *blanks = must_strdup(options->out ? options->out : "");
    char **names = NULL;
    size_t n = 0;
    for (char *at = blanks; *at; at++)
        *at = *at == ',' ? ' ' : *at;
    words_split(blanks, &names, &n);
    for (size_t i = 0; i < n; i++) {
        if (result->kind == RESULT_OK)
            check_variable(cell, names[i], result);
    }
    words_free(names, n);
    const char *equals = options->gather ? strchr(options->gather, '=') : NULL;
    if (options->gather && result->kind == RESULT_OK)
        check_variable(cell, equals ? equals + 1 : options->gather, result);
}

static void pack_names(const char *const *names, size_t n, struct buffer *out)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        pack_string(out, names[i]);
}

int ranks_bring_out(struct ranks_cell *cell, const char *text, struct result *result,
                    struct error *err)
{
    CLEANUP(freep) char *blanks = must_strdup(text);
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct rank_answers answers;
    char **names = NULL;
    size_t n = 0, size;
    int r = 0;
    for (char *at = blanks; *at; at++)
        *at = *at == ',' ? ' ' : *at;
    words_split(blanks, &names, &n);
    for (size_t i = 0; i < n && result->kind == RESULT_OK; i++)
        (void)find_variable(cell, names[i], result);
    pack_names((const char *const *)names, n, &body);
    if (result->kind == RESULT_OK &&
        ranks_ask(cell, 0, WORKER_DUMP, &body, &answers, result)) {
        struct unpack in = unpack_init(answers.at[0].rest.data, answers.at[0].rest.size);
        const void *values = unpack_bytes(&in, &size);
        r = in.failed ? error_set(err, -EBADMSG, "values of a rank cannot be read")
                      : session_load(cell->context->session, values, size, result, err);
        rank_answers_clear(&answers);
        if (r == 0 && result->kind == RESULT_OK)
            r = ranks_own(cell, (const char *const *)names, n, err);
    }
    words_free(names, n);
    return r;
}

static int load_all(struct ranks_cell *cell, const struct rank_answers *answers,
                    const struct session_place *place, struct result *result,
                    struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && result->kind == RESULT_OK && i < answers->n; i++) {
        struct unpack in =
            unpack_init(answers->at[i].rest.data, answers->at[i].rest.size);
        struct session_part part = {.from = i, .count = 1};
        part.values = unpack_bytes(&in, &part.size);
        if (in.failed)
            return error_set(err, -EBADMSG, "values of a rank cannot be read");
        r = session_load_at(cell->context->session, place, &part, 1, result, err);
    }
    return r;
}

/* "ARRAY=NAME", or "NAME" for "NAME_ranks=NAME". */
static void read_gather(const char *text, char **ret_array, char **ret_name)
{
    const char *equals = strchr(text, '=');
    *ret_name = must_strdup(equals ? equals + 1 : text);
    *ret_array = equals ? must_strndup(text, (size_t)(equals - text))
                        : must_format("%s_ranks", text);
}

static bool check_array(struct ranks_cell *cell, const struct session_place *place,
                        const char *array, const struct definition *variable, size_t n,
                        struct result *result)
{
    const struct types *types = session_types(cell->context->session);
    if (!types_equal(types, place->type, types, variable->type, NULL))
        result_error(result, "TypeError",
                     "'%s' is an array of '%s' and cannot take '%s' of every rank: '%s'",
                     array, types_get(types, place->type)->spelling, variable->name,
                     types_get(types, variable->type)->spelling);
    else if (place->count && place->count < n)
        result_error(result, "RangeError",
                     "'%s' has %llu elements, and there are %zu ranks", array,
                     (unsigned long long)place->count, n);
    return result->kind == RESULT_OK;
}

int ranks_gather(struct ranks_cell *cell, const char *text, struct result *result,
                 struct error *err)
{
    CLEANUP(freep) char *array = NULL;
    CLEANUP(freep) char *name = NULL;
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct session_place place;
    struct rank_answers answers;
    int r = 0;
    read_gather(text, &array, &name);
    const struct definition *variable = find_variable(cell, name, result);
    size_t n = ranks_client_n(cell->ranks->client);
    if (!variable ||
        !target_place(cell->context, array, variable->type, n, &place, result, &r, err))
        return r;
    variable = find_variable(cell, name, result);
    if (!variable || !check_array(cell, &place, array, variable, n, result))
        return 0;
    pack_names((const char *const *)&name, 1, &body);
    if (!ranks_ask(cell, RANKS_ALL, WORKER_DUMP, &body, &answers, result))
        return 0;
    r = load_all(cell, &answers, &place, result, err);
    rank_answers_clear(&answers);
    return r;
}
