/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a payload comes to have job workers: a blank zygote is given it, compiles and loads
 * it, and forks. What libtcc refuses is compiled by cc in a process of its own first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/peer/protocol.h"
#include "kernel/pool/tier.h"

#define FAMILY_DEATHS_MAX                                                                \
    2 /* zygotes lost in a row, before waiting tasks are given up                        \
       */

#define FAILED_US 1000000 /* until a zygote that could not be started is tried again */

static const struct process no_process = {.pidfd = -1, .out = -1, .err = -1};

static int start_blank(struct pool *pool, struct process *ret, struct error *err)
{
    static const char *const argv[] = {"achar-worker", "--zygote", NULL};
    return process_start(argv, false, -1, ++pool->generation, ret, err);
}

void zygotes_prestart(struct pool *pool)
{
    if (pool->blank.pid > 0 || pool->now < pool->prestart_at ||
        start_blank(pool, &pool->blank, NULL) == 0)
        return;
    pool->blank = no_process;
    pool->prestart_at = pool->now + FAILED_US;
}

uint64_t zygotes_due(const struct pool *pool)
{
    for (size_t i = 0; i < pool->n_families; i++)
        if (pool->families[i]->state == FAMILY_LOADING)
            return UINT64_MAX;
    return pool->blank.pid > 0 ? UINT64_MAX : pool->prestart_at;
}

static void answer_request(struct pool *pool, struct family *family,
                           const struct outcome *outcome)
{
    if (!family->request)
        return;
    struct buffer body = {0};
    outcome_pack(outcome, &body);
    pool_say(pool, POOL_PAYLOAD, family->request, &body);
    buffer_clear(&body);
    family->request = 0;
}

/* The payload cannot be served: everybody who asked is told, and it is forgotten. One
 * that had been loaded before stays, for the front believes it here. */
static void fail(struct pool *pool, struct family *family, const struct outcome *outcome)
{
    answer_request(pool, family, outcome);
    tasks_fail_waiting(pool, family, outcome);
    zygotes_sleep(pool, family);
    family->is_removed = !family->is_proven;
}

static void fail_because(struct pool *pool, struct family *family, const char *name,
                         const char *message)
{
    struct outcome outcome = {
        .kind = OUTCOME_DIED, .name = (char *)name, .message = (char *)message};
    fail(pool, family, &outcome);
}

bool zygotes_make_room(struct pool *pool, size_t max)
{
    struct family *oldest = NULL;
    size_t n_awake = 0;
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family->state == FAMILY_ASLEEP)
            continue;
        n_awake++;
        if (family_is_idle(family) && (!oldest || family->used < oldest->used))
            oldest = family;
    }
    if (n_awake <= max || !oldest || oldest == pool->active)
        return false;
    zygotes_sleep(pool, oldest);
    return true;
}

static void start_compiler(struct pool *pool, struct family *family)
{
    static const char *const argv[] = {"achar-pool", "--compile", NULL};
    struct error err = {0};
    struct buffer body = {0};
    pack_bytes(&body, family->payload.data, family->payload.size);
    pack_u64(&body, COMPILER_WHOLE);
    int r = process_start(argv, false, -1, ++pool->generation, &family->compiler, &err);
    if (r == 0)
        r = channel_post(family->compiler.channel, COMPILER_RUN, 0, 1, body.data,
                         body.size, &err);
    buffer_clear(&body);
    if (r < 0)
        fail_because(pool, family, "CompilerLost", err.text);
    else
        family->state = FAMILY_COMPILING;
}

static int take_zygote(struct pool *pool, struct family *family, struct error *err)
{
    if (family->zygote.pid > 0)
        return 0;
    if (pool->blank.pid <= 0)
        return start_blank(pool, &family->zygote, err);
    family->zygote = pool->blank;
    pool->blank = no_process;
    return 0;
}

static void load(struct pool *pool, struct family *family)
{
    struct error err = {0};
    struct buffer body = {0};
    family->keep = pool->n_prestart ? pool->n_prestart : 1 + POOL_SPARE;
    pack_bytes(&body, family->payload.data, family->payload.size);
    pack_bytes(&body, family->object.data, family->object.size);
    pack_u64(&body, family->keep);
    pack_u64(&body, family->is_hopeless);
    bool is_new = family->zygote.pid <= 0;
    int r = take_zygote(pool, family, &err);
    if (r == 0 && is_new)
        r = supply_zygote(family, &err);
    if (r == 0)
        r = channel_post(family->zygote.channel, ZYGOTE_LOAD, 0, 1, body.data, body.size,
                         &err);
    buffer_clear(&body);
    /* A zygote that has died shows as the end of its channel, as at any other time. */
    if (r < 0 && r != -EPIPE)
        fail_because(pool, family, "ZygoteLost", err.text);
    else
        family->state = FAMILY_LOADING;
}

