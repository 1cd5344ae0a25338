/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a session and the way of a cell through it: analyse, compile, run, define.
 */
#include "kernel/session/session.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "kernel/display/findings.h"
#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

int session_new(struct session **ret, struct error *err)
{
    CLEANUP(session_freep) struct session *session = must_alloc(sizeof(*session));
    session->graph = graph_new();
    types_init(&session->types);
    session->compact_at = SESSION_COMPACT_EVERY;
    past_init(&session->past);
    sources_init(&session->sources);
    transcript_init(&session->transcript);
    analyser_client_init(&session->analyser, session->graph, &session->types,
                         &session->interrupt);
    worker_client_init(&session->worker, &session->interrupt);
    tier_init(&session->tier);
    session->tier_context = (struct tier_context){.scope.graph = session->graph,
                                                  .worker = &session->worker.process};
    session->worker.tier = &session->tier;
    session->worker.tier_context = &session->tier_context;
    int r = interrupt_init(&session->interrupt);
    if (r < 0)
        return error_errno(err, r, "cannot make an eventfd");
    r = analyser_client_start(&session->analyser, err);
    if (r == 0)
        r = worker_client_start(&session->worker, err);
    if (r < 0)
        return r;
    analyser_client_watch(&session->analyser, session->worker.process.pid);
    past_keep(session);
    *ret = TAKE(session);
    return 0;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    tier_clear(&session->tier);
    worker_client_clear(&session->worker);
    analyser_client_clear(&session->analyser); /* the last: it ends what cells started */
    interrupt_clear(&session->interrupt);
    kept_clear(&session->kept);
    sources_clear(&session->sources);
    cells_clear(&session->cells);
    past_clear(&session->past);
    texts_clear(&session->transcript);
    for (size_t i = 0; i < session->n_libraries; i++)
        free(session->libraries[i]);
    for (size_t i = 0; i < session->n_flags; i++)
        free(session->flags[i]);
    for (size_t i = 0; i < session->n_arguments; i++)
        free(session->arguments[i]);
    free(session->arguments);
    free(session->libraries);
    free(session->flags);
    types_clear(&session->types);
    graph_free(session->graph);
    free(session);
}

const struct graph *session_graph(const struct session *session)
{
    return session->graph;
}

const struct types *session_types(const struct session *session)
{
    return &session->types;
}

static char *source_line(void *context, uint32_t cell, uint32_t line)
{
    struct session *session = context;
    return sources_line(&session->sources, cell, line);
}

char *session_source_line(const struct session *session, uint32_t cell, uint32_t line)
{
    return sources_line(&session->sources, cell, line);
}

static void take_report(struct report *report, struct result *result)
{
    result_clear(result);
    result->kind = RESULT_ERROR;
    result->name = TAKE(report->name);
    result->message = TAKE(report->message);
    result->traceback = TAKE(report->lines);
    result->n_traceback = report->n_lines;
    report->n_lines = report->lines_capacity = 0;
}

void session_add_source(struct session *session, uint32_t cell, const char *source)
{
    session->past.cell = cell;
    sources_add(&session->sources, cell, source);
}

static void report(struct session *session, const struct outcome *outcome, bool is_task,
                   struct result *result)
{
    CLEANUP(report_clear) struct report report = {0};
    struct report_context context = {
        .line = source_line, .context = session, .is_task = is_task};
    report_outcome(outcome, &context, &report);
    if (report.name)
        take_report(&report, result);
}

void session_report(struct session *session, const struct outcome *outcome,
                    struct result *result)
{
    report(session, outcome, false, result);
}

void session_report_task(struct session *session, const struct outcome *outcome,
                         struct result *result)
{
    report(session, outcome, true, result);
}

void session_report_findings(struct session *session, const char *checker,
                             const struct findings *findings, struct result *result)
{
    CLEANUP(report_clear) struct report report = {0};
    struct report_context context = {.line = source_line, .context = session};
    report_findings(checker, findings, &context, &report);
    if (report.name)
        take_report(&report, result);
}

/* A magic may have put the person's text between text of its own. */
static bool is_same_behind(const struct diagnostic *at, const char *line)
{
    size_t column = at->column ? at->column - 1 : 0;
    if (strlen(line) < column || strlen(at->line_text) < column)
        return false;
    const char *ours = at->line_text + column;
    line += column;
    return strncmp(line, ours,
                   at->end_column > at->column ? at->end_column - at->column : 1) == 0;
}

