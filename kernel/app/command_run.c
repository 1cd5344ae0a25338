/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar run`: a payload file on a pool of one worker of this machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/app/command.h"
#include "kernel/app/payload_file.h"
#include "kernel/app/run_batch.h"
#include "kernel/app/run_entry.h"
#include "kernel/display/report.h"
#include "magics/executors/pool_client.h"
#include "pickler/base/file.h"

struct options {
    const char *path, *name;
    char **arguments;
    size_t n_arguments;
    struct run_batch batch;
};

/* What follows --batch: "--NAME VALUE" pairs, which only engines write. */
static bool parse_batch(int argc, char **argv, struct run_batch *ret)
{
    static const char *const names[] = {"--batch", "--trust", "--index", "--stride"};
    const char **values[] = {&ret->folder, &ret->trust, &ret->index, &ret->stride};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < 4 && strcmp(argv[i], names[k]) != 0)
            k++;
        if (k == 4 || i + 1 == argc)
            return false;
        *values[k] = argv[i + 1];
    }
    return ret->folder != NULL;
}

static int parse(int argc, char **argv, struct options *ret)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--name") == 0 && i + 1 < argc) {
            ret->name = argv[++i];
        } else if (strncmp(argv[i], "--name=", 7) == 0) {
            ret->name = argv[i] + 7;
        } else {
            fprintf(stderr, "achar run: unknown option '%s'\n", argv[i]);
            return COMMAND_USAGE;
        }
    }
    if (i == argc) {
        fprintf(stderr, "achar run: a payload file is needed\n");
        return COMMAND_USAGE;
    }
    ret->path = argv[i++];
    if (i < argc && strcmp(argv[i], "--name") == 0 && i + 1 < argc && !ret->name) {
        ret->name = argv[i + 1];
        i += 2;
    }
    ret->arguments = argv + i;
    ret->n_arguments = (size_t)(argc - i);
    return 0;
}

/* Makes the payload one that can be run as a task. */
static int prepare(struct payload *payload, const struct options *options,
                   struct error *err)
{
    switch (payload->entry) {
    case PAYLOAD_NONE:
        return run_entry_make(payload, options->name, options->arguments,
                              options->n_arguments, err);
    case PAYLOAD_RANGE:
        return error_set(err, -EINVAL, "it is one of %%%%parfor, which needs its indices");
    case PAYLOAD_MAP:
        return error_set(err, -EINVAL, "it is one of %%map, which needs its inputs");
    case PAYLOAD_CALL:
        break;
    }
    if (options->name || options->n_arguments)
        return error_set(err, -EINVAL, "it is a call already and takes no arguments");
    return 0;
}

/* The text of a line of a cell, from what the payload holds of it. */
static char *source_line(void *context, uint32_t cell, uint32_t line)
{
    const struct payload *payload = context;
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if (definition->cell != cell || definition->line > line || !definition->source)
            continue;
        const char *text = definition->source;
        for (uint32_t at = definition->line; text && at < line; at++) {
            text = strchr(text, '\n');
            text = text ? text + 1 : NULL;
        }
        if (text)
            return must_strndup(text, strcspn(text, "\n"));
    }
    return NULL;
}

static void print_failure(const char *path, struct payload *payload,
                          const struct outcome *outcome)
{
    CLEANUP(report_clear) struct report report = {0};
    struct report_context context = {
        .line = source_line, .context = payload, .has_no_session = true};
    report_outcome(outcome, &context, &report);
    CLEANUP(freep) char *text = report_text(&report, !isatty(STDERR_FILENO));
    fprintf(stderr, "achar run: '%s' failed\n%s\n", path, text);
}

/* The exit status. */
static int finish(const char *path, struct payload *payload,
                  const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_EXIT)
        return outcome->status & 0xff;
    if (outcome->kind != OUTCOME_OK) {
        print_failure(path, payload, outcome);
        return 1;
    }
    if (outcome->value_text && *outcome->value_text)
        puts(outcome->value_text);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* What a terminal can show of it. */
static void print_display(const struct pool_event *event)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct unpack in = unpack_init(event->data, event->size);
    if (bundle_unpack(&in, &bundle, NULL) < 0 || !bundle.n_parts)
        return;
    const struct bundle_part *text = bundle_find(&bundle, "text/plain");
    if (text)
        puts(buffer_string(&text->data));
    else
        printf("[%s, %zu bytes]\n", bundle.parts[0].mime, bundle.parts[0].data.size);
    fflush(stdout);
}

/* Forwards output until the task ends. */
static int wait_for_result(struct pool_client *client, uint32_t id, struct outcome *ret,
                           struct error *err)
{
    for (;;) {
        struct pool_event event = {0};
        int r = pool_client_wait(client, -1, -1, &event, err);
        if (r < 0)
            return r;
        if (event.kind == POOL_EVENT_OUTPUT) {
            r = write_all(event.stream == 2 ? STDERR_FILENO : STDOUT_FILENO, event.data,
                          event.size);
            if (r < 0)
                return error_errno(err, r, "cannot write its output");
        } else if (event.kind == POOL_EVENT_DISPLAY) {
            print_display(&event);
        } else if (event.kind == POOL_EVENT_RESULT && event.id == id) {
            *ret = event.outcome;
            return 0;
        } else if (event.kind == POOL_EVENT_RESULT) {
            outcome_clear(&event.outcome);
        }
    }
}

static int run_task(struct pool_client *client, const struct buffer *payload,
                    struct outcome *ret, struct error *err)
{
    uint8_t hash[PAYLOAD_HASH_SIZE];
    uint32_t id = 0;
    payload_hash(payload->data, payload->size, hash);
    int r = pool_client_payload(client, hash, payload->data, payload->size, ret, err);
    if (r < 0 || ret->kind != OUTCOME_OK)
        return r;
    outcome_clear(ret);
    r = pool_client_submit(client, hash, NULL, 0, &id, err);
    return r < 0 ? r : wait_for_result(client, id, ret, err);
}

static int run_payload(const struct payload *payload, struct outcome *ret,
                       struct error *err)
{
    static const struct executor_option one_worker = {"workers", "1"};
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    CLEANUP(pool_client_freep) struct pool_client *client = NULL;
    int r = payload_pack(payload, &bytes, err);
    if (r == 0)
        r = pool_client_new(&executor_local, &one_worker, 1, &client, err);
    return r < 0 ? r : run_task(client, &bytes, ret, err);
}

static int run(int argc, char **argv)
{
    struct options options = {0};
    if (argc > 1 && strcmp(argv[1], "--batch") == 0 &&
        parse_batch(argc, argv, &options.batch))
        return run_batch(&options.batch);
    int status = parse(argc, argv, &options);
    if (status)
        return status;
    CLEANUP(payload_file_clear) struct payload_file file = {0};
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct error err = {0};
    int r = payload_file_open(options.path, true, &file, &err);
    if (r == 0)
        r = prepare(file.payload, &options, &err);
    if (r == 0)
        r = run_payload(file.payload, &outcome, &err);
    if (r == 0)
        return finish(options.path, file.payload, &outcome);
    fprintf(stderr, "achar run: '%s': %s\n", options.path, err.text);
    return 1;
}

const struct command command_run = {
    .name = "run",
    .summary = "run a payload file on a worker of this machine",
    .usage =
        "[--name NAME] FILE.achar [ARGUMENTS]\n"
        "\n"
        "A function is called with ARGUMENTS, converted to its parameters' types, and\n"
        "its value is printed; a function like main gets them as argv, and its result\n"
        "is the exit status. A variable is printed.\n"
        "\n"
        "  --name NAME    which function or variable, when the file holds several",
    .run = run,
};
