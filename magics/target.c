/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/target.h"

#include <ctype.h>
#include <inttypes.h>

static bool is_identifier(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    while (isalnum((unsigned char)*text) || *text == '_')
        text++;
    return !*text;
}

static bool is_new_name(struct magic_context *context, const char *lvalue)
{
    return is_identifier(lvalue) && !graph_current(session_graph(context->session), lvalue);
}

static int define(struct magic_context *context, const char *name, uint32_t type,
                  uint64_t count, struct result *result, struct error *err)
{
    const char *spelling = types_get(session_types(context->session), type)->spelling;
    CLEANUP(freep) char *text =
        count ? must_format("__typeof__(%s) %s[%" PRIu64 "];", spelling, name, count)
              : must_format("__typeof__(%s) %s;", spelling, name);
    return session_run(context->session, context->cell, context->line, text,
                       context->events, result, err);
}

bool target_place(struct magic_context *context, const char *lvalue, uint32_t type,
                  uint64_t count, struct session_place *ret, struct result *result,
                  int *ret_error, struct error *err)
{
    int r = 0;
    if (is_new_name(context, lvalue))
        r = define(context, lvalue, type, count, result, err);
    CLEANUP(freep) char *pointer =
        count ? must_format("&(%s)[0]", lvalue) : must_format("&(%s)", lvalue);
    if (r == 0 && result->kind == RESULT_OK)
        r = session_place(context->session, context->cell, pointer, context->events, ret,
                          result, err);
    *ret_error = r;
    return r == 0 && result->kind == RESULT_OK;
}