/* The analyser knows of earlier cells what became of them; their text is here, and so is
 * that of this cell's magics. */
static void show_typed_lines(const struct session *session, struct plan *plan)
{
    for (size_t i = 0; i < plan->n_diagnostics; i++) {
        struct diagnostic *at = &plan->diagnostics[i];
        CLEANUP(freep)
        char *line =
            at->line_text ? sources_line(&session->sources, at->cell, at->line) : NULL;
        if (!line || (at->cell == plan->cell && !is_same_behind(at, line)))
            continue;
        free(at->line_text);
        at->line_text = TAKE(line);
    }
}

static void report_plan(const struct plan *plan, const struct session_events *events,
                        struct result *result)
{
    CLEANUP(report_clear) struct report report = {0};
    if (!plan->n_diagnostics)
        return;
    report_diagnostics(plan->diagnostics, plan->n_diagnostics, &report);
    if (plan->has_errors || report.name) {
        take_report(&report, result);
        return;
    }
    CLEANUP(freep) char *text = report_text(&report, false);
    CLEANUP(freep) char *line = must_format("%s\n", text);
    if (events)
        events->stream(events->context, true, line, strlen(line));
}

/* As if the text stood in its cell: the lines above it are empty. */
static char *at_line(uint32_t line, const char *source)
{
    size_t above = line > 1 ? line - 1 : 0, size = strlen(source);
    char *text = must_alloc(above + size + 1);
    memset(text, '\n', above);
    memcpy(text + above, source, size);
    return text;
}

/* `text` starts at the cell's first line. *ret may be a plan that lacks lengths. */
static int ask_plan(struct session *session, uint32_t cell, uint32_t line, int plan_mode,
                    const char *text, bool is_run, struct plan **ret,
                    struct result *result, struct error *err)
{
    CLEANUP(freep) char *why = NULL;
    CLEANUP(buffer_clear) struct buffer question = {0};
    CLEANUP(plan_freep) struct plan *plan = NULL;
    struct frame answer;
    sources_add(&session->sources, cell, text);
    pack_u64(&question, cell);
    pack_u64(&question, (uint64_t)plan_mode);
    pack_u64(&question, is_run);
    pack_string(&question, text);
    *ret = NULL;
    session->has_object = false;
    session->analyser.is_alone = !session->worker.checkpoints.asked_id;
    int r = analyser_client_ask(&session->analyser, ANALYSER_PLAN, &question, &answer,
                                &why, err);
    if (r < 0)
        return r;
    if (r == 0) {
        bool was_interrupted = strstr(why, "interrupted") == why;
        result_error(result, was_interrupted ? "Interrupted" : "AnalyserError",
                     "%s; nothing was run, and the session is as it was", why);
        return 0;
    }
    struct unpack in = unpack_init(answer.data, answer.size);
    if (answer.kind == FRAME_BAD) {
        CLEANUP(freep) char *reason = unpack_string(&in);
        result_error(result, "AnalyserError", "%s", reason ? reason : "refused");
        return 0;
    }
    r = plan_unpack(&in, &plan, err);
    if (r < 0)
        return r;
    plan->line = line;
    session->has_object = is_run && plan_suits_tcc(plan);
    show_typed_lines(session, plan);
    *ret = TAKE(plan);
    return 0;
}

/* Says what the diagnostics say; a plan with mistakes is none. */
static void check_plan(struct plan **plan, const struct session_events *events,
                       struct result *result)
{
    if (!*plan)
        return;
    report_plan(*plan, events, result);
    if (result->kind != RESULT_OK)
        plan_free(TAKE(*plan));
}

int session_plan_or_lengths(struct session *session, uint32_t cell, const char *text,
                            struct plan **ret, struct result *result, struct error *err)
{
    int r = ask_plan(session, cell, 1, PLAN_CELL, text, false, ret, result, err);
    if (r == 0 && *ret && !(*ret)->n_lengths)
        check_plan(ret, NULL, result);
    return r;
}