void zygotes_wake(struct pool *pool, struct family *family)
{
    zygotes_make_room(pool, 2 * POOL_ZYGOTES_MAX - 1);
    family->used = ++pool->clock;
    if (family->is_by_cc && !family->object.size && !family->is_hopeless)
        start_compiler(pool, family);
    else
        load(pool, family);
}

static void end_process(struct process *process)
{
    if (process->pid > 0)
        kill(-process->pid, SIGKILL); /* its group: a compiler's own children */
    pid_t pid = process->pid;
    process_end(process);
    surroundings_remove(pid);
    *process = no_process;
}

void zygotes_end_compiler(struct family *family)
{
    end_process(&family->compiler);
}

void zygotes_sleep(struct pool *pool, struct family *family)
{
    bool had_any = family->zygote.channel || family->compiler.channel;
    for (struct worker *worker = family->workers; worker; worker = worker->next) {
        if (worker->is_gone)
            continue;
        worker->is_gone = true;
        if (worker->task) {
            family->n_running--;
            pool->n_running--;
        } else {
            family->n_ready--;
        }
    }
    tier_asleep(pool, family);
    end_process(&family->zygote);
    end_process(&family->compiler);
    family->state = FAMILY_ASLEEP;
    if (had_any)
        zygotes_sweep(pool);
}

/* What a zygote whose channel has ended died of. Its descriptors are closed just before
 * its status can be had, hence the short wait. */
static char *describe_end(struct process *zygote)
{
    int status = 0;
    struct pollfd ended = {.fd = zygote->pidfd, .events = POLLIN};
    if (zygote->pidfd >= 0)
        poll(&ended, 1, 50);
    if (!process_has_ended(zygote, &status))
        return must_strdup("closed its channel");
    if (WIFSIGNALED(status))
        return must_format("was killed by signal %d (%s)", WTERMSIG(status),
                           strsignal(WTERMSIG(status)));
    return must_format("ended with status %d", WEXITSTATUS(status));
}

/* Its job workers die with it. What ran is lost; what waits is given to a new one, once.
 */
static void zygote_died(struct pool *pool, struct family *family)
{
    CLEANUP(freep) char *end = describe_end(&family->zygote);
    for (struct worker *worker = family->workers; worker; worker = worker->next)
        if (!worker->is_gone)
            tasks_worker_died(pool, family, worker, &(struct death){.status = -1});
    bool was_loading = family->state == FAMILY_LOADING;
    zygotes_sleep(pool, family);
    family->deaths++;
    if (family->deaths >= FAMILY_DEATHS_MAX || (was_loading && !family->is_proven)) {
        CLEANUP(freep)
        char *message = must_format(
            was_loading
                ? "the process that loads the payload %s"
                : "the process that forks the job workers %s, and not for the first time",
            end);
        fail_because(pool, family, "ZygoteLost", message);
    } else if (family->n_waiting || family->request) {
        zygotes_wake(pool, family);
    }
}

static void loaded(struct pool *pool, struct family *family, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct outcome outcome = {0};
    struct error err = {0};
    if (outcome_unpack(&in, &outcome, &err) < 0) {
        fail_because(pool, family, "ZygoteLost", err.text);
        return;
    }
    if (outcome.kind == OUTCOME_OK) {
        family->state = FAMILY_AWAKE;
        family->is_proven = true;
        pool->prestart_at = pool->now + POOL_PRESTART_US;
        tier_loaded(pool, family, unpack_bool(&in) && !in.failed);
        answer_request(pool, family, &outcome);
    } else if (outcome.kind == OUTCOME_COMPILE && !family->is_by_cc) {
        family->is_by_cc = true;
        family->is_wish = outcome.name && !strcmp(outcome.name, ZYGOTE_WISH);
        start_compiler(pool, family);
    } else {
        fail(pool, family, &outcome);
    }
    outcome_clear(&outcome);
}

static void pid_ended(struct pool *pool, struct family *family, pid_t pid,
                      const struct death *death)
{
    struct worker *worker = family_find_worker(family, pid);
    if (worker)
        tasks_worker_died(pool, family, worker, death);
}

static void add_worker(struct pool *pool, struct family *family,
                       const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    pid_t pid = (pid_t)unpack_max(&in, INT32_MAX);
    for (size_t n = unpack_count(&in); n && !in.failed; n--)
        pid_ended(pool, family, (pid_t)unpack_max(&in, INT32_MAX), &(struct death){0});
    int fds[5] = {-1, -1, -1, -1, -1};
    if ((frame->n_fds == 4 || frame->n_fds == 5) && unpack_done(&in)) {
        memcpy(fds, frame->fds, frame->n_fds * sizeof(*fds));
        family_add_worker(family, pid, fds);
        return;
    }
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
}

