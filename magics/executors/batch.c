/* SPDX-License-Identifier: BSD-3-Clause
 *
 * On Slurm: one job array. What a part has brought is in its file; whether it still may
 * bring something, squeue says. A part that is in neither has ended without a result. */
#include "magics/executors/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "magics/executors/slurm.h"
#include "pickler/base/clock.h"
#include "pickler/base/file.h"

#define SUBMIT_MS 60000 /* what sbatch may take */
#define CANCEL_MS 20000 /* scancel */
#define ASK_MS 1000     /* from one squeue to the next, at first; then ever less often */
#define ASK_MORE_MS 200
#define ASK_MAX_MS 10000
/* Looks in a row that find a part nowhere, before it is given up: its file may come late
 * over a network file system. */
#define LOOKS_MAX 3
#define QUEUE_OUTPUT_MAX ((size_t)64 << 20)
#define FREE_BLOCKS_MIN 16 /* of a disk; with fewer it counts as full */
#define LOG_MAX ((size_t)16 << 20)

enum part_state { PART_WAITS, PART_RUNS, PART_GONE };

struct batch {
    char *folder, *id;
    struct batch_file file;
    size_t n_tasks; /* of the array: part i is in task i % n_tasks */
    bool *is_done;  /* of each part */
    size_t n_done;
    struct {
        enum part_state state;
        unsigned n_missed;
    } *tasks;
    struct launch query;
    struct buffer answer;
    int64_t query_at;
    unsigned n_queries;
    bool has_begun, is_cancelled;
    char *reason, *detail;
};

/* ---- folders ---- */

/* --shared, or a folder in the home; owned. */
static char *shared_folder(const struct executor_option *options, size_t n_options)
{
    const char *shared = executor_option(options, n_options, "shared");
    const char *home = getenv("HOME");
    const struct passwd *user = home && *home ? NULL : getpwuid(getuid());
    if (shared && *shared)
        return must_strdup(shared);
    if (user)
        home = user->pw_dir;
    return must_format("%s/.achar/batch", home && *home ? home : "");
}

static int make_folders(const char *path, struct error *err)
{
    CLEANUP(freep) char *part = must_strdup(path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return error_errno(err, -errno,
                               "cannot make the folder '%s' (--shared names another that "
                               "all nodes see)",
                               part);
        if (!slash)
            return 0;
        *slash = '/';
    }
}

/* A symbolic link leads from the job's id to its folder. */
static char *link_path(const char *shared, const char *id)
{
    return must_format("%s/slurm-%s", shared, id);
}

/* ---- submission ---- */

static void add_quoted(struct buffer *out, const char *text)
{
    buffer_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            buffer_add_string(out, "'\\''");
        else
            buffer_add_char(out, *text);
    }
    buffer_add_char(out, '\'');
}

static int make_script(const struct batch *batch, const char *prologue,
                       const struct sign_key *key, struct buffer *out, struct error *err)
{
    char path[4096], hex[SIGN_HEX_SIZE];
    uint8_t public[SIGN_KEY_SIZE];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (size < 0)
        return error_errno(err, -errno, "cannot read '/proc/self/exe'");
    path[size] = '\0';
    sign_key_public(key, public);
    sign_key_to_hex(public, hex);
    buffer_format(out, "#!/bin/sh\n%s\nexec ", prologue ? prologue : "");
    add_quoted(out, path);
    buffer_add_string(out, " run --batch ");
    add_quoted(out, batch->folder);
    buffer_format(out, " --trust %s --index \"$SLURM_ARRAY_TASK_ID\" --stride %zu\n", hex,
                  batch->n_tasks);
    return 0;
}

/* What describes the pilot's allocation, not one of many small jobs. */
static bool is_for_tasks(const char *name)
{
    return !slurm_is_own_option(name) && strcmp(name, "nodes") != 0 &&
           strcmp(name, "ntasks") != 0 && strcmp(name, "ntasks-per-node") != 0 &&
           strcmp(name, "exclusive") != 0;
}

struct words {
    char **at;
    size_t n, capacity;
};

static void add(struct words *words, char *word)
{
    GROW(words->at, words->n, words->capacity);
    words->at[words->n++] = word;
}

