/* SPDX-License-Identifier: BSD-3-Clause
 *
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#history */
#include <string.h>

#include "kernel/handlers/handler.h"

#define ENTRIES_DEFAULT 1000 /* of a tail that does not say how many */

struct collected {
    json_t *entries;
    bool has_output;
};

static void collect(void *context, int64_t session, int64_t line, const char *input,
                    const char *output)
{
    struct collected *collected = context;
    json_t *text = message_text(input);
    if (collected->has_output)
        text = json_pack("[o, o]", text, output ? message_text(output) : json_null());
    json_array_append_new(collected->entries, json_pack("[I, I, o]", (json_int_t)session,
                                                        (json_int_t)line, text));
}

struct query {
    const char *access, *pattern;
    int64_t n, session, start, stop;
    bool has_output, is_unique, is_raw;
};

static bool read_query(struct kernel *kernel, const struct request *request,
                       struct query *query)
{
    return get_text(kernel, request, "hist_access_type", "tail", &query->access) &&
           get_text(kernel, request, "pattern", "*", &query->pattern) &&
           get_integer(kernel, request, "n", -1, &query->n) &&
           get_integer(kernel, request, "session", 0, &query->session) &&
           get_integer(kernel, request, "start", 0, &query->start) &&
           get_integer(kernel, request, "stop", -1, &query->stop) &&
           get_bool(kernel, request, "output", false, &query->has_output) &&
           get_bool(kernel, request, "unique", false, &query->is_unique) &&
           get_bool(kernel, request, "raw", true, &query->is_raw);
}

static int answer(struct kernel *kernel, const struct query *query,
                  const struct history_reader *reader, struct error *err)
{
    if (!kernel->history)
        return 0;
    if (strcmp(query->access, "tail") == 0)
        return history_tail(kernel->history, query->n < 0 ? ENTRIES_DEFAULT : query->n,
                            reader, err);
    if (strcmp(query->access, "range") == 0)
        return history_range(kernel->history, query->session, query->start, query->stop,
                             reader, err);
    return history_search(kernel->history, query->pattern, query->n, query->is_unique,
                          reader, err);
}

static void run_history(struct kernel *kernel, const struct request *request)
{
    struct query query;
    struct error err = {0};
    if (!read_query(kernel, request, &query))
        return;
    if (strcmp(query.access, "tail") != 0 && strcmp(query.access, "range") != 0 &&
        strcmp(query.access, "search") != 0) {
        reply_error(kernel, request, "MalformedRequest",
                    "'hist_access_type' is '%s', known are 'tail', 'range' and 'search'",
                    query.access);
        return;
    }
    struct collected collected = {json_array(), query.has_output};
    struct history_reader reader = {collect, &collected};
    if (answer(kernel, &query, &reader, &err) < 0) {
        json_decref(collected.entries);
        reply_error(kernel, request, "KernelError", "%s", err.text);
        return;
    }
    reply(kernel, request,
          json_pack("{s:s, s:o}", "status", "ok", "history", collected.entries));
}

const struct handler handle_history = {
    .type = "history_request",
    .channels = ON_SHELL,
    .run = run_history,
};
