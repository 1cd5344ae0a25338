/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/app/run_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/app/command.h"
#include "magics/executors/batch_file.h"
#include "magics/executors/pool_client.h"
#include "pickler/base/file.h"

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
static int write_output(int fd, const struct pool_event *event, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer record = {0};
    uint32_t size = (uint32_t)event->size;
    buffer_add_char(&record, event->kind == POOL_EVENT_DISPLAY ? 0 : (char)event->stream);
    for (int shift = 0; shift < 32; shift += 8)
        buffer_add_char(&record, (char)(size >> shift));
    buffer_add(&record, event->data, event->size);
    int r = write_all(fd, record.data, record.size);
    return r < 0 ? error_errno(err, r, "cannot write the output") : 0;
}

static int wait_for(struct batch_run *run, size_t part, uint32_t id, int out,
                    struct error *err)
{
    for (;;) {
        struct pool_event event = {0};
        int r = pool_client_wait(run->client, -1, -1, &event, err);
        if (r < 0)
            return r;
        if (event.kind == POOL_EVENT_OUTPUT || event.kind == POOL_EVENT_DISPLAY) {
            r = write_output(out, &event, err);
        } else if (event.kind == POOL_EVENT_RESULT) {
            bool is_it = event.id == id;
            if (is_it)
                r = batch_result_save(run->folder, part, &event.outcome, event.data,
                                      event.size, err);
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
    if (outcome.kind != OUTCOME_OK)
        return batch_result_save(run->folder, part, &outcome, NULL, 0, err);
    uint32_t id;
    r = pool_client_submit(run->client, run->hash, argument.data, argument.size, &id,
                           err);
    return r < 0 ? r : wait_for(run, part, id, out, err);
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
    int r = batch_file_open(order->folder, key, &run.file, &err);
    if (r == 0)
        r = run_parts(&run, &err);
    if (r < 0)
        fprintf(stderr, "achar run: '%s': %s\n", order->folder, err.text);
    pool_client_free(run.client);
    batch_file_clear(&run.file);
    return r < 0 ? 1 : 0;
}