static void words_clear(struct words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->at[i]);
    free(words->at);
}

static void make_command(const struct batch *batch, const struct executor_option *options,
                         size_t n_options, const char *name, struct words *ret)
{
    add(ret, must_strdup("sbatch"));
    add(ret, must_strdup("--parsable"));
    add(ret, must_strdup("--requeue"));
    add(ret, must_strdup("--nodes=1"));
    add(ret, must_strdup("--ntasks=1"));
    add(ret, must_format("--job-name=%s", name));
    add(ret, must_format("--array=0-%zu", batch->n_tasks - 1));
    add(ret, must_format("--output=%s/slurm.%%a", batch->folder));
    for (size_t i = 0; i < n_options; i++) {
        bool is_cpus = strcmp(options[i].name, "cpus") == 0;
        if (is_for_tasks(options[i].name))
            add(ret, must_format("--%s%s%s", is_cpus ? "cpus-per-task" : options[i].name,
                                 *options[i].value ? "=" : "", options[i].value));
    }
    add(ret, NULL);
}

/* Gives the script to sbatch and reads the id: "12", or "12;cluster". */
static int submit(struct batch *batch, const struct executor_option *options,
                  size_t n_options, const struct words *words,
                  const struct buffer *script, struct error *err)
{
    struct launch sbatch = LAUNCH_NONE;
    CLEANUP(buffer_clear) struct buffer out = {0};
    int r = launch_start((const char *const *)words->at, &sbatch, err);
    if (r < 0)
        return r;
    r = write_all(sbatch.fd, script->data, script->size); /* fits into the socket */
    shutdown(sbatch.fd, SHUT_WR);
    struct pollfd fd = {.fd = sbatch.fd, .events = POLLIN};
    int64_t end = clock_ms() + SUBMIT_MS, left;
    while (launch_read(&sbatch, &out, SLURM_OUTPUT_MAX) && (left = end - clock_ms()) > 0)
        poll(&fd, 1, (int)left);
    size_t size = strspn(buffer_string(&out), "0123456789");
    CLEANUP(freep)
    char *line = size ? NULL : slurm_refusal(options, n_options, &sbatch);
    launch_end(&sbatch, SLURM_COMMAND_MS);
    if (!size)
        return error_set(err, r < 0 ? r : -EIO, "Slurm does not take the job: %s",
                         line ? line : "sbatch says nothing");
    batch->id = must_strndup(out.data, size);
    return 0;
}

