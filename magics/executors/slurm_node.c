/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `srun` starts one pool on the node. Its standard input and output serve to tell both
 * sides the other's key; the data go over a connection that the pool makes to us, since
 * srun holds back frames above 1 KiB (44 ms each way, before Slurm 24.05). Where no
 * connection can be made, they go through srun all the same, and that is said. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "magics/executors/slurm.h"
#include "pickler/base/clock.h"
#include "pickler/base/pack.h"

#define MARK_BYTES 16
#define END_MS                                                                           \
    1500 /* a pool that was told to end; srun is asked to end it after this              \
          */

/* For a pool that is left alone, with its step as the environment says. The first of all
 * that are waits for the others, and gives the allocation back: nobody else would. */
#define GIVE_BACK                                                                        \
    "me=$SLURM_STEP_ID; "                                                                \
    "while steps=`squeue -hs -j $SLURM_JOB_ID -o %i`; do "                               \
    "more=; for s in $steps; do s=${s##*.}; "                                            \
    "case $s in *[!0-9]*|$me) continue;; esac; "                                         \
    "[ $s -lt $me ] && exit; more=1; done; "                                             \
    "[ $more ] || exec scancel $SLURM_JOB_ID; sleep 2; done"
#define LEFT_LEASES 3 /* of silence, where nothing tells that the front is dead */

static char *make_mark(void)
{
    uint8_t random[MARK_BYTES];
    struct buffer text = {0};
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        memset(random, 0, sizeof(random)); /* it only has to differ from noise */
    buffer_add_string(&text, "achar-");
    for (size_t i = 0; i < sizeof(random); i++)
        buffer_format(&text, "%02x", random[i]);
    return buffer_take(&text);
}

static bool has_connection(const struct slurm *slurm)
{
    const char *interface = slurm_option(slurm, "interface");
    return !interface || strcmp(interface, "none") != 0;
}

/* ms; for the pool to wait until it takes a silent front for dead. */
static unsigned patience(const struct slurm *slurm)
{
    unsigned lease_s = executor_slurm.lease_ms / 1000;
    if (executor_number(slurm->options, slurm->n_options, "lease", UINT16_MAX, &lease_s,
                        NULL) < 0)
        lease_s = executor_slurm.lease_ms / 1000;
    return LEFT_LEASES * 1000 * lease_s;
}

static int start_srun(struct slurm *slurm, struct slurm_node *node, const char *mark,
                      struct error *err)
{
    CLEANUP(freep) char *job = must_format("--jobid=%s", slurm->job);
    CLEANUP(freep) char *where = must_format("--nodelist=%s", node->name);
    CLEANUP(freep) char *cpus = must_format("--cpus-per-task=%u", node->cpus);
    CLEANUP(freep) char *pool = process_helper_path("achar-pool");
    CLEANUP(freep) char *own = must_format("%u", node->cpus);
    CLEANUP(freep) char *left_ms = must_format("%u", patience(slurm));
    const char *workers = slurm_option(slurm, "workers");
    const char *prologue = slurm_option(slurm, "prologue");
    CLEANUP(freep)
    char *script = must_format("%s\nexec \"$0\" \"$@\"", prologue ? prologue : "");
    const char *argv[32] = {
        "srun",    job,         where, "-N1",        "-n1",
        cpus,      "--overlap", "-u",  "--mpi=none", "sh",
        "-c",      script,      pool,  "--workers",  workers ? workers : own,
        "--stdio", mark};
    size_t n = 17;
    if (has_connection(slurm))
        argv[n++] = "--dial";
    if (!slurm->is_kept) {
        argv[n++] = "--left-ms";
        argv[n++] = left_ms;
        argv[n++] = "--left";
        argv[n++] = GIVE_BACK;
    }
    return launch_start(argv, &node->srun, err);
}

static void fail(struct slurm_node *node, const char *why)
{
    CLEANUP(freep) char *line = launch_last_line(&node->srun);
    CLEANUP(freep) char *text = must_strdup(line ? line : why);
    slurm_node_end(node);
    node->why = TAKE(text);
}

static void start(struct slurm *slurm, struct slurm_node *node)
{
    CLEANUP(freep) char *mark = make_mark();
    struct error err = {0};
    free(TAKE(node->why));
    free(TAKE(node->why_stdio));
    node->started = clock_ms();
    if (start_srun(slurm, node, mark, &err) < 0) {
        fail(node, err.text);
        return;
    }
    node->state = SLURM_NODE_STARTING;
    node->stdio = channel_new(node->srun.fd, node->srun.fd);
    channel_expect(node->stdio, mark);
    slurm_watch(slurm, node->srun.fd);
    slurm_watch(slurm, node->srun.err);
    node->srun.fd = -1;
}