static void worker_died(struct pool *pool, struct family *family,
                        const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    pid_t pid = (pid_t)unpack_max(&in, INT32_MAX);
    struct death death = {.status = (int)unpack_max(&in, INT32_MAX)};
    death.task = (uint32_t)unpack_max(&in, UINT32_MAX);
    death.left = unpack_bytes(&in, &death.left_size);
    if (unpack_done(&in))
        pid_ended(pool, family, pid, &death);
}

void zygotes_read(struct pool *pool, struct family *family)
{
    struct frame frame;
    int r = channel_flush(family->zygote.channel, NULL);
    while (r >= 0 && family->zygote.channel) {
        r = channel_receive(family->zygote.channel, 0, &frame, NULL);
        if (r == 0)
            return;
        if (r < 0)
            break;
        if (frame.kind == ZYGOTE_READY)
            add_worker(pool, family, &frame);
        else if (frame.kind == ZYGOTE_DIED)
            worker_died(pool, family, &frame);
        else if (frame.kind == ZYGOTE_IMPROVE)
            tier_improved(pool, family, &frame);
        else if (frame.kind == ZYGOTE_LOAD && family->state == FAMILY_LOADING)
            loaded(pool, family, &frame);
    }
    if (r < 0)
        zygote_died(pool, family);
}

/* There may be no compiler on this host. */
static void do_without(struct pool *pool, struct family *family)
{
    family->is_hopeless = true;
    end_process(&family->compiler);
    load(pool, family);
}

void zygotes_read_compiler(struct pool *pool, struct family *family)
{
    if (family->state == FAMILY_AWAKE) {
        tier_read_compiler(pool, family);
        return;
    }
    struct frame frame;
    struct error err = {0};
    struct outcome outcome = {0};
    int r = channel_flush(family->compiler.channel, &err);
    if (r == 0)
        r = channel_receive(family->compiler.channel, 0, &frame, &err);
    if (r == 0 || (r == 1 && frame.kind == FRAME_HELLO))
        return;
    struct unpack in = r == 1 ? unpack_init(frame.data, frame.size) : (struct unpack){0};
    if (r == 1 && frame.kind != COMPILER_RUN)
        r = error_set(&err, -EBADMSG, "the compiling helper gave no answer");
    if (r == 1)
        r = outcome_unpack(&in, &outcome, &err);
    if (family->is_wish && (r < 0 || outcome.kind != OUTCOME_OK)) {
        do_without(pool, family);
        outcome_clear(&outcome);
        return;
    }
    if (r < 0) {
        fail_because(pool, family, "CompilerLost", err.text);
        return;
    }
    size_t size;
    const void *object = unpack_bytes(&in, &size);
    if (outcome.kind == OUTCOME_OK && unpack_done(&in) && size) {
        buffer_add(&family->object, object, size);
        end_process(&family->compiler);
        load(pool, family);
    } else if (outcome.kind == OUTCOME_OK) {
        fail_because(pool, family, "CompilerLost", "the compiling helper gave no object");
    } else {
        fail(pool, family, &outcome);
    }
    outcome_clear(&outcome);
}

void zygotes_keep(struct pool *pool, struct family *family, size_t keep)
{
    struct buffer body = {0};
    family->keep = keep;
    pack_u64(&body, keep);
    /* When it has died, the end of its channel says so. */
    if (channel_post(family->zygote.channel, ZYGOTE_KEEP, 0, 0, body.data, body.size,
                     NULL) < 0)
        family->keep = 0;
    buffer_clear(&body);
}

static bool is_known(const struct pool *pool, pid_t pid)
{
    if (pid == pool->blank.pid)
        return true;
    for (size_t i = 0; i < pool->n_families; i++)
        if (pid == pool->families[i]->zygote.pid ||
            pid == pool->families[i]->compiler.pid)
            return true;
    return false;
}

/* Parent and group of a process, from /proc/PID/stat (proc(5)): "PID (name) S PPID PGRP".
 */
static bool read_parent(const char *pid, int *ret_parent, int *ret_group)
{
    char path[64], text[512];
    if (snprintf(path, sizeof(path), "/proc/%s/stat", pid) >= (int)sizeof(path))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *after_name = strrchr(text, ')');
    return after_name && sscanf(after_name, ") %*c %d %d", ret_parent, ret_group) == 2;
}

/* One pass over our own children that nobody knows; true when there were any. */
static bool sweep_once(const struct pool *pool)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return false;
    bool found = false;
    pid_t self = getpid();
    for (struct dirent *entry; (entry = readdir(folder));) {
        int parent, group;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !read_parent(entry->d_name, &parent, &group) || parent != self ||
            is_known(pool, pid))
            continue;
        if (group == pid)
            kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        found = true;
    }
    closedir(folder);
    return found;
}

/* The pool is a subreaper: orphans of a dead zygote become its children, and theirs when
 * they are killed, until none is left. */
void zygotes_sweep(struct pool *pool)
{
    for (int pass = 0; pass < 1000 && sweep_once(pool); pass++)
        ;
}
