/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/handler.h"

#include <stdarg.h>
#include <string.h>

static const struct handler *const handlers[] = {
    &handle_comm_close, &handle_comm_info,   &handle_comm_msg,    &handle_comm_open,
    &handle_complete,   &handle_execute,     &handle_history,     &handle_inspect,
    &handle_interrupt,  &handle_is_complete, &handle_kernel_info, &handle_shutdown,
};
#define N_HANDLERS (sizeof(handlers) / sizeof(*handlers))

static const struct handler *find_handler(const char *type)
{
    for (size_t i = 0; i < N_HANDLERS; i++)
        if (strcmp(handlers[i]->type, type) == 0)
            return handlers[i];
    return NULL;
}

static void publish_state(struct kernel *kernel, const struct request *request,
                          const char *state)
{
    publish(kernel, request, "status", json_pack("{s:s}", "execution_state", state));
}

static void run_handler(struct kernel *kernel, const struct request *request)
{
    const struct handler *handler = find_handler(request->type);
    const char *channel = request->channel == WIRE_SHELL ? "shell" : "control";
    if (request->problem)
        reply_error(kernel, request, "MalformedRequest", "%s", request->problem);
    else if (!handler)
        reply_error(kernel, request, "UnknownRequest", "'%s' is not known",
                    request->type);
    else if (!(handler->channels & (1u << request->channel)))
        reply_error(kernel, request, "UnknownRequest",
                    "'%s' is not answered on the %s "
                    "channel",
                    request->type, channel);
    else if (handler->needs_session && !kernel->session)
        reply_error(kernel, request, "KernelError", "there is no session: %s",
                    kernel->start_error.text);
    else
        handler->run(kernel, request);
}

static bool is_execute(const struct request *request)
{
    return strcmp(request->type, handle_execute.type) == 0;
}

void dispatch(struct kernel *kernel, const struct request *request)
{
    publish_state(kernel, request, "busy");
    run_handler(kernel, request);
    publish_state(kernel, request, "idle");
    if (kernel->session && is_execute(request))
        session_rest(kernel->session);
    execute_store(kernel);
    if (__atomic_load_n(&kernel->is_ending, __ATOMIC_ACQUIRE))
        server_stop(kernel->server);
}

/* "execute_reply" for "execute_request", NULL for what is no request; owned. */
static char *reply_type(const char *type)
{
    static const char suffix[] = "_request";
    size_t size = strlen(type), n = strlen(suffix);
    if (size <= n || strcmp(type + size - n, suffix) != 0)
        return NULL;
    return must_format("%.*s_reply", (int)(size - n), type);
}

static void post_reply(struct kernel *kernel, const struct request *request,
                       json_t *content)
{
    CLEANUP(freep) char *type = reply_type(request->type);
    if (type)
        server_post(kernel->server, message_new(server_sender(kernel->server), request,
                                                request->channel, type, NULL, content));
    else
        json_decref(content);
}

void reply(struct kernel *kernel, const struct request *request, json_t *content)
{
    if (!json_object_get(content, "status"))
        json_object_set_new(content, "status", json_string("ok"));
    if (is_execute(request) && !json_object_get(content, "execution_count"))
        json_object_set_new(content, "execution_count",
                            json_integer(kernel->execution_count));
    post_reply(kernel, request, content);
}

void dispatch_aborted(struct kernel *kernel, const struct request *request)
{
    if (!is_execute(request)) {
        dispatch(kernel, request);
        return;
    }
    publish_state(kernel, request, "busy");
    /* Without a number, which a front end would show beside a cell that did not run. */
    post_reply(kernel, request, json_pack("{s:s}", "status", "aborted"));
    publish_state(kernel, request, "idle");
}

void reply_error(struct kernel *kernel, const struct request *request, const char *name,
                 const char *format, ...)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    buffer_format(&text, "%s: %s", name, line);
    reply(kernel, request,
          json_pack("{s:s, s:s, s:o, s:[o]}", "status", "error", "ename", name, "evalue",
                    message_text(line), "traceback", message_text(buffer_string(&text))));
}

void publish(struct kernel *kernel, const struct request *request, const char *type,
             json_t *content)
{
    server_post(kernel->server, message_new(server_sender(kernel->server), request,
                                            WIRE_IOPUB, type, NULL, content));
}

static json_t *get_field(const struct request *request, const char *name)
{
    json_t *value = json_object_get(request->content, name);
    return json_is_null(value) ? NULL : value;
}

bool get_text(struct kernel *kernel, const struct request *request, const char *name,
              const char *otherwise, const char **ret)
{
    json_t *value = get_field(request, name);
    *ret = otherwise;
    if (!value && otherwise)
        return true;
    if (!json_is_string(value)) {
        reply_error(kernel, request, "MalformedRequest", "'%s' %s", name,
                    value ? "is not a string" : "is missing");
        return false;
    }
    *ret = json_string_value(value);
    if (strlen(*ret) == json_string_length(value))
        return true;
    reply_error(kernel, request, "MalformedRequest", "'%s' holds a NUL character", name);
    return false;
}

bool get_bool(struct kernel *kernel, const struct request *request, const char *name,
              bool otherwise, bool *ret)
{
    json_t *value = get_field(request, name);
    *ret = value ? json_is_true(value) : otherwise;
    if (!value || json_is_boolean(value))
        return true;
    reply_error(kernel, request, "MalformedRequest", "'%s' is neither true nor false",
                name);
    return false;
}

bool get_integer(struct kernel *kernel, const struct request *request, const char *name,
                 int64_t otherwise, int64_t *ret)
{
    json_t *value = get_field(request, name);
    *ret = value ? json_integer_value(value) : otherwise;
    if (!value || json_is_integer(value))
        return true;
    reply_error(kernel, request, "MalformedRequest", "'%s' is not an integer", name);
    return false;
}