static bool link_up(struct slurm *slurm, struct slurm_node *node, struct channel *channel,
                    struct executor_link *ret)
{
    /* Nothing more is read from it here: its end would wake us for ever. */
    slurm_unwatch(slurm, channel_fd(channel == node->stdio ? channel : node->stdio));
    if (channel == node->stdio)
        node->stdio = NULL;
    callback_free(TAKE(node->callback));
    node->state = SLURM_NODE_LINKED;
    *ret = (struct executor_link){.channel = channel,
                                  .host = must_strdup(node->name),
                                  .state = node,
                                  .death_fd = node->srun.pidfd};
    return true;
}

static int offer(struct slurm *slurm, struct slurm_node *node, const struct frame *frame,
                 struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size;
    const uint8_t *peer = unpack_bytes(&in, &size);
    if (!unpack_done(&in) || size != TLS_HASH_SIZE || node->callback)
        return error_set(err, -EBADMSG, "the pool's key cannot be read");
    int r = callback_new(slurm_option(slurm, "interface"), peer, &node->callback, err);
    if (r < 0)
        return r;
    slurm_watch(slurm, callback_fd(node->callback));
    callback_offer(node->callback, &body);
    return channel_send(node->stdio, POOL_DIAL, 0, 0, body.data, body.size, err);
}

/* 1: the data stay on srun's input and output; 0: a connection has been made. */
static int read_dialled(struct slurm_node *node, const struct frame *frame,
                        struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    CLEANUP(freep) char *address = unpack_string(&in);
    CLEANUP(freep) char *why = unpack_string(&in);
    if (!unpack_done(&in))
        return error_set(err, -EBADMSG, "the pool's word cannot be read");
    if (address)
        return 0;
    node->why_stdio = must_strdup(why ? why : "unknown");
    return 1;
}

/* 1: the pool stays with srun's input and output; 0: more is to come. */
static int listen_stdio(struct slurm *slurm, struct slurm_node *node, struct error *err)
{
    struct frame frame;
    for (;;) {
        int r = channel_receive(node->stdio, 0, &frame, err);
        if (r <= 0)
            return r;
        if (frame.kind == POOL_KEY)
            r = offer(slurm, node, &frame, err);
        else if (frame.kind == POOL_DIALLED)
            r = read_dialled(node, &frame, err);
        else
            r = error_set(err, -EBADMSG, "the pool speaks out of turn");
        if (r != 0)
            return r;
    }
}

static bool go_on(struct slurm *slurm, struct slurm_node *node, struct executor_link *ret)
{
    struct error err = {0};
    launch_listen(&node->srun);
    if (!has_connection(slurm))
        return link_up(slurm, node, node->stdio, ret);
    struct channel *far = node->callback ? callback_accept(node->callback) : NULL;
    if (far)
        return link_up(slurm, node, far, ret);
    int r = listen_stdio(slurm, node, &err);
    if (r == 1)
        return link_up(slurm, node, node->stdio, ret);
    if (r < 0) {
        launch_has_ended(&node->srun);
        fail(node, r == -EPIPE ? "srun has ended" : err.text);
    } else if (clock_ms() - node->started > SLURM_START_MS) {
        fail(node, "the pool did not start in time");
    }
    return false;
}

bool slurm_node_step(struct slurm *slurm, struct slurm_node *node,
                     struct executor_link *ret)
{
    if (node->state == SLURM_NODE_LINKED)
        launch_listen(&node->srun);
    if (node->state == SLURM_NODE_IDLE && !slurm_node_is_lost(node) &&
        clock_ms() >= node->retry_at && !(node->n_deaths && slurm_job_is_over(slurm)))
        start(slurm, node);
    return node->state == SLURM_NODE_STARTING && go_on(slurm, node, ret);
}

void slurm_node_end(struct slurm_node *node)
{
    bool is_young = clock_ms() - node->started < SLURM_YOUNG_MS;
    channel_free(TAKE(node->stdio)); /* srun sees the end of its input */
    callback_free(TAKE(node->callback));
    launch_end(&node->srun, END_MS);
    node->n_deaths = is_young ? node->n_deaths + 1 : 1;
    node->retry_at = clock_ms() + 500 * node->n_deaths;
    node->state = SLURM_NODE_IDLE;
}

bool slurm_node_is_lost(const struct slurm_node *node)
{
    return node->state == SLURM_NODE_IDLE && node->n_deaths >= SLURM_DEATHS_MAX;
}

void slurm_node_clear(struct slurm_node *node)
{
    channel_free(node->stdio);
    callback_free(node->callback);
    launch_end(&node->srun, END_MS);
    free(node->name);
    free(node->why);
    free(node->why_stdio);
}
