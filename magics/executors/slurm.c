/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `slurm`: one allocation, and in it one pool a node. It needs what a user
 * of Slurm has at hand on a login node (salloc, srun, squeue, scontrol), and no
 * accounting database. */
#include "magics/executors/slurm.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

static int find_program(const char *name, struct error *err)
{
    const char *folders = getenv("PATH");
    CLEANUP(freep) char *list = must_strdup(folders ? folders : "/usr/bin:/bin");
    char *rest = list;
    for (char *folder; (folder = strsep(&rest, ":"));) {
        CLEANUP(freep) char *path = must_format("%s/%s", *folder ? folder : ".", name);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return error_set(err, -ENOENT,
                     "'%s' is not in $PATH: jobs can be given to Slurm only on a machine "
                     "that has its programs",
                     name);
}

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    static const char *const programs[] = {"salloc", "srun", "squeue", "scontrol",
                                           "scancel"};
    unsigned workers;
    const char *interface = executor_option(options, n_options, "interface");
    const char *job = executor_option(options, n_options, "job");
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        int r = find_program(programs[i], err);
        if (r < 0)
            return r;
    }
    if (job && (!*job || job[strspn(job, "0123456789")]))
        return error_set(err, -EINVAL, "'--job=%s' is not the number of a job", job);
    if (interface && strcmp(interface, "none") != 0) {
        int r = callback_check(interface, err);
        if (r < 0)
            return r;
    }
    return executor_number(options, n_options, "workers", SLURM_WORKERS_MAX, &workers,
                           err);
}

const char *slurm_option(const struct slurm *slurm, const char *name)
{
    return executor_option(slurm->options, slurm->n_options, name);
}

void slurm_watch(struct slurm *slurm, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0)
        epoll_ctl(slurm->epoll, EPOLL_CTL_ADD, fd, &event);
}

