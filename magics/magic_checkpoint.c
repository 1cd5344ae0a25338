/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %checkpoint: whether there is one before each cell, and how much memory it may need. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "magics/context.h"

#define MB ((double)(1 << 20))

static bool read_size(const char *word, uint64_t *ret)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", MB},   {"K", 1 << 10},   {"KB", 1 << 10},  {"M", MB},
                 {"MB", MB}, {"G", MB * 1024}, {"GB", MB * 1024}};
    char *end;
    double number = strtod(word, &end);
    for (size_t i = 0; end > word && i < sizeof(units) / sizeof(*units); i++) {
        double bytes = number * units[i].bytes;
        if (strcasecmp(end, units[i].name) || !(bytes >= 1 && bytes <= 0x1p50))
            continue;
        *ret = (uint64_t)bytes;
        return true;
    }
    return false;
}

static void print_cells(struct magic_context *context,
                        const struct session_checkpoints *state)
{
    magic_print(context, "%zu kept, %.1f MB beside the session", state->n,
                (double)state->kept_bytes / MB);
    for (size_t i = 0; i < state->n_cells; i++)
        magic_print(context, "%sIn[%u]",
                    i == 0                   ? "; %undo can take back "
                    : i + 1 < state->n_cells ? ", "
                                             : " and ",
                    state->cells[i]);
    magic_print(context, "\n");
}

static void print(struct magic_context *context, const struct session_checkpoints *state)
{
    if (state->is_on) {
        magic_print(context, "on, for sessions of up to %.1f MB; this one has %.1f MB\n",
                    (double)state->budget / MB, (double)state->bytes / MB);
        print_cells(context, state);
    } else {
        magic_print(context, "off\n");
    }
    if (state->obstacle)
        magic_print(context, "the next cell has none, because the session %s\n",
                    state->obstacle);
    else
        magic_print(context, "the next cell has one\n");
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(session_checkpoints_clear) struct session_checkpoints state = {0};
    const char *word = arguments->n_words ? arguments->words[0] : NULL;
    uint64_t budget = 0;
    (void)err;
    if (word && !strcmp(word, "on")) {
        session_set_checkpoints(context->session, true, 0);
    } else if (word && !strcmp(word, "off")) {
        session_set_checkpoints(context->session, false, 0);
    } else if (word && read_size(word, &budget)) {
        session_set_checkpoints(context->session, true, budget);
    } else if (word) {
        result_error(result, "UsageError",
                     "'%s' is neither on nor off nor a size such as 500MB", word);
        return 0;
    }
    session_checkpoints(context->session, context->events, &state);
    print(context, &state);
    return 0;
}

const struct magic magic_checkpoint = {
    .name = "checkpoint",
    .is_line = true,
    .usage = "[on | off | SIZE]",
    .summary = "what is kept to go back to after a fault, and for how large a session",
    .max_words = 1,
    .run = run,
};
