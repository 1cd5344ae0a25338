/* SPDX-License-Identifier: BSD-3-Clause
 *
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/handlers/handler.h"
#include "kernel/handlers/mime.h"
#include "kernel/handlers/output.h"

#define ABORT_WAIT_MS                                                                    \
    5 /* after an error, for requests that were sent with the failed one */
struct execution {
    struct kernel *kernel;
    const struct request *request;
    const char *code;
    json_t *user_expressions; /* borrowed; object or NULL */
    bool is_silent, is_stored, stops_on_error, allows_input;
    uint32_t cell;
    struct cell_origin origin;
    char *started; /* date */
};

static void result_clearp(struct result *result)
{
    result_clear(result);
}

static bool read_request(struct execution *execution)
{
    struct kernel *kernel = execution->kernel;
    const struct request *request = execution->request;
    if (!get_text(kernel, request, "code", NULL, &execution->code) ||
        !get_bool(kernel, request, "silent", false, &execution->is_silent) ||
        !get_bool(kernel, request, "store_history", !execution->is_silent,
                  &execution->is_stored) ||
        !get_bool(kernel, request, "stop_on_error", true, &execution->stops_on_error) ||
        !get_bool(kernel, request, "allow_stdin", true, &execution->allows_input))
        return false;
    if (execution->is_silent)
        execution->is_stored = false;
    json_t *expressions = json_object_get(request->content, "user_expressions");
    if (expressions && !json_is_null(expressions) && !json_is_object(expressions)) {
        reply_error(kernel, request, "MalformedRequest",
                    "'user_expressions' is not an object");
        return false;
    }
    execution->user_expressions = json_is_object(expressions) ? expressions : NULL;
    return true;
}

/* JupyterLab and others say which cell of the notebook it is, and which are gone. What is
 * not as they send it is left out: no front end has to. */
static void read_origin(struct execution *execution)
{
    json_t *metadata = execution->request->metadata, *id;
    json_t *deleted = json_object_get(metadata, "deletedCells");
    struct cell_origin *origin = &execution->origin;
    size_t i;
    origin->id = json_string_value(json_object_get(metadata, "cellId"));
    if (execution->is_silent || !execution->is_stored)
        origin->id = NULL;
    const char **ids = must_alloc((json_array_size(deleted) + 1) * sizeof(*ids));
    json_array_foreach(deleted, i, id)
    {
        if (json_is_string(id))
            ids[origin->n_deleted++] = json_string_value(id);
    }
    origin->deleted = ids;
}

static json_t *error_content(const struct result *result)
{
    json_t *traceback = json_array();
    for (size_t i = 0; i < result->n_traceback; i++)
        json_array_append_new(traceback, message_text(result->traceback[i]));
    return json_pack("{s:o, s:o, s:o}", "ename", message_text(result->name), "evalue",
                     message_text(result->message), "traceback", traceback);
}

/* Runs C or a whole cell; what the world made fail becomes an error of the cell. */
static void run_cell(struct execution *execution, struct result *result)
{
    struct kernel *kernel = execution->kernel;
    struct error err = {0};
    struct output *output = output_new(kernel, execution->request, execution->cell);
    output->is_silent = execution->is_silent;
    output->allows_input = execution->allows_input;
    output_unref(kernel->output);
    kernel->output = output;
    struct session_events events = output_events(output);
    session_begin_cell(kernel->session, execution->cell, &execution->origin);
    int r = magics_run_cell(kernel->magics, execution->cell, execution->code, &events,
                            result, &err);
    (void)session_was_interrupted(kernel->session); /* too late for what has ended */
    if (r >= 0)
        r = session_end_cell(kernel->session, execution->cell, result->kind == RESULT_OK,
                             &events, &err);
    if (r < 0) {
        result_clear(result);
        result_error(result, "KernelError", "%s", err.text);
    }
    output_end(output);
}

static json_t *value_data(const struct result *result)
{
    json_t *data = mime_data(&result->value_more, NULL);
    if (result->value_text)
        json_object_set_new(data, "text/plain", message_text(result->value_text));
    return data;
}

static json_t *evaluate(struct execution *execution, const char *expression)
{
    struct kernel *kernel = execution->kernel;
    CLEANUP(result_clearp) struct result result = {0};
    struct error err = {0};
    uint32_t cell = CELL_UNCOUNTED + ++kernel->n_uncounted;
    CLEANUP(output_unrefp)
    struct output *output = output_new(kernel, execution->request, cell);
    output->is_silent = execution->is_silent;
    struct session_events events = output_events(output);
    if (session_run(kernel->session, cell, 1, expression, &events, &result, &err) < 0) {
        result_clear(&result);
        result_error(&result, "KernelError", "%s", err.text);
    }
    output_end(output);
    if (result.kind == RESULT_ERROR) {
        json_t *content = error_content(&result);
        json_object_set_new(content, "status", json_string("error"));
        return content;
    }
    return json_pack("{s:s, s:o, s:o}", "status", "ok", "data", value_data(&result),
                     "metadata", mime_metadata(&result.value_more, NULL));
}

