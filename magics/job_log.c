/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tasks of a job print. The lines of several tasks are labelled and stay whole;
 * a job of one task passes on what comes as it comes. */
#include "magics/job.h"

#include <inttypes.h>
#include <string.h>

#define LINE_MAX ((size_t)64 << 10) /* bytes of a line that are waited for */

void job_log_clear(struct job_log *log)
{
    buffer_clear(&log->text);
    free(log->pieces);
    *log = (struct job_log){0};
}

/* The older half goes; what was not shown of it never will be. */
static void make_room(struct job_log *log)
{
    size_t n = 0, size = 0;
    while (n < log->n_pieces && size < JOB_LOG_MAX / 2)
        size += log->pieces[n++].size;
    memmove(log->text.data, log->text.data + size, log->text.size - size);
    memmove(log->pieces, log->pieces + n, (log->n_pieces - n) * sizeof(*log->pieces));
    log->text.size -= size;
    log->n_pieces -= n;
    log->n_lost += size;
    log->n_shown = log->n_shown > n ? log->n_shown - n : 0;
    log->shown_size = log->shown_size > size ? log->shown_size - size : 0;
}

void job_log_add(struct job_log *log, int stream, const void *data, size_t size)
{
    if (!size)
        return;
    if (log->text.size + size > JOB_LOG_MAX && log->n_pieces)
        make_room(log);
    struct job_piece *last = log->n_pieces ? &log->pieces[log->n_pieces - 1] : NULL;
    buffer_add(&log->text, data, size);
    if (last && stream && last->stream == stream && log->n_shown < log->n_pieces &&
        last->size < LINE_MAX) {
        last->size += size;
        return;
    }
    GROW(log->pieces, log->n_pieces, log->capacity);
    log->pieces[log->n_pieces++] = (struct job_piece){.size = size, .stream = stream};
}

static void add_labelled(struct job *job, const struct job_task *task, int stream,
                         const char *text, size_t size)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    CLEANUP(freep)
    char *label = task->count == 1
                      ? must_format("[%" PRId64 "] ", (int64_t)task->from)
                      : must_format("[%" PRId64 "-%" PRId64 "] ", (int64_t)task->from,
                                    (int64_t)(task->from + task->count - 1));
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) + 1 : size;
        buffer_add_string(&out, label);
        buffer_add(&out, text, n);
        if (!end)
            buffer_add_char(&out, '\n');
        text += n;
        size -= n;
    }
    job_log_add(&job->log, stream, out.data, out.size);
}

void job_log_output(struct job *job, struct job_task *task, int stream, const char *text,
                    size_t size)
{
    if (!job_has_many(job)) {
        job_log_add(&job->log, stream, text, size);
        return;
    }
    struct buffer *line = &task->line[stream == 2];
    buffer_add(line, text, size);
    const char *end = memrchr(line->data, '\n', line->size);
    size_t whole = end ? (size_t)(end - line->data) + 1 : 0;
    if (line->size > LINE_MAX && !whole)
        whole = line->size;
    if (job->options.stream == JOB_STREAM_END && line->size < JOB_LOG_MAX / 4)
        return;
    if (!whole)
        return;
    add_labelled(job, task, stream, line->data, whole);
    memmove(line->data, line->data + whole, line->size - whole);
    line->size -= whole;
}

void job_log_end(struct job *job, struct job_task *task)
{
    for (int i = 0; i < 2; i++) {
        if (task->line[i].size)
            add_labelled(job, task, i + 1, task->line[i].data, task->line[i].size);
        buffer_clear(&task->line[i]);
    }
}

static void show_piece(const struct job_piece *piece, const char *data,
                       const struct session_events *events)
{
    if (piece->stream) {
        events->stream(events->context, piece->stream == 2, data, piece->size);
        return;
    }
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct unpack in = unpack_init(data, piece->size);
    if (bundle_unpack(&in, &bundle, NULL) == 0)
        events->display(events->context, &bundle);
}

void job_log_show(struct job *job, bool all, const struct session_events *events)
{
    struct job_log *log = &job->log;
    size_t i = all ? 0 : log->n_shown, at = all ? 0 : log->shown_size;
    if (log->n_lost && (all || !i)) {
        CLEANUP(freep)
        char *text =
            must_format("[%" PRIu64 " bytes of output are left out here]\n", log->n_lost);
        events->stream(events->context, true, text, strlen(text));
        log->n_lost = all ? log->n_lost : 0;
    }
    for (; i < log->n_pieces; i++) {
        show_piece(&log->pieces[i], log->text.data + at, events);
        at += log->pieces[i].size;
    }
    log->n_shown = i;
    log->shown_size = at;
    if (job->number) /* %logs shows it again */
        return;
    log->n_pieces = log->n_shown = 0;
    log->text.size = log->shown_size = 0;
}
