/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/target.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "kernel/peer/protocol.h"

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
    return is_identifier(lvalue) &&
           !graph_current(session_graph(context->session), lvalue);
}

static int define(struct magic_context *context, const char *name, uint32_t type,
                  uint64_t count, struct result *result, struct error *err)
{
    const char *spelling = types_get(session_types(context->session), type)->spelling;
    CLEANUP(freep)
    char *text =
        count ? must_format("__typeof__(%s) %s[%" PRIu64 "];", spelling, name, count)
              : must_format("__typeof__(%s) %s;", spelling, name);
    return session_run(context->session, context->cell, context->line, text,
                       context->events, result, err);
}

bool target_explain(struct magic_context *context, const char *text,
                    struct result *result)
{
    struct result alone = {0};
    struct error err = {0};
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, context->line, PLAN_EXPRESSION,
                         text, &plan, &alone, &err);
    plan_free(plan);
    if (r < 0 || alone.kind == RESULT_OK) {
        result_clear(&alone);
        return false;
    }
    result_clear(result);
    *result = alone;
    return true;
}

/* Arrays of arrays are taken apart; *ret_count is 1 for what is no array. */
static uint32_t element_type(const struct types *types, uint32_t id, uint64_t *ret_count)
{
    *ret_count = 1;
    for (; types_get(types, id)->kind == TYPE_ARRAY; id = types_get(types, id)->target)
        *ret_count *= types_get(types, id)->count;
    return id;
}

static const char *without_const(const char *spelling)
{
    return strncmp(spelling, "const ", 6) ? spelling : spelling + 6;
}

/* Pointers that C converts without a cast. */
static bool pointers_agree(const struct types *types, const struct type *to,
                           const struct type *from)
{
    if (to->kind != TYPE_POINTER || from->kind != TYPE_POINTER)
        return false;
    const struct type *a = types_get(types, to->target);
    const struct type *b = types_get(types, from->target);
    if (b->is_const && !a->is_const)
        return false;
    return a->kind == TYPE_VOID || b->kind == TYPE_VOID ||
           (a->kind == b->kind &&
            !strcmp(without_const(a->spelling), without_const(b->spelling)));
}

uint32_t target_type(struct magic_context *context, const char *lvalue,
                     const struct session_place *place, const char *expression,
                     uint32_t type, struct result *result)
{
    const struct types *types = session_types(context->session);
    uint64_t room, count;
    uint32_t to_id = element_type(types, place->type, &room);
    uint32_t from_id = element_type(types, type, &count);
    const struct type *to = types_get(types, place->type), *from = types_get(types, type);
    if (types_get(types, to_id)->is_const)
        result_error(result, "TypeError", "'%s' is const: nothing can be stored in it",
                     lvalue);
    else if (count <= room && (to->kind == TYPE_ARRAY) == (from->kind == TYPE_ARRAY) &&
             types_equal(types, to_id, types, from_id, NULL))
        return type;
    else if ((type_is_arithmetic(to) && type_is_arithmetic(from)) ||
             pointers_agree(types, to, from))
        return place->type;
    else
        result_error(result, "TypeError",
                     "'%s' is '%s' and cannot take what '%s' gives: '%s'", lvalue,
                     to->spelling, expression, from->spelling);
    return 0;
}

bool target_place(struct magic_context *context, const char *lvalue, uint32_t type,
                  uint64_t count, struct session_place *ret, struct result *result,
                  int *ret_error, struct error *err)
{
    int r = 0;
    if (is_new_name(context, lvalue))
        r = define(context, lvalue, type, count, result, err);
    CLEANUP(freep)
    char *pointer =
        count ? must_format("&(%s)[0]", lvalue) : must_format("&(%s)", lvalue);
    bool is_found = false;
    if (r == 0 && result->kind == RESULT_OK && !count && is_identifier(lvalue))
        r = session_place_variable(context->session, lvalue, context->events, ret,
                                   &is_found, result, err);
    if (r == 0 && result->kind == RESULT_OK && !is_found)
        r = session_place(context->session, context->cell, pointer, context->events, ret,
                          result, err);
    if (r == 0 && result->kind != RESULT_OK)
        target_explain(context, lvalue, result);
    *ret_error = r;
    return r == 0 && result->kind == RESULT_OK;
}