static json_t *evaluate_all(struct execution *execution)
{
    json_t *values = json_object(), *expression;
    const char *name;
    json_object_foreach(execution->user_expressions, name, expression)
    {
        const char *text = json_string_value(expression);
        json_object_set_new(values, name,
                            text ? evaluate(execution, text)
                                 : json_pack("{s:s, s:s, s:s, s:[]}", "status", "error",
                                             "ename", "MalformedRequest", "evalue",
                                             "the expression is not a string",
                                             "traceback"));
    }
    return values;
}

/* What was sent along with a cell that fails shall not run after it: gives it a moment to
 * arrive, then marks it. Comes before anything is said about the error, so that what a
 * client sends in answer to it is not meant. */
static void abort_queue(struct execution *execution)
{
    struct timespec moment = {.tv_nsec = ABORT_WAIT_MS * 1000000L};
    if (execution->is_silent || !execution->stops_on_error)
        return;
    while (nanosleep(&moment, &moment) < 0 && errno == EINTR)
        ;
    server_drain(execution->kernel->server);
    queue_abort(execution->kernel->queue);
}

static json_t *finish_error(struct execution *execution, const struct result *result)
{
    json_t *content = error_content(result);
    abort_queue(execution);
    if (!execution->is_silent)
        publish(execution->kernel, execution->request, "error", json_copy(content));
    json_object_set_new(content, "status", json_string("error"));
    json_object_set_new(content, "payload", json_array());
    json_object_set_new(content, "user_expressions", json_object());
    return content;
}

static json_t *finish_ok(struct execution *execution, const struct result *result)
{
    struct kernel *kernel = execution->kernel;
    json_t *payload = json_array();
    if (result->value_text && !execution->is_silent)
        publish(kernel, execution->request, "execute_result",
                json_pack("{s:i, s:o, s:o}", "execution_count",
                          (int)kernel->execution_count, "data", value_data(result),
                          "metadata", mime_metadata(&result->value_more, NULL)));
    if (result->page)
        json_array_append_new(payload, json_pack("{s:s, s:i, s:{s:o}}", "source", "page",
                                                 "start", 0, "data", "text/plain",
                                                 message_text(result->page)));
    json_t *values = evaluate_all(execution);
    return json_pack("{s:s, s:o, s:o}", "status", "ok", "payload", payload,
                     "user_expressions", values);
}

static void remember(struct execution *execution, const struct result *result)
{
    struct kernel *kernel = execution->kernel;
    if (!execution->is_stored || !kernel->history)
        return;
    kernel->unstored = (struct unstored){
        .cell = execution->cell,
        .code = must_strdup(execution->code),
        .value = result->value_text ? must_strdup(result->value_text) : NULL};
}

void execute_store(struct kernel *kernel)
{
    struct unstored cell = kernel->unstored;
    struct error err = {0};
    if (!cell.cell)
        return;
    kernel->unstored = (struct unstored){0};
    int r = history_add(kernel->history, cell.cell, cell.code, cell.value, &err);
    free(cell.code);
    free(cell.value);
    if (r == 0 || kernel->has_complained)
        return;
    kernel->has_complained = true;
    fprintf(stderr, "achar kernel: %s\n", err.text);
}

static void send_reply(struct execution *execution, json_t *content)
{
    struct kernel *kernel = execution->kernel;
    struct sender *sender = server_sender(kernel->server);
    json_object_set_new(content, "execution_count",
                        json_integer(kernel->execution_count));
    json_t *metadata =
        json_pack("{s:s, s:O, s:b}", "started", execution->started, "status",
                  json_object_get(content, "status"), "dependencies_met", 1);
    server_post(kernel->server,
                message_new(sender, execution->request, execution->request->channel,
                            "execute_reply", metadata, content));
}

static void start_cell(struct execution *execution)
{
    struct kernel *kernel = execution->kernel;
    if (execution->is_stored)
        execution->cell = ++kernel->execution_count;
    else
        execution->cell = CELL_UNCOUNTED + ++kernel->n_uncounted;
    if (!execution->is_silent)
        publish(kernel, execution->request, "execute_input",
                json_pack("{s:s, s:i}", "code", execution->code, "execution_count",
                          (int)kernel->execution_count));
    server_settle(kernel->server);
}

static void run_execute(struct kernel *kernel, const struct request *request)
{
    CLEANUP(result_clearp) struct result result = {0};
    CLEANUP(freep) char *started = message_date();
    struct execution execution = {
        .kernel = kernel, .request = request, .started = started};
    if (!read_request(&execution))
        return;
    read_origin(&execution);
    start_cell(&execution);
    run_cell(&execution, &result);
    free((void *)execution.origin.deleted);
    json_t *content = result.kind == RESULT_OK ? finish_ok(&execution, &result)
                                               : finish_error(&execution, &result);
    session_finish(kernel->session);
    send_reply(&execution, content);
    remember(&execution, &result);
}

const struct handler handle_execute = {
    .type = "execute_request",
    .channels = ON_SHELL,
    .needs_session = true,
    .run = run_execute,
};
