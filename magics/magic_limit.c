/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %limit: how long a cell may run, and how much memory the session may hold. As %%limit,
 * for one cell. */
#include <inttypes.h>
#include <string.h>

#include "magics/context.h"
#include "magics/quantity.h"

#define MEMORY_MIN ((double)(1 << 20))
#define MEMORY_MAX ((double)((uint64_t)1 << 46))
#define TIME_MAX_MS 1e12

static bool set_one(const char *what, const char *value, struct session_limits *limits,
                    struct result *result)
{
    bool is_off = !strcmp(value, "off");
    if (!strcmp(what, "time")) {
        double time = is_off ? 0 : quantity_time(value, 0);
        if (time >= 0 && time <= TIME_MAX_MS && (is_off || time >= 1)) {
            limits->time_ms = (int64_t)time;
            return true;
        }
        result_error(result, "UsageError", "'%s' is no time: 500ms, 10s, 5min, 1h, off",
                     value);
        return false;
    }
    if (!strcmp(what, "memory")) {
        double size = is_off ? 0 : quantity_size(value);
        if (is_off || (size >= MEMORY_MIN && size <= MEMORY_MAX)) {
            limits->memory = (uint64_t)size;
            return true;
        }
        result_error(result, "UsageError",
                     "'%s' is no size of 1 MB or more: 64MB, 1.5GB, off", value);
        return false;
    }
    result_error(result, "UsageError", "there is no limit '%s': time and memory", what);
    return false;
}

static bool set_all(const struct magic_arguments *arguments,
                    struct session_limits *limits, struct result *result)
{
    if (arguments->n_words == 1 && !strcmp(arguments->words[0], "off")) {
        *limits = (struct session_limits){0};
        return true;
    }
    if (arguments->n_words % 2) {
        result_error(result, "UsageError",
                     "a limit has a name and a value: "
                     "%%limit time 10s memory 1GB");
        return false;
    }
    for (size_t i = 0; i < arguments->n_words; i += 2)
        if (!set_one(arguments->words[i], arguments->words[i + 1], limits, result))
            return false;
    return true;
}

static void show(struct magic_context *context)
{
    struct session_limits limits = session_limits(context->session);
    if (limits.time_ms)
        magic_print(context, "time    %g s a cell\n", (double)limits.time_ms / 1000);
    else
        magic_print(context, "time    no limit\n");
    if (limits.memory)
        magic_print(context, "memory  %.4g MB\n", (double)limits.memory / 0x1p20);
    else
        magic_print(context, "memory  no limit\n");
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    struct session_limits before = session_limits(context->session), limits = before;
    if (!arguments->body && !arguments->n_words) {
        show(context);
        return 0;
    }
    if (!set_all(arguments, &limits, result))
        return 0;
    session_set_limits(context->session, limits);
    if (!arguments->body)
        return 0;
    int r = session_run(context->session, context->cell, arguments->body_line,
                        arguments->body, context->events, result, err);
    session_set_limits(context->session, before);
    return r;
}

const struct magic magic_limit = {
    .name = "limit",
    .is_line = true,
    .is_cell = true,
    .usage = "[time 10s] [memory 1GB] | off",
    .summary = "how long a cell may run, how much memory the session may have",
    .max_words = 4,
    .run = run,
};
