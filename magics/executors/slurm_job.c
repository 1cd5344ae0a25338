/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `salloc` holds the allocation for as long as the program that it runs, which lasts as
 * long as its standard input, of which we hold the other end: however we end, the
 * allocation is given back. One that is to be kept is made by `salloc --no-shell`. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "magics/executors/slurm.h"
#include "pickler/base/clock.h"

/* Says which nodes there are, with their processors, in Slurm's short form ("4(x2),2").
 */
#define SAY_NODES                                                                        \
    "printf 'job %s %s\\n' \"$SLURM_JOB_ID\" \"$SLURM_JOB_CPUS_PER_NODE\"; "             \
    "scontrol show hostnames \"$SLURM_JOB_NODELIST\" | "                                 \
    "while read -r node; do printf 'node %s\\n' \"$node\"; done; "                       \
    "printf 'end\\n'"
#define HOLD SAY_NODES "; exec cat >/dev/null"

#define QUERY_FIRST_MS 300
#define QUERY_MS 5000

bool slurm_is_own_option(const char *name)
{
    static const char *const names[] = {"keep",     "job",      "interface",
                                        "lease",    "prestart", "workers",
                                        "prologue", "shared",   NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

struct words {
    const char **at;
    size_t n, capacity;
    char **owned;
    size_t n_owned, owned_capacity;
};

static void add(struct words *words, const char *word)
{
    GROW(words->at, words->n, words->capacity);
    words->at[words->n++] = word;
}

static void add_option(struct words *words, const struct executor_option *option)
{
    const char *name = strcmp(option->name, "cpus") == 0 ? "cpus-per-task" : option->name;
    GROW(words->owned, words->n_owned, words->owned_capacity);
    char *word = must_format("--%s%s%s", name, *option->value ? "=" : "", option->value);
    words->owned[words->n_owned++] = word;
    add(words, word);
}

static void words_clear(struct words *words)
{
    for (size_t i = 0; i < words->n_owned; i++)
        free(words->owned[i]);
    free(words->owned);
    free(words->at);
}

static int start(struct slurm *slurm, struct words *words, struct error *err)
{
    add(words, NULL);
    buffer_clear(&slurm->lines);
    int r = launch_start(words->at, &slurm->holder, err);
    if (r < 0)
        return r;
    slurm_watch(slurm, slurm->holder.fd);
    slurm_watch(slurm, slurm->holder.err);
    return 0;
}

static int attach(struct slurm *slurm, struct error *err)
{
    CLEANUP(words_clear) struct words words = {0};
    CLEANUP(freep) char *job = must_format("--jobid=%s", slurm->job);
    const char *const argv[] = {"srun",      job,  "-N1", "-n1",
                                "--overlap", "sh", "-c",  SAY_NODES};
    for (size_t i = 0; i < sizeof(argv) / sizeof(argv[0]); i++)
        add(&words, argv[i]);
    slurm->phase = SLURM_ATTACHING;
    return start(slurm, &words, err);
}

int slurm_job_ask(struct slurm *slurm, struct error *err)
{
    CLEANUP(words_clear) struct words words = {0};
    const char *job = slurm_option(slurm, "job");
    slurm->is_kept = job || slurm_option(slurm, "keep");
    slurm->query_at = clock_ms() + QUERY_FIRST_MS;
    if (job) {
        slurm->job = must_strdup(job);
        return attach(slurm, err);
    }
    add(&words, "salloc");
    add(&words, "--job-name=achar");
    add(&words, "--no-kill"); /* a node that fails does not take the others along */
    for (size_t i = 0; i < slurm->n_options; i++)
        if (!slurm_is_own_option(slurm->options[i].name))
            add_option(&words, &slurm->options[i]);
    if (slurm->is_kept) {
        add(&words, "--no-shell");
    } else {
        add(&words, "sh");
        add(&words, "-c");
        add(&words, HOLD);
    }
    return start(slurm, &words, err);
}

/* ---- while it is pending ---- */

/* "salloc: Pending job allocation 12", "salloc: Granted job allocation 12". */
static void find_job(struct slurm *slurm)
{
    static const char before[] = "job allocation ";
    const char *at = strstr(buffer_string(&slurm->holder.words), before);
    if (slurm->job || !at)
        return;
    at += strlen(before);
    size_t size = strspn(at, "0123456789");
    if (size && at[size]) /* all of it is here */
        slurm->job = must_strndup(at, size);
}

const char *slurm_explain_reason(const char *reason)
{
    static const struct {
        const char *reason, *words;
    } table[] = {
        {"PartitionNodeLimit",
         " (it asks for more nodes than the partition has or allows)"},
        {"PartitionTimeLimit", " (--time is more than the partition allows)"},
        {"PartitionConfig", " (it asks for what the partition does not have)"},
        {"BadConstraints", " (no node is what --constraint asks for)"},
        {"PartitionDown", " (the partition is down)"},
        {"PartitionInactive", " (the partition is inactive)"},
        {"JobHeldUser", " (held: `scontrol release` lets it go)"},
        {"JobHeldAdmin", " (held by an administrator)"},
        {"AccountNotAllowed", " (--account is not allowed in the partition)"},
        {"QOSNotAllowed", " (--qos is not allowed in the partition)"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(reason, table[i].reason) == 0)
            return table[i].words;
    return "";
}

/* Lines "ID|REASON", the first in the queue first. */
static void read_queue(struct slurm *slurm)
{
    size_t position = 0, n = 0;
    CLEANUP(freep) char *reason = NULL;
    char *rest = slurm->answer.data;
    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        char *bar = strchr(line, '|');
        if (!bar)
            continue;
        n++;
        *bar = '\0';
        if (position || strcmp(line, slurm->job) != 0)
            continue;
        position = n;
        reason = must_strdup(bar + 1);
    }
    free(slurm->pending);
    slurm->pending = position ? must_format("%s%s, position %zu of %zu",
                                            *reason ? reason : "no reason",
                                            slurm_explain_reason(reason), position, n)
                              : NULL;
}

static void start_query(struct slurm *slurm)
{
    const char *partition = slurm_option(slurm, "partition");
    CLEANUP(freep)
    char *only =
        partition && *partition ? must_format("--partition=%s", partition) : NULL;
    const char *const argv[] = {"squeue",      "--noheader",     "--states=PENDING",
                                "--sort=-p,i", "--format=%i|%r", only,
                                NULL};
    slurm->query_at = clock_ms() + (slurm->n_queries++ ? QUERY_MS : QUERY_FIRST_MS);
    if (!slurm->job || launch_start(argv, &slurm->query, NULL) < 0)
        return;
    buffer_clear(&slurm->answer);
    slurm_watch(slurm, slurm->query.fd);
}

/* How far we are in the queue, now and then. */
static void query(struct slurm *slurm)
{
    if (slurm->query.fd < 0) {
        if (clock_ms() >= slurm->query_at)
            start_query(slurm);
        return;
    }
    if (launch_read(&slurm->query, &slurm->answer, SLURM_OUTPUT_MAX))
        return;
    launch_end(&slurm->query, SLURM_COMMAND_MS);
    read_queue(slurm);
}

/* ---- when it is there ---- */

static void add_node(struct slurm *slurm, const char *name)
{
    if (slurm->n_nodes == SLURM_NODES_MAX)
        return;
    GROW(slurm->nodes, slurm->n_nodes, slurm->nodes_capacity);
    slurm->nodes[slurm->n_nodes++] =
        (struct slurm_node){.name = must_strdup(name), .srun = LAUNCH_NONE, .cpus = 1};
}

/* "4(x2),2": four processors on each of the first two nodes, two on the third. */
static void spread_cpus(struct slurm *slurm, const char *text)
{
    size_t node = 0;
    while (isdigit((unsigned char)*text)) {
        char *end;
        unsigned long cpus = strtoul(text, &end, 10), times = 1;
        if (strncmp(end, "(x", 2) == 0)
            times = strtoul(end + 2, &end, 10);
        for (; times && node < slurm->n_nodes; times--)
            slurm->nodes[node++].cpus = cpus < 1                   ? 1
                                        : cpus > SLURM_WORKERS_MAX ? SLURM_WORKERS_MAX
                                                                   : (unsigned)cpus;
        text = end + strcspn(end, ",");
        text += *text == ',';
    }
}

static void hold(struct slurm *slurm, const char *cpus)
{
    spread_cpus(slurm, cpus);
    slurm->phase = SLURM_HELD;
    free(TAKE(slurm->pending));
    launch_end(&slurm->query, 0);
}

/* What the holder has printed; a prologue's lines among it mean nothing. */
static void read_nodes(struct slurm *slurm)
{
    CLEANUP(freep) char *cpus = NULL;
    CLEANUP(freep) char *text = must_strdup(buffer_string(&slurm->lines));
    if (!strstr(text, "\nend\n"))
        return;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *blank = strchr(line, ' ');
        if (blank)
            *blank++ = '\0';
        if (strcmp(line, "job") == 0 && blank && !cpus) {
            size_t size = strcspn(blank, " ");
            free(slurm->job);
            slurm->job = must_strndup(blank, size);
            cpus = must_strdup(blank[size] ? blank + size + 1 : "");
        } else if (strcmp(line, "node") == 0 && blank && *blank && cpus) {
            add_node(slurm, blank);
        }
    }
    if (slurm->n_nodes)
        hold(slurm, cpus);
}

/* ---- when it is over ---- */

static void cancel(const struct slurm *slurm)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    const char *const argv[] = {"scancel", "--quiet", slurm->job, NULL};
    slurm_run(argv, &out, NULL);
}