static int save_arguments(const struct batch *batch, const struct batch_order *order,
                          struct batch_part *parts, struct error *err)
{
    for (size_t i = 0; i < order->n_arguments; i++) {
        const struct batch_argument *argument = &order->arguments[i];
        parts[i] = (struct batch_part){argument->from, argument->count,
                                       .has_argument = argument->size};
        if (!argument->size)
            continue;
        payload_hash(argument->data, argument->size, parts[i].hash);
        int r =
            batch_argument_save(batch->folder, i, argument->data, argument->size, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_folder(struct batch *batch, const struct batch_order *order,
                        const struct sign_key *key, struct error *err)
{
    CLEANUP(freep)
    struct batch_part *parts = must_alloc((order->n_arguments + 1) * sizeof(*parts));
    int r = save_arguments(batch, order, parts, err);
    if (r == 0)
        r = batch_file_save(batch->folder, key, order->payload, order->payload_size,
                            parts, order->n_arguments, order->memo, order->memo_size,
                            err);
    /* As a later kernel will find it. */
    return r < 0 ? r : batch_file_open(batch->folder, NULL, &batch->file, err);
}

/* What was written for a job that never was. */
static void discard(const struct batch *batch, size_t n_parts)
{
    CLEANUP(freep) char *file = must_format("%s/batch.achar", batch->folder);
    unlink(file);
    for (size_t i = 0; i < n_parts; i++) {
        CLEANUP(freep) char *argument = must_format("%s/in.%zu", batch->folder, i);
        unlink(argument);
    }
    rmdir(batch->folder);
}

static struct batch *make(char *folder, size_t n_parts)
{
    struct batch *batch = must_alloc(sizeof(*batch));
    *batch = (struct batch){.folder = folder, .query = LAUNCH_NONE};
    batch->n_tasks = n_parts < BATCH_TASKS_MAX ? n_parts : BATCH_TASKS_MAX;
    batch->is_done = must_alloc((n_parts + 1) * sizeof(bool));
    batch->tasks = must_alloc((batch->n_tasks + 1) * sizeof(*batch->tasks));
    return batch;
}

int batch_check(const struct executor_type *type, struct error *err)
{
    if (type == &executor_slurm)
        return 0;
    return error_set(err, -EINVAL,
                     "executor type '%s' runs nothing without this kernel: batch jobs "
                     "need one of type 'slurm'",
                     type->name);
}

int batch_new(const struct executor_option *options, size_t n_options,
              const struct batch_order *order, struct batch **ret, struct error *err)
{
    CLEANUP(freep) char *shared = shared_folder(options, n_options);
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    CLEANUP(buffer_clear) struct buffer script = {0};
    CLEANUP(words_clear) struct words words = {0};
    if (!order->n_arguments || order->n_arguments > BATCH_PARTS_MAX)
        return error_set(err, -EINVAL, "a batch job has 1 to %d parts, not %zu",
                         BATCH_PARTS_MAX, order->n_arguments);
    int r = make_folders(shared, err);
    if (r == 0)
        r = sign_key_load(true, &key, err);
    if (r < 0)
        return r;
    CLEANUP(freep) char *folder = must_format("%s/job-XXXXXX", shared);
    if (!mkdtemp(folder))
        return error_errno(err, -errno, "cannot make a folder in '%s'", shared);
    CLEANUP(batch_freep) struct batch *batch = make(TAKE(folder), order->n_arguments);
    r = write_folder(batch, order, key, err);
    if (r == 0)
        r = make_script(batch, executor_option(options, n_options, "prologue"), key,
                        &script, err);
    make_command(batch, options, n_options, order->name, &words);
    if (r == 0)
        r = submit(batch, options, n_options, &words, &script, err);
    if (r < 0) {
        discard(batch, order->n_arguments);
        return r;
    }
    CLEANUP(freep) char *link = link_path(shared, batch->id);
    unlink(link); /* Slurm's numbers may begin again */
    if (symlink(batch->folder, link) < 0)
        return error_errno(err, -errno, "cannot make '%s'", link);
    *ret = TAKE(batch);
    return 0;
}

int batch_find(const struct executor_option *options, size_t n_options, const char *id,
               struct batch **ret, struct error *err)
{
    CLEANUP(freep) char *shared = shared_folder(options, n_options);
    CLEANUP(freep) char *link = link_path(shared, id);
    CLEANUP(batch_file_clear) struct batch_file file = {0};
    CLEANUP(freep)
    char *folder = *id && !id[strspn(id, "0123456789")] ? realpath(link, NULL) : NULL;
    int why = errno;
    struct stat found;
    if (!folder && lstat(link, &found) == 0)
        return error_set(err, -ENOENT,
                         "the folder of batch job '%s', which '%s' leads to, cannot be "
                         "opened: %s",
                         id, link, strerror(why));
    if (!folder)
        return error_set(err, -ENOENT, "there is no batch job '%s' in '%s'", id, shared);
    int r = batch_file_open(folder, NULL, &file, err);
    if (r < 0)
        return r;
    struct batch *batch = make(TAKE(folder), file.n_parts);
    batch->id = must_strdup(id);
    batch->file = file;
    file = (struct batch_file){0};
    *ret = batch;
    return 0;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    launch_end(&batch->query, 0);
    batch_file_clear(&batch->file);
    buffer_clear(&batch->answer);
    free(batch->folder);
    free(batch->id);
    free(batch->is_done);
    free(batch->tasks);
    free(batch->reason);
    free(batch->detail);
    free(batch);
}

const char *batch_id(const struct batch *batch)
{
    return batch->id;
}

const void *batch_memo(const struct batch *batch, size_t *ret_size)
{
    *ret_size = batch->file.memo_size;
    return batch->file.memo;
}

/* ---- what has become of it ---- */

static void hand_out(struct batch *batch, size_t part, struct outcome *outcome,
                     const void *values, size_t size, batch_take *take, void *context)
{
    const struct batch_part *p = &batch->file.parts[part];
    batch->is_done[part] = true;
    batch->n_done++;
    batch->has_begun = true;
    take(context, p->from, p->count, outcome, values, size);
}

static void take_results(struct batch *batch, batch_take *take, void *context)
{
    for (size_t i = 0; i < batch->file.n_parts; i++) {
        CLEANUP(buffer_clear) struct buffer bytes = {0};
        struct outcome outcome = {0};
        const void *values = NULL;
        size_t size = 0;
        struct error err = {0};
        if (batch->is_done[i])
            continue;
        int r =
            batch_result_read(batch->folder, i, &bytes, &outcome, &values, &size, &err);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            outcome = (struct outcome){.kind = OUTCOME_DIED,
                                       .name = must_strdup("BadResult"),
                                       .message = must_strdup(err.text)};
        hand_out(batch, i, &outcome, values, size, take, context);
    }
}

static void count_tasks(struct batch *batch)
{
    size_t n[3] = {0};
    for (size_t i = 0; i < batch->n_tasks; i++)
        n[batch->tasks[i].state]++;
    batch->has_begun |= n[PART_RUNS] != 0;
    free(batch->detail);
    if (n[PART_RUNS])
        batch->detail = must_format("job %s: %zu of %zu run", batch->id, n[PART_RUNS],
                                    batch->n_tasks);
    else if (n[PART_WAITS])
        batch->detail =
            must_format("job %s is pending: %s%s", batch->id,
                        batch->reason ? batch->reason : "no reason",
                        batch->reason ? slurm_explain_reason(batch->reason) : "");
    else
        batch->detail = must_format("job %s has ended", batch->id);
}

/* Lines "INDEX|STATE|REASON" of those that Slurm still has. */
static void read_queue(struct batch *batch)
{
    for (size_t i = 0; i < batch->n_tasks; i++)
        batch->tasks[i].state = PART_GONE;
    char *rest = batch->answer.data;
    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        char *end, *state = strchr(line, '|');
        unsigned long index = strtoul(line, &end, 10);
        if (!state || end != state || index >= batch->n_tasks)
            continue;
        bool is_pending = strncmp(state, "|PENDING|", 9) == 0;
        batch->tasks[index].state = is_pending ? PART_WAITS : PART_RUNS;
        if (!is_pending)
            continue;
        free(batch->reason);
        batch->reason = must_strdup(state + 9);
    }
    count_tasks(batch);
}

/* Takes the end of squeue; true when Slurm has answered. A controller that is away knows
 * nothing of the job: neither does the failure of squeue. */
static bool end_query(struct batch *batch)
{
    launch_listen(&batch->query);
    CLEANUP(freep) char *line = launch_last_line(&batch->query);
    bool is_forgotten = line && strstr(line, "Invalid job id");
    if (launch_end(&batch->query, SLURM_COMMAND_MS) == 0 || is_forgotten)
        return true;
    free(batch->detail);
    batch->detail = must_format("job %s: Slurm does not answer (%s)", batch->id,
                                line ? line : "squeue failed");
    return false;
}

/* True when there is news. */
static bool ask(struct batch *batch)
{
    const char *const argv[] = {"squeue",  "--noheader",        "--array", "--jobs",
                                batch->id, "--format=%K|%T|%r", NULL};
    if (batch->query.fd < 0) {
        if (clock_ms() < batch->query_at || launch_start(argv, &batch->query, NULL) < 0)
            return false;
        buffer_clear(&batch->answer);
    }
    launch_listen(&batch->query);
    if (launch_read(&batch->query, &batch->answer, QUEUE_OUTPUT_MAX))
        return false;
    bool is_answered = end_query(batch);
    int64_t pause = ASK_MS + ASK_MORE_MS * (int64_t)batch->n_queries++;
    batch->query_at = clock_ms() + (pause < ASK_MAX_MS ? pause : ASK_MAX_MS);
    if (!is_answered)
        return false;
    read_queue(batch);
    return true;
}

/* What Slurm, or the task's own output, says of a part that has left no result. */
static char *why_gone(const struct batch *batch, size_t task, const char **ret_name)
{
    CLEANUP(freep) char *job = must_format("%s_%zu", batch->id, task);
    CLEANUP(freep) char *what = must_format("batch job %s", job);
    if (batch->is_cancelled)
        return must_format("%s was cancelled", what);
    CLEANUP(freep) char *state = slurm_ask_state(job);
    if (state && slurm_is_taken_back(state))
        return slurm_describe_loss(what, state, ret_name);
    struct statvfs disk;
    bool is_full = statvfs(batch->folder, &disk) == 0 && disk.f_bavail < FREE_BLOCKS_MIN;
    return must_format("%s has ended without a result: '%s/slurm.%zu' may say why%s",
                       what, batch->folder, task,
                       is_full ? "; the disk is full, make room or name another folder "
                                 "with --shared"
                               : "");
}

static void give_up(struct batch *batch, size_t part, batch_take *take, void *context)
{
    const char *name = batch->is_cancelled ? "Cancelled" : "BatchLost";
    struct outcome outcome = {.kind = batch->is_cancelled ? OUTCOME_INTERRUPTED
                                                          : OUTCOME_DIED,
                              .message = why_gone(batch, part % batch->n_tasks, &name)};
    outcome.name = must_strdup(name);
    hand_out(batch, part, &outcome, NULL, 0, take, context);
}

void batch_look(struct batch *batch, batch_take *take, void *context)
{
    /* First the queue: a part that is not there any more has written its file before. */
    bool has_news = batch->n_done < batch->file.n_parts && ask(batch);
    unsigned n_looks = batch->is_cancelled ? 1 : LOOKS_MAX;
    take_results(batch, take, context);
    for (size_t i = 0; has_news && i < batch->n_tasks; i++)
        batch->tasks[i].n_missed =
            batch->tasks[i].state == PART_GONE ? batch->tasks[i].n_missed + 1 : 0;
    for (size_t i = 0; has_news && i < batch->file.n_parts; i++)
        if (!batch->is_done[i] && batch->tasks[i % batch->n_tasks].n_missed >= n_looks)
            give_up(batch, i, take, context);
}

bool batch_has_begun(const struct batch *batch)
{
    return batch->has_begun;
}

bool batch_is_over(const struct batch *batch)
{
    return batch->n_done == batch->file.n_parts;
}

const char *batch_detail(const struct batch *batch)
{
    return batch->detail;
}

int batch_cancel(struct batch *batch, struct error *err)
{
    struct launch scancel = LAUNCH_NONE;
    const char *const argv[] = {"scancel", "--quiet", batch->id, NULL};
    int r = launch_start(argv, &scancel, err);
    if (r < 0)
        return r;
    struct pollfd ended = {.fd = scancel.pidfd, .events = POLLIN};
    poll(&ended, 1, CANCEL_MS);
    CLEANUP(freep) char *line = launch_last_line(&scancel);
    if (launch_end(&scancel, 0) != 0)
        return error_set(err, -EIO, "batch job %s cannot be cancelled: %s", batch->id,
                         line ? line : "scancel failed");
    batch->is_cancelled = true;
    batch->query_at = 0;
    return 0;
}

static void read_log(const struct batch *batch, size_t part, batch_print *print,
                     void *context)
{
    CLEANUP(freep) char *path = must_format("%s/out.%zu", batch->folder, part);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(buffer_clear) struct buffer text = {0};
    for (ssize_t n = 1; fd >= 0 && n > 0 && text.size < LOG_MAX; text.size += (size_t)n) {
        buffer_reserve(&text, 1u << 16);
        n = read(fd, text.data + text.size, 1u << 16);
        if (n < 0)
            break;
    }
    const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
    while (end - at >= 5) {
        size_t size = at[1] | at[2] << 8 | at[3] << 16 | (size_t)at[4] << 24;
        if (size > (size_t)(end - at) - 5)
            break;
        print(context, batch->file.parts[part].from, at[0], at + 5, size);
        at += 5 + size;
    }
}

void batch_log(const struct batch *batch, batch_print *print, void *context)
{
    for (size_t i = 0; i < batch->file.n_parts; i++)
        read_log(batch, i, print, context);
}
