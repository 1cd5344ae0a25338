/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/app/run_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/app/command.h"
#include "magics/executors/batch_file.h"
#include "magics/executors/pool_client.h"
#include "pickler/base/file.h"

#define TOLD_MS                                                                          \
    2000 /* from a task's SIGTERM to our own, which the engine sends to all              \
          */
#define ROOM_BYTES                                                                       \
    8192 /* of a log that cannot grow: dropped, for a note and the result */

/* What a part prints. A disk that is full costs output, not the task. */
struct log {
    int fd;
    off_t size, marks[2]; /* ends of records, the first ROOM_BYTES before the second */
    uint64_t n_lost;      /* bytes that could not be written */
    int why;              /* errno of the first */
};

struct batch_run {
    const char *folder;
    struct batch_file file;
    size_t index, stride;
    struct pool_client *client; /* NULL: none yet */
    uint8_t hash[PAYLOAD_HASH_SIZE];
};

static bool read_number(const char *text, size_t min, size_t *ret)
{
    char *end;
    errno = 0;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || errno || *end || *text < '0' || *text > '9' || n < min ||
        n > BATCH_PARTS_MAX)
        return false;
    *ret = n;
    return true;
}

/* (u8 stream, u32 size, bytes) */
static int write_record(struct log *log, char stream, const void *data, size_t size)
{
    CLEANUP(buffer_clear) struct buffer record = {0};
    buffer_add_char(&record, stream);
    for (int shift = 0; shift < 32; shift += 8)
        buffer_add_char(&record, (char)((uint32_t)size >> shift));
    buffer_add(&record, data, size);
    int r = write_all(log->fd, record.data, record.size);
    if (r < 0)
        return r;
    log->size += (off_t)record.size;
    if (log->size - log->marks[1] >= ROOM_BYTES) {
        log->marks[0] = log->marks[1];
        log->marks[1] = log->size;
    }
    return 0;
}

static void cut(struct log *log, off_t size)
{
    if (ftruncate(log->fd, size) == 0)
        lseek(log->fd, size, SEEK_SET);
    log->size = size;
}

static void write_output(struct log *log, const struct pool_event *event)
{
    char stream = event->kind == POOL_EVENT_DISPLAY ? 0 : (char)event->stream;
    int r = log->why ? -log->why : write_record(log, stream, event->data, event->size);
    if (r == 0)
        return;
    if (!log->why) {
        log->n_lost = (uint64_t)(log->size - log->marks[0]);
        cut(log, log->marks[0]);
    }
    log->why = -r;
    log->n_lost += event->size;
}

static void say_lost(struct log *log)
{
    if (!log->why)
        return;
    CLEANUP(freep)
    char *note =
        must_format("[%" PRIu64 " bytes of the output could not be written: %s]\n",
                    log->n_lost, strerror(log->why));
    (void)!write_record(log, 2, note, strlen(note));
}

static void name_host(struct outcome *outcome)
{
    char host[256] = "";
    const char *node = getenv("SLURMD_NODENAME");
    if (!node && gethostname(host, sizeof(host) - 1) == 0)
        node = host;
    outcome_name_host(outcome, node ? node : "its node");
}

/* A result for which there is no room is one that says so. */
static int save_result(const struct batch_run *run, size_t part, struct log *log,
                       const struct pool_event *event, struct error *err)
{
    struct error why = {0};
    say_lost(log);
    int r = batch_result_save(run->folder, part, &event->outcome, event->data,
                              event->size, &why);
    if (r == 0 || r == -EEXIST)
        return r;
    CLEANUP(freep)
    char *text =
        must_format("its result of %zu bytes was lost: %s", event->size, why.text);
    const struct outcome outcome = {
        .kind = OUTCOME_DIED, .name = (char *)"ResultLost", .message = text};
    cut(log, 0);
    r = batch_result_save(run->folder, part, &outcome, NULL, 0, err);
    return r;
}

/* The engine ends the job: it takes the node back, or the time is over. SIGTERM is
 * blocked here, and so waits until somebody asks. */
