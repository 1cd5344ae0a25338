/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/session.h"

#include <stdarg.h>
#include <stdio.h>

void result_clear(struct result *result)
{
    free(result->name);
    free(result->message);
    for (size_t i = 0; i < result->n_traceback; i++)
        free(result->traceback[i]);
    free(result->traceback);
    result_drop_value(result);
    free(result->page);
    *result = (struct result){0};
}

void result_drop_value(struct result *result)
{
    free(TAKE(result->value_text));
    bundle_clear(&result->value_more);
}

void result_error(struct result *result, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = must_vformat(format, args);
    va_end(args);
    result_clear(result);
    result->kind = RESULT_ERROR;
    result->name = must_strdup(name);
    result->message = message;
    result->traceback = must_alloc(sizeof(*result->traceback));
    result->traceback[0] =
        must_format("\033[1;31m%s\033[0m: %s", result->name, result->message);
    result->n_traceback = 1;
}

struct session_events session_events_keep(const struct session_events *events)
{
    if (events->keep)
        events->keep(events->context);
    return *events;
}

void session_events_drop(struct session_events *events)
{
    if (events->drop)
        events->drop(events->context);
    *events = (struct session_events){0};
}