void slurm_unwatch(struct slurm *slurm, int fd)
{
    if (fd >= 0)
        epoll_ctl(slurm->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void close_slurm(void *executor)
{
    struct slurm *slurm = executor;
    for (size_t i = 0; i < slurm->n_nodes; i++)
        slurm_node_clear(&slurm->nodes[i]);
    free(slurm->nodes);
    slurm_job_end(slurm);
    closep(&slurm->epoll);
    free(slurm);
}

static int open_slurm(const struct executor_option *options, size_t n_options, void **ret,
                      struct error *err)
{
    struct slurm *slurm = must_alloc(sizeof(*slurm));
    *slurm = (struct slurm){.options = options,
                            .n_options = n_options,
                            .holder = LAUNCH_NONE,
                            .query = LAUNCH_NONE,
                            .epoll = epoll_create1(EPOLL_CLOEXEC)};
    int r = slurm->epoll < 0 ? error_errno(err, -errno, "cannot watch Slurm's programs")
                             : slurm_job_ask(slurm, err);
    if (r < 0) {
        close_slurm(slurm);
        return r;
    }
    *ret = slurm;
    return 0;
}

/* All nodes have failed again and again. */
static int give_up(const struct slurm *slurm, struct error *err)
{
    for (size_t i = 0; i < slurm->n_nodes; i++)
        if (!slurm_node_is_lost(&slurm->nodes[i]))
            return 0;
    const struct slurm_node *node = &slurm->nodes[slurm->n_nodes - 1];
    return error_set(err, -EPIPE, "no pool stays alive in allocation %s: %s: %s",
                     slurm->job, node->name, node->why ? node->why : "it has ended");
}

static int next(void *executor, struct executor_link *ret, struct error *err)
{
    struct slurm *slurm = executor;
    int r = slurm_job_step(slurm, err);
    if (r < 0 || slurm->phase != SLURM_HELD)
        return r;
    for (size_t i = 0; i < slurm->n_nodes; i++)
        if (slurm_node_step(slurm, &slurm->nodes[i], ret)) {
            slurm->had_pool = true;
            return 1;
        }
    if (slurm->phase == SLURM_OVER) /* a node has found out */
        return slurm_job_step(slurm, err);
    return give_up(slurm, err);
}

static int fd(const void *executor)
{
    return ((const struct slurm *)executor)->epoll;
}

static void say_over(const struct slurm *slurm, struct buffer *ret)
{
    const char *advice;
    slurm_loss(slurm, &advice);
    buffer_format(ret, "%s%s%s%s", slurm->why, advice ? "; " : "", advice ? advice : "",
                  slurm_option(slurm, "job") ? "" : "; the next task asks for a new one");
}

static void status(const void *executor, struct buffer *ret)
{
    const struct slurm *slurm = executor;
    size_t n_starting = 0;
    if (slurm->phase == SLURM_OVER) {
        say_over(slurm, ret);
        return;
    }
    if (slurm->before && !slurm->had_pool)
        buffer_format(ret, "%s; ", slurm->before);
    if (slurm->phase == SLURM_ASKING && !slurm->job)
        buffer_add_string(ret, "asking Slurm for an allocation");
    else if (slurm->phase == SLURM_ASKING)
        buffer_format(ret, "job %s is pending%s%s", slurm->job,
                      slurm->pending ? ": " : "", slurm->pending ? slurm->pending : "");
    for (size_t i = 0; i < slurm->n_nodes; i++) {
        const struct slurm_node *node = &slurm->nodes[i];
        n_starting += node->state == SLURM_NODE_STARTING;
        if (node->state == SLURM_NODE_IDLE && node->why)
            buffer_format(ret, "%s%s: %s", ret->size ? "; " : "", node->name, node->why);
        if (node->why_stdio)
            buffer_format(ret,
                          "%s%s cannot connect to this machine (%s): its data go through "
                          "srun, slowly; --interface names an address that it can reach",
                          ret->size ? "; " : "", node->name, node->why_stdio);
    }
    if (n_starting)
        buffer_format(ret, "%sallocation %s: %zu of %zu pools are starting",
                      ret->size ? "; " : "", slurm->job, n_starting, slurm->n_nodes);
}

static void why(void *executor, void *state, struct buffer *ret)
{
    struct slurm *slurm = executor;
    struct slurm_node *node = state;
    if (slurm_job_is_over(slurm)) {
        buffer_add_string(ret, slurm->why);
        return;
    }
    CLEANUP(freep) char *line = launch_last_line(&node->srun);
    if (line)
        buffer_add_string(ret, line);
    free(node->why);
    node->why = TAKE(line);
}

static bool is_over(void *executor)
{
    return slurm_job_is_over(executor);
}

static const char *loss(void *executor, struct buffer *ret_why, struct buffer *ret_advice)
{
    const struct slurm *slurm = executor;
    const char *advice, *name = slurm_loss(slurm, &advice);
    if (!name)
        return NULL;
    buffer_add_string(ret_why, slurm->why);
    if (advice)
        buffer_format(ret_advice, "%s; ", advice);
    buffer_add_string(ret_advice, "--retries 1 starts such a task again in a new one");
    return name;
}

static int renew(void *executor, bool is_wanted, struct error *err)
{
    int r = slurm_job_may_renew(executor, err);
    return r < 0 || !is_wanted ? r : slurm_job_renew(executor, err);
}

static bool withdraw(void *executor)
{
    return slurm_job_withdraw(executor);
}

static void end(void *executor, void *state)
{
    slurm_node_end(state);
}

static const char *const options[] = {
    "partition", "account", "qos",  "nodes",      "ntasks",  "cpus",
    "mem",       "gres",    "time", "constraint", "workers", "interface",
    "prologue",  "keep",    "job",  "shared",     NULL};

const struct executor_type executor_slurm = {
    .name = "slurm",
    .summary = "one allocation of Slurm, with a pool on each of its nodes; any option of "
               "salloc is passed through",
    .options = options,
    .takes_any = true,
    .lease_ms = 10000,
    .check = check,
    .open = open_slurm,
    .next = next,
    .fd = fd,
    .status = status,
    .why = why,
    .is_over = is_over,
    .loss = loss,
    .renew = renew,
    .withdraw = withdraw,
    .end = end,
    .close = close_slurm,
};
