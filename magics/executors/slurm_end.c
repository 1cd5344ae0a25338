/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a job of Slurm is over, and why, as scontrol has it: it needs no accounting
 * database, and forgets a job some minutes after its end (MinJobAge). */
#include <poll.h>
#include <string.h>

#include "magics/executors/slurm.h"
#include "pickler/base/clock.h"

#define AGAIN_MS 50
#define FORGOTTEN "FORGOTTEN" /* our word for a job that Slurm does not know */

struct ending {
    const char *state, *words;
    const char *loss;   /* what a task is called that it has cost */
    const char *advice; /* what may be done about it */
};

static const struct ending endings[] = {
    {"TIMEOUT", "has reached its time limit", "AllocationTimeLimit",
     "--time asks for a longer one"},
    {"DEADLINE", "has reached its deadline", "AllocationTimeLimit", NULL},
    {"CANCELLED", "was cancelled", "AllocationCancelled", NULL},
    {"NODE_FAIL", "has lost a node", "NodeFailed", NULL},
    {"BOOT_FAIL", "has lost a node that did not start", "NodeFailed", NULL},
    {"PREEMPTED", "was preempted", "AllocationPreempted", NULL},
    {"OUT_OF_MEMORY", "has run out of memory", "AllocationMemoryLimit",
     "--mem asks for more"},
    {"COMPLETED", "was given back", "AllocationEnded", NULL},
    {"COMPLETING", "is ending", "AllocationEnded", NULL},
    {"FAILED", "has failed", "AllocationEnded", NULL},
    {"REVOKED", "was revoked", "AllocationEnded", NULL},
    {FORGOTTEN, "has ended, and Slurm has forgotten how", "AllocationEnded", NULL},
};

static const struct ending *find(const char *state)
{
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcmp(state, endings[i].state) == 0)
            return &endings[i];
    return NULL;
}

void slurm_run(const char *const *argv, struct buffer *out, struct buffer *ret_words)
{
    struct launch launch = LAUNCH_NONE;
    if (launch_start(argv, &launch, NULL) < 0)
        return;
    struct pollfd fd = {.fd = launch.fd, .events = POLLIN};
    int64_t end = clock_ms() + SLURM_COMMAND_MS, left;
    while (launch_read(&launch, out, SLURM_OUTPUT_MAX) && (left = end - clock_ms()) > 0)
        poll(&fd, 1, (int)left);
    launch_listen(&launch);
    if (ret_words)
        buffer_add_string(ret_words, buffer_string(&launch.words));
    launch_end(&launch, 0);
}

static void add_once(struct buffer *out, const char *line)
{
    const char *said = strstr(line, "error: ");
    line = said ? said + strlen("error: ") : line;
    if (!out->size || !strstr(out->data, line))
        buffer_format(out, "%s%s", out->size ? "; " : "", line);
}

/* The lines that say "error", each once. */
static void add_errors(struct buffer *out, const char *words)
{
    CLEANUP(freep) char *copy = must_strdup(words);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\r\n"));)
        if (strstr(line, "error: "))
            add_once(out, line);
}

char *slurm_refusal(const struct executor_option *options, size_t n_options,
                    struct launch *launch)
{
    struct buffer text = {0};
    CLEANUP(freep) char *last = launch_last_line(launch);
    bool is_first = true;
    add_errors(&text, buffer_string(&launch->words));
    if (!text.size && last)
        buffer_add_string(&text, last);
    if (!text.size)
        return NULL;
    for (size_t i = 0; i < n_options; i++) {
        if (slurm_is_own_option(options[i].name))
            continue;
        buffer_format(&text, "%s--%s%s%s", is_first ? " (asked for: " : " ",
                      options[i].name, *options[i].value ? "=" : "", options[i].value);
        is_first = false;
    }
    if (!is_first)
        buffer_add_char(&text, ')');
    return buffer_take(&text);
}

/* Owned; NULL: not there. */
static char *field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? must_strndup(at + strlen(name), strcspn(at + strlen(name), " \n")) : NULL;
}

char *slurm_ask_state(const char *job)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    CLEANUP(buffer_clear) struct buffer words = {0};
    const char *const argv[] = {"scontrol", "show", "job", "-o", job, NULL};
    slurm_run(argv, &out, &words);
    CLEANUP(freep) char *state = field(buffer_string(&out), " JobState=");
    CLEANUP(freep) char *reason = field(buffer_string(&out), " Reason=");
    if (!state && strstr(buffer_string(&words), "Invalid job id"))
        return must_strdup(FORGOTTEN);
    if (!state || strcmp(state, "COMPLETING") != 0 || !reason)
        return TAKE(state);
    /* While its processes end only the reason says why they do. */
    if (strcmp(reason, "TimeLimit") == 0)
        return must_strdup("TIMEOUT");
    return strcmp(reason, "NodeDown") == 0 ? must_strdup("NODE_FAIL") : TAKE(state);
}

char *slurm_describe_end(const char *what, const char *state)
{
    const struct ending *ending = find(state);
    return ending ? must_format("%s %s", what, ending->words)
                  : must_format("%s has ended (%s)", what, state);
}

bool slurm_is_taken_back(const char *state)
{
    return strcmp(state, "FAILED") != 0 && strcmp(state, "COMPLETED") != 0;
}

char *slurm_describe_loss(const char *what, const char *state, const char **ret_name)
{
    const struct ending *ending = find(state);
    CLEANUP(freep) char *text = slurm_describe_end(what, state);
    if (ending && strcmp(ending->loss, "AllocationEnded") != 0)
        *ret_name = ending->loss;
    return ending && ending->advice ? must_format("%s; %s", text, ending->advice)
                                    : TAKE(text);
}

bool slurm_job_is_over(struct slurm *slurm)
{
    if (slurm->phase == SLURM_OVER || !slurm->job)
        return slurm->phase == SLURM_OVER;
    CLEANUP(freep) char *state = slurm_ask_state(slurm->job);
    int64_t end = clock_ms() + SLURM_COMMAND_MS;
    while (state && strcmp(state, "COMPLETING") == 0 && clock_ms() < end) {
        poll(NULL, 0, AGAIN_MS);
        free(state);
        state = slurm_ask_state(slurm->job);
    }
    if (!state || !find(state))
        return false;
    slurm->phase = SLURM_OVER;
    CLEANUP(freep) char *what = must_format("allocation %s", slurm->job);
    free(slurm->why);
    slurm->why = slurm_describe_end(what, state);
    free(slurm->state);
    slurm->state = TAKE(state);
    return true;
}

const char *slurm_loss(const struct slurm *slurm, const char **ret_advice)
{
    const struct ending *ending =
        slurm->phase == SLURM_OVER && slurm->state ? find(slurm->state) : NULL;
    *ret_advice = ending ? ending->advice : NULL;
    return ending ? ending->loss : NULL;
}
