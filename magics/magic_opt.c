/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %opt: the optimised tier: its level, what has been swapped in, what waits. */
#include <string.h>

#include "kernel/session/tier.h"
#include "magics/context.h"
#include "pickler/code/object_cache.h"

static const char *const actions[] = {"0",      "1",   "2",   "3",   "fast",
                                      "native", "now", "off", "wait"};
#define N_ACTIONS (sizeof(actions) / sizeof(*actions))

static const char *state_name(const struct tier *tier,
                              const struct tier_function *function)
{
    switch (function->state) {
    case TIER_WAITING:
        return tier->level ? "waits" : "as compiled at first";
    case TIER_COMPILING:
        return "is being compiled";
    case TIER_SENT:
        return "is being swapped in";
    case TIER_DONE:
        return "optimised";
    case TIER_REFUSED:
    case TIER_STATE_COUNT:
        break;
    }
    return "cannot be optimised";
}

static void show(struct magic_context *context)
{
    const struct tier *tier = session_tier(context->session);
    if (!tier->level)
        magic_print(context, "optimisation is off\n");
    else
        magic_print(context, "level %s (%s%s%s), in the background\n", tier->level->name,
                    tier->level->flags[0], tier->level->flags[1] ? " " : "",
                    tier->level->flags[2] ? tier->level->flags[1] : "");
    for (size_t i = 0; i < tier->n_functions; i++) {
        const struct tier_function *function = &tier->functions[i];
        size_t length = function->why ? strcspn(function->why, "\n") : 0;
        magic_print(context, "%-24s %s%s%.*s\n", function->name,
                    state_name(tier, function), length ? ": " : "", (int)length,
                    function->why ? function->why : "");
    }
}

static void show_cache(struct magic_context *context)
{
    uint64_t size;
    size_t n;
    CLEANUP(freep) char *folder = object_cache_describe(&size, &n);
    if (folder)
        magic_print(context, "%.1f MB in %zu files of %s\n", (double)size / 1e6, n,
                    folder);
}

static bool check_names(struct magic_context *context, const char *const *names, size_t n,
                        struct result *result)
{
    for (size_t i = 0; i < n; i++) {
        if (tier_find(session_tier(context->session), names[i]))
            continue;
        result_error(result, "UsageError",
                     "'%s' is no function of the session that can be optimised",
                     names[i]);
        return false;
    }
    return true;
}

static void check_action(const char *word, struct result *result)
{
    for (size_t i = 0; i < N_ACTIONS; i++)
        if (!strcmp(word, actions[i]))
            return;
    const char *near = nearest_name(word, actions, N_ACTIONS);
    result_error(result, "UsageError",
                 "'%s' is no level (off, 0, 1, 2, 3, native, fast), nor 'now' or "
                 "'wait'%s%s%s",
                 word, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char *action = arguments->n_words ? arguments->words[0] : NULL;
    if (!action) {
        show(context);
        show_cache(context);
        return 0;
    }
    check_action(action, result);
    if (result->kind != RESULT_OK)
        return 0;
    bool is_now = !strcmp(action, "now");
    const char *const *names = arguments->words + 1;
    size_t n = arguments->n_words - 1;
    if (n && !is_now) {
        result_error(result, "UsageError", "'%%opt %s' takes no names", action);
        return 0;
    }
    if (!is_now && strcmp(action, "wait"))
        return session_set_level(context->session, action, context->events, err);
    if (!check_names(context, names, n, result))
        return 0;
    return session_optimise(context->session, names, n, context->events, result, err);
}

const struct magic magic_opt = {
    .name = "opt",
    .is_line = true,
    .usage = "[off | 0 | 1 | 2 | 3 | native | fast | now [FUNCTION ...] | wait]",
    .summary =
        "show or set how functions are optimised in the background, or wait for it",
    .max_words = 65,
    .run = run,
};