int session_plan(struct session *session, uint32_t cell, uint32_t line, int plan_mode,
                 const char *source, struct plan **ret, struct result *result,
                 struct error *err)
{
    CLEANUP(freep) char *text = at_line(line, source);
    int r = ask_plan(session, cell, line, plan_mode, text, false, ret, result, err);
    if (r == 0)
        check_plan(ret, NULL, result);
    return r;
}

/* A plan that calls main() is told what with. */
static void add_arguments(const struct session *session, struct plan *plan)
{
    if (!plan->main_symbol)
        return;
    free(plan->arguments);
    plan->arguments = must_alloc((session->n_arguments + 1) * sizeof(*plan->arguments));
    plan->n_arguments = session->n_arguments;
    for (size_t i = 0; i < session->n_arguments; i++)
        plan->arguments[i] = must_strdup(session->arguments[i]);
}

int session_run(struct session *session, uint32_t cell, uint32_t line, const char *source,
                const struct session_events *events, struct result *result,
                struct error *err)
{
    struct plan *plan = NULL;
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack rest;
    CLEANUP(freep) char *text = at_line(line, source);
    int r = ask_plan(session, cell, line, PLAN_CELL, text, true, &plan, result, err);
    if (r == 0 && plan && plan->n_lengths) {
        r = lengths_run(session, cell, text, plan, events, result, err);
        plan_free(plan);
        return r;
    }
    check_plan(&plan, events, result);
    if (r < 0 || !plan)
        return r;
    transcript_add(&session->transcript, plan);
    add_arguments(session, plan);
    r = session_send_plan(session, WORKER_RUN, 0, plan, events, &outcome, &rest, result,
                          err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    session_report(session, &outcome, result);
    if (result->kind == RESULT_OK) {
        result->value_text = TAKE(outcome.value_text);
        bundle_move(&result->value_more, &outcome.value_more);
    }
    return 0;
}

/* Nothing that the session would have more of. */
static bool defines_nothing(const struct plan *plan)
{
    struct unpack types = unpack_init(plan->types, plan->types_size);
    unpack_u64(&types);
    return !plan->n_definitions && !plan->n_bindings && !plan->n_layouts &&
           unpack_u64(&types) == 0;
}

int session_define(struct session *session, struct plan *plan,
                   const struct session_events *events, struct result *result,
                   struct error *err)
{
    if (!defines_nothing(plan))
        return session_define_for(session, plan, events, NULL, result, err);
    transcript_add(&session->transcript, plan);
    plan_free(plan);
    return 0;
}

int session_define_for(struct session *session, struct plan *plan,
                       const struct session_events *events, struct buffer *ret_request,
                       struct result *result, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    transcript_add(&session->transcript, plan);
    add_arguments(session, plan);
    int r = session_load_plan(session, plan, events, &outcome, ret_request, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        session_report(session, &outcome, result);
    return r;
}

bool session_statements(const struct session *session, uint32_t cell, uint32_t line,
                        struct session_statements *ret)
{
    const struct cell_text *part = texts_find(&session->transcript, cell, line);
    if (part)
        *ret = (struct session_statements){part->text, part->refs, part->n_refs};
    return part != NULL;
}

int session_link(struct session *session, const char *file,
                 const struct session_events *events, struct result *result,
                 struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    for (size_t i = 0; i < session->n_libraries; i++)
        if (!strcmp(session->libraries[i], file))
            return 0;
    pack_string(&question, file);
    int r = session_ask(session, WORKER_LINK, &question, events, &outcome, &rest, err);
    if (r < 0)
        return r;
    session_report(session, &outcome, result);
    if (result->kind != RESULT_OK)
        return 0;
    past_change(session);
    GROW(session->libraries, session->n_libraries, session->libraries_capacity);
    session->libraries[session->n_libraries++] = must_strdup(file);
    return 0;
}

static bool has_flag(const struct session *session, const char *flag)
{
    for (size_t i = 0; i < session->n_flags; i++)
        if (!strcmp(session->flags[i], flag))
            return true;
    return false;
}

void session_pack_flags(struct session *session)
{
    struct buffer *packed = &session->analyser.flags;
    buffer_clear(packed);
    pack_u64(packed, session->n_flags);
    session->tier_context.flags = session->flags;
    session->tier_context.n_flags = session->n_flags;
    for (size_t i = 0; i < session->n_flags; i++)
        pack_string(packed, session->flags[i]);
}

int session_add_flags(struct session *session, const char *const *flags, size_t n,
                      struct error *err)
{
    size_t n_new = 0;
    for (size_t i = 0; i < n; i++)
        n_new += !has_flag(session, flags[i]);
    if (!n_new)
        return 0;
    if (session->n_flags + n_new > SESSION_FLAGS_MAX)
        return error_set(err, -E2BIG, "a session has at most %d compiler flags",
                         SESSION_FLAGS_MAX);
    past_open(session, NULL);
    past_change(session);
    for (size_t i = 0; i < n; i++) {
        if (has_flag(session, flags[i]))
            continue;
        GROW(session->flags, session->n_flags, session->flags_capacity);
        session->flags[session->n_flags++] = must_strdup(flags[i]);
    }
    session_pack_flags(session);
    analyser_client_tell(&session->analyser, ANALYSER_FLAGS, &session->analyser.flags);
    return 0;
}

void session_set_options(struct session *session, const char *options, const char *macros)
{
    CLEANUP(buffer_clear) struct buffer packed = {0};
    pack_string(&packed, options);
    pack_string(&packed, macros);
    session_restore_options(session, &packed);
}

void session_save_options(const struct session *session, struct buffer *ret)
{
    const struct buffer *packed = &session->analyser.options;
    ret->size = 0;
    if (packed->size) {
        buffer_add(ret, packed->data, packed->size);
        return;
    }
    pack_string(ret, "");
    pack_string(ret, NULL);
}

void session_restore_options(struct session *session, const struct buffer *saved)
{
    struct buffer *packed = &session->analyser.options;
    buffer_clear(packed);
    buffer_add(packed, saved->data, saved->size);
    analyser_client_tell(&session->analyser, ANALYSER_OPTIONS, packed);
}

void session_set_arguments(struct session *session, const char *const *words, size_t n)
{
    for (size_t i = 0; i < session->n_arguments; i++)
        free(session->arguments[i]);
    free(session->arguments);
    session->arguments = must_alloc((n + 1) * sizeof(*session->arguments));
    session->n_arguments = n;
    for (size_t i = 0; i < n; i++)
        session->arguments[i] = must_strdup(words[i]);
}

const char *const *session_arguments(const struct session *session, size_t *n)
{
    *n = session->n_arguments;
    return (const char *const *)session->arguments;
}

const char *const *session_flags(const struct session *session, size_t *n)
{
    *n = session->n_flags;
    return (const char *const *)session->flags;
}

const char *const *session_libraries(const struct session *session, size_t *n)
{
    *n = session->n_libraries;
    return (const char *const *)session->libraries;
}

void session_interrupt(struct session *session)
{
    interrupt_raise(&session->interrupt);
}

bool session_was_interrupted(struct session *session)
{
    return interrupt_take(&session->interrupt);
}

int session_interrupt_fd(const struct session *session)
{
    return session->interrupt.fd;
}

char *session_folder(const struct session *session)
{
    char folder[PATH_MAX];
    if (!worker_client_is_alive(&session->worker))
        return NULL;
    CLEANUP(freep)
    char *link = must_format("/proc/%d/cwd", (int)session->worker.process.pid);
    ssize_t size = readlink(link, folder, sizeof(folder));
    return size <= 0 || size == sizeof(folder) ? NULL
                                               : must_strndup(folder, (size_t)size);
}

void session_set_aside(struct session *session, const struct session_aside *aside)
{
    session->worker.aside = *aside;
}

size_t session_watch(const struct session *session, struct pollfd *fds)
{
    return worker_client_watch(&session->worker, fds);
}

void session_listen(struct session *session, const struct pollfd *fds)
{
    worker_client_listen(&session->worker, fds);
}

void session_begin(struct session *session, bool is_interrupted)
{
    interrupt_take(&session->interrupt);
    if (is_interrupted)
        interrupt_raise(&session->interrupt);
}

void session_finish(struct session *session)
{
    past_close(session);
}

struct session_limits session_limits(const struct session *session)
{
    return session->worker.limits;
}

void session_set_limits(struct session *session, struct session_limits limits)
{
    session->worker.limits = limits;
}

void session_rest(struct session *session)
{
    session_compact(session);
    sources_prune(&session->sources, session->graph);
    past_keep(session);
}

uint32_t session_generation(const struct session *session)
{
    return session->worker.process.generation;
}