/* The holder has ended by itself, or with the allocation. */
static void lose(struct slurm *slurm)
{
    CLEANUP(freep)
    char *line = slurm_refusal(slurm->options, slurm->n_options, &slurm->holder);
    bool had_nodes = slurm->phase == SLURM_HELD;
    if (!slurm_job_is_over(slurm) || !slurm->why) {
        slurm->why = !had_nodes
                         ? must_format("Slurm gives no allocation: %s",
                                       line ? line : "salloc says nothing")
                         : must_format("allocation %s was given up: %s", slurm->job,
                                       line ? line : "salloc has ended");
        if (slurm->job && !slurm->is_kept)
            cancel(slurm); /* salloc was killed, and could not give it back */
    }
    slurm->phase = SLURM_OVER;
}

static void read_holder(struct slurm *slurm, struct error *err)
{
    bool is_open = launch_read(&slurm->holder, &slurm->lines, SLURM_OUTPUT_MAX);
    launch_listen(&slurm->holder);
    find_job(slurm);
    if (slurm->phase < SLURM_HELD)
        read_nodes(slurm);
    if (is_open || slurm->holder.fd < 0)
        return;
    if (!launch_has_ended(&slurm->holder)) { /* its status follows at once */
        struct pollfd ended = {.fd = slurm->holder.pidfd, .events = POLLIN};
        poll(&ended, 1, SLURM_COMMAND_MS);
        launch_has_ended(&slurm->holder);
    }
    launch_listen(&slurm->holder);
    find_job(slurm);
    bool is_granted = slurm->is_kept && slurm->job && slurm->holder.pid == 0 &&
                      slurm->holder.status == 0;
    if (is_granted && slurm->phase == SLURM_ASKING) {
        launch_end(&slurm->holder, 0);
        if (attach(slurm, err) < 0)
            lose(slurm);
    } else if (is_granted && slurm->phase == SLURM_HELD) {
        launch_end(&slurm->holder, 0); /* it has said what the nodes are */
    } else {
        lose(slurm);
        launch_end(&slurm->holder, 0);
    }
}

