/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell that declares an array whose length it computes is run in parts: what stands
 * before the declaration, then the lengths as expressions, then the rest with numbers in
 * their places. That nothing else is wrong with it is made sure before anything runs. */
#include <string.h>

#include "kernel/session/state.h"

#define LENGTH_MAX ((uint64_t)1 << 40)

/* The text with other expressions for the lengths, as many lines as before. */
static char *replace_lengths(const char *text, const struct plan *plan,
                             char *const *numbers)
{
    struct buffer out = {0};
    size_t at = 0;
    for (size_t i = 0; i < plan->n_lengths; i++) {
        const struct plan_length *length = &plan->lengths[i];
        buffer_add(&out, text + at, length->start - at);
        buffer_add_string(&out, numbers ? numbers[i] : "1");
        for (size_t k = 0; k < length->size; k++)
            if (text[length->start + k] == '\n')
                buffer_add_char(&out, '\n');
        at = length->start + length->size;
    }
    buffer_add_string(&out, text + at);
    return buffer_take(&out);
}

static bool fits(const struct plan *plan, size_t size)
{
    size_t at = plan->lengths_start;
    for (size_t i = 0; i < plan->n_lengths; i++) {
        const struct plan_length *length = &plan->lengths[i];
        if (length->start < at || length->start > size ||
            length->size > size - length->start)
            return false;
        at = length->start + length->size;
    }
    return plan->lengths_start <= size;
}

/* Plans the cell as if every length were 1; mistakes are the result. */
static int check_rest(struct session *session, uint32_t cell, const char *text,
                      const struct plan *plan, struct result *result, struct error *err)
{
    CLEANUP(freep) char *now = replace_lengths(text, plan, NULL);
    for (;;) {
        CLEANUP(plan_freep) struct plan *next = NULL;
        int r = session_plan_or_lengths(session, cell, now, &next, result, err);
        if (r < 0 || !next || !next->n_lengths)
            return r;
        if (!fits(next, strlen(now)))
            return 0;
        char *longer = replace_lengths(now, next, NULL);
        free(now);
        now = longer;
    }
}

/* The value of one length as text; NULL: the result says why there is none. */
static int compute(struct session *session, uint32_t cell, const char *expression,
                   const struct session_events *events, char **ret, struct result *result,
                   struct error *err)
{
    struct session_place place = {0};
    CLEANUP(freep)
    char *pointer = must_format("(char *)(long long)(%s\n)", expression);
    int r = session_place(session, cell, pointer, events, &place, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    if ((int64_t)place.address < 0 || place.address > LENGTH_MAX)
        result_error(result, "ValueError", "the length '%s' of an array is %lld",
                     expression, (long long)place.address);
    else
        *ret = must_format("%llu", (unsigned long long)place.address);
    return 0;
}

static int compute_all(struct session *session, uint32_t cell, const char *text,
                       const struct plan *plan, const struct session_events *events,
                       char **numbers, struct result *result, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < plan->n_lengths && r == 0 && result->kind == RESULT_OK; i++) {
        CLEANUP(freep)
        char *expression =
            must_strndup(text + plan->lengths[i].start, plan->lengths[i].size);
        r = compute(session, cell, expression, events, &numbers[i], result, err);
    }
    return r;
}

/* What stands before the declaration becomes blank lines. */
static void blank_before(char *text, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (text[i] != '\n')
            text[i] = ' ';
}

int lengths_run(struct session *session, uint32_t cell, const char *text,
                const struct plan *plan, const struct session_events *events,
                struct result *result, struct error *err)
{
    if (!fits(plan, strlen(text)))
        return 0;
    int r = check_rest(session, cell, text, plan, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    CLEANUP(freep) char *before = must_strndup(text, plan->lengths_start);
    if (before[strspn(before, " \t\r\n")])
        r = session_run(session, cell, 1, before, events, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    char **numbers = must_alloc((plan->n_lengths + 1) * sizeof(*numbers));
    r = compute_all(session, cell, text, plan, events, numbers, result, err);
    if (r == 0 && result->kind == RESULT_OK) {
        CLEANUP(freep) char *rest = replace_lengths(text, plan, numbers);
        blank_before(rest, plan->lengths_start);
        r = session_run(session, cell, 1, rest, events, result, err);
    }
    for (size_t i = 0; i < plan->n_lengths; i++)
        free(numbers[i]);
    free(numbers);
    return r;
}