static bool is_told_to_end(const struct outcome *outcome)
{
    sigset_t term;
    const struct timespec time = {.tv_sec = TOLD_MS / 1000};
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    bool may_be = outcome->kind == OUTCOME_DIED || /* the pool was told as well */
                  (outcome->name && strcmp(outcome->name, "SIGTERM") == 0);
    return may_be && sigtimedwait(&term, NULL, &time) == SIGTERM;
}

static int wait_for(struct batch_run *run, size_t part, uint32_t id, struct log *log,
                    struct error *err)
{
    for (;;) {
        struct pool_event event = {0};
        int r = pool_client_wait(run->client, -1, -1, &event, err);
        if (r < 0)
            return r;
        if (event.kind == POOL_EVENT_OUTPUT || event.kind == POOL_EVENT_DISPLAY) {
            write_output(log, &event);
        } else if (event.kind == POOL_EVENT_RESULT) {
            bool is_it = event.id == id;
            if (is_it && is_told_to_end(&event.outcome)) /* not the task's own end */
                r = error_set(err, -EINTR, "the engine has ended the job");
            if (is_it)
                name_host(&event.outcome);
            if (is_it && r == 0)
                r = save_result(run, part, log, &event, err);
            outcome_clear(&event.outcome);
            if (is_it)
                return r;
        }
        if (r < 0)
            return r;
    }
}

/* The pool with the payload; *ret_outcome says why it was refused. */
static int start_pool(struct batch_run *run, struct outcome *ret_outcome,
                      struct error *err)
{
    static const struct executor_option one_worker = {"workers", "1"};
    payload_hash(run->file.payload, run->file.payload_size, run->hash);
    if (run->client && !pool_client_is_alive(run->client))
        pool_client_free(TAKE(run->client));
    int r = run->client
                ? 0
                : pool_client_new(&executor_local, &one_worker, 1, &run->client, err);
    if (r < 0)
        return r;
    return pool_client_payload(run->client, run->hash, run->file.payload,
                               run->file.payload_size, ret_outcome, err);
}

static int run_part(struct batch_run *run, size_t part, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer argument = {0};
    CLEANUP(freep) char *path = must_format("%s/out.%zu", run->folder, part);
    CLEANUP(closep)
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0)
        return error_errno(err, -errno, "cannot write '%s'", path);
    int r = batch_argument_read(run->folder, &run->file, part, &argument, err);
    if (r == 0)
        r = start_pool(run, &outcome, err);
    if (r < 0)
        return r;
    name_host(&outcome);
    if (outcome.kind != OUTCOME_OK)
        return batch_result_save(run->folder, part, &outcome, NULL, 0, err);
    uint32_t id;
    r = pool_client_submit(run->client, run->hash, argument.data, argument.size, &id,
                           err);
    struct log log = {.fd = out};
    return r < 0 ? r : wait_for(run, part, id, &log, err);
}

static int run_parts(struct batch_run *run, struct error *err)
{
    for (size_t part = run->index; part < run->file.n_parts; part += run->stride) {
        if (batch_has_result(run->folder, part))
            continue;
        int r = run_part(run, part, err);
        if (r == -EEXIST) { /* another start of the same job was faster */
            *err = (struct error){0};
            r = 0;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int run_batch(const struct run_batch *order)
{
    struct batch_run run = {.folder = order->folder};
    struct error err = {0};
    uint8_t key[SIGN_KEY_SIZE];
    if (!order->trust || !sign_key_from_hex(order->trust, key) ||
        !read_number(order->index, 0, &run.index) ||
        !read_number(order->stride, 1, &run.stride)) {
        fprintf(stderr,
                "achar run: --batch needs --trust KEY, --index N and --stride N\n");
        return COMMAND_USAGE;
    }
    umask(077);
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like a full disk */
    int r = batch_file_open(order->folder, key, &run.file, &err);
    if (r == 0)
        r = run_parts(&run, &err);
    if (r < 0)
        fprintf(stderr, "achar run: '%s': %s\n", order->folder, err.text);
    pool_client_free(run.client);
    batch_file_clear(&run.file);
    return r < 0 ? 1 : 0;
}