int slurm_job_step(struct slurm *slurm, struct error *err)
{
    if (slurm->holder.fd >= 0)
        read_holder(slurm, err);
    if (slurm->phase == SLURM_ASKING)
        query(slurm);
    if (slurm->phase == SLURM_OVER)
        return error_set(err, -EPIPE, "%s", slurm->why ? slurm->why : "no allocation");
    return 0;
}

/* What belongs to this allocation, and not to the one after it. */
static void forget(struct slurm *slurm)
{
    /* One that waits in the queue does not read its input. */
    bool is_held = slurm->holder.pid > 0 && slurm->phase != SLURM_ASKING;
    launch_end(&slurm->query, 0);
    launch_end(&slurm->holder, is_held ? SLURM_COMMAND_MS : 0);
    free(TAKE(slurm->job));
    free(TAKE(slurm->why));
    free(TAKE(slurm->state));
    free(TAKE(slurm->pending));
    buffer_clear(&slurm->lines);
    buffer_clear(&slurm->answer);
}

int slurm_job_may_renew(const struct slurm *slurm, struct error *err)
{
    bool is_wanted = !slurm->state || strcmp(slurm->state, "CANCELLED") != 0;
    if (slurm->phase == SLURM_OVER && is_wanted && slurm->had_pool &&
        !slurm_option(slurm, "job"))
        return 0;
    return error_set(err, -EPIPE, "%s", slurm->why ? slurm->why : "no allocation");
}

int slurm_job_renew(struct slurm *slurm, struct error *err)
{
    for (size_t i = 0; i < slurm->n_nodes; i++)
        slurm_node_clear(&slurm->nodes[i]);
    slurm->n_nodes = 0;
    slurm->had_pool = false;
    free(slurm->before);
    slurm->before = TAKE(slurm->why);
    forget(slurm);
    slurm->phase = SLURM_ASKING;
    slurm->n_queries = 0;
    return slurm_job_ask(slurm, err);
}

bool slurm_job_withdraw(struct slurm *slurm)
{
    if (slurm->phase != SLURM_ASKING)
        return false;
    slurm->why = must_strdup("nothing waited for an allocation any more");
    slurm->phase = SLURM_OVER;
    launch_end(&slurm->holder, 0);
    if (slurm->job)
        cancel(slurm); /* salloc may have been about to leave it behind */
    return true;
}

void slurm_job_end(struct slurm *slurm)
{
    forget(slurm);
    free(slurm->before);
}
