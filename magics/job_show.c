/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How jobs look: a line with a bar that is updated in place, and the table of %jobs; as
 * text and as HTML. */
#include "magics/job.h"

#include <inttypes.h>
#include <string.h>

#include "magics/html.h"
#include "magics/quantity.h"

#define SHOW_EVERY_MS 200
#define BAR_SIZE 30
#define PAUSED "no room for more results: %wait takes those that are there"

const char *job_state_name(const struct job *job)
{
    static const char *const names[] = {[JOB_WAITING] = "waiting",
                                        [JOB_RUNNING] = "running",
                                        [JOB_DONE] = "done",
                                        [JOB_FAILED] = "failed",
                                        [JOB_CANCELLED] = "cancelled"};
    if (!job_is_over(job) && job->is_cancelled)
        return "ending";
    if (job_is_paused(job))
        return "paused";
    return names[job->state];
}

static double elapsed_ms(const struct job *job)
{
    return (job_is_over(job) && job->ended > 0 ? job->ended : job_now()) - job->submitted;
}

/* "120/1000  34.5/s  25.0 s left  2 failed" */
static void add_numbers(const struct job *job, struct buffer *out)
{
    double ms = elapsed_ms(job);
    uint64_t n_over = job->n_done + job->n_failed;
    CLEANUP(freep) char *time = quantity_show_time(ms);
    if (job_has_many(job))
        buffer_format(out, "%" PRIu64 "/%" PRIu64 "  ", job->n_done, job->count);
    if (job_has_many(job) && job->n_done && ms > 0)
        buffer_format(out, "%.4g/s  ", (double)job->n_done / ms * 1e3);
    buffer_add_string(out, time);
    if (job_has_many(job) && !job_is_over(job) && n_over && n_over < job->count) {
        CLEANUP(freep)
        char *left =
            quantity_show_time(ms / (double)n_over * (double)(job->count - n_over));
        buffer_format(out, "  %s left", left);
    }
    if (job->n_failed && job_has_many(job))
        buffer_format(out, "  %" PRIu64 " failed", job->n_failed);
    if (job_is_over(job) && job->state != JOB_DONE && !job->number)
        buffer_format(out, "  %s", job_state_name(job));
    if (job->detail && !job_is_over(job))
        buffer_format(out, "  %s", job->detail);
    if (job_is_paused(job))
        buffer_format(out, "  %s", PAUSED);
}

static void add_line(const struct job *job, struct buffer *out)
{
    char bar[BAR_SIZE + 1];
    uint64_t n = job->count ? BAR_SIZE * job->n_done / job->count : 0;
    memset(bar, '.', BAR_SIZE);
    memset(bar, '#', (size_t)n);
    bar[BAR_SIZE] = '\0';
    if (job->number)
        buffer_format(out, "job %" PRIu32 " '%s' on %s: %s  ", job->number, job_name(job),
                      job->executor, job_state_name(job));
    if (job_has_many(job))
        buffer_format(out, "[%s] ", bar);
    add_numbers(job, out);
}

static void add_html_line(const struct job *job, struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer numbers = {0};
    buffer_add_string(out, "<div style=\"font-family:monospace\">");
    if (job->number) {
        buffer_format(out, "job %" PRIu32 " <b>", job->number);
        html_add(out, job_name(job));
        buffer_add_string(out, "</b> <code>");
        html_add(out, job->what);
        buffer_add_string(out, "</code> on ");
        html_add(out, job->executor);
        buffer_format(out, ": %s ", job_state_name(job));
    }
    if (job_has_many(job))
        buffer_format(out,
                      "<progress max=\"%" PRIu64 "\" value=\"%" PRIu64 "\"></progress> ",
                      job->count, job->n_done);
    add_numbers(job, &numbers);
    html_add(out, buffer_string(&numbers));
    buffer_add_string(out, "</div>");
}

/* A job whose pools have not come yet waits as its executor says. */
static void look_for_pools(struct job *job)
{
    if (!job->crew || job_is_over(job))
        return;
    CLEANUP(freep) char *status = crew_pools(job->crew) ? NULL : crew_status(job->crew);
    job_set_state(job, status ? JOB_WAITING : JOB_RUNNING, status);
}

static void show(struct job *job, const struct session_events *events, bool is_last)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    CLEANUP(buffer_clear) struct buffer html = {0};
    CLEANUP(bundle_clear)
    struct bundle bundle = {
        .action = job->is_shown ? BUNDLE_UPDATE : BUNDLE_SHOW,
        .id = must_format("achar-job-%s-%" PRIu32, jobs_mark(job->jobs), job->serial)};
    add_line(job, &text);
    add_html_line(job, &html);
    if (bundle_add_text(&bundle, "text/plain", buffer_string(&text)) &&
        bundle_add_text(&bundle, "text/html", buffer_string(&html)))
        events->display(events->context, &bundle);
    job->is_shown = true;
    job->shown = is_last ? -1 : job_now();
}

void job_announce(struct job *job, const struct session_events *events)
{
    show(job, events, job_is_over(job));
}

void job_show(struct job *job, const struct session_events *events, bool is_last)
{
    double now = job_now();
    bool is_due =
        job->options.progress_ms >= 0 && now - job->submitted >= job->options.progress_ms;
    if (job->is_shown ? job->shown >= 0 && (is_last || now - job->shown >= SHOW_EVERY_MS)
                      : job_has_many(job) && is_due && !is_last) {
        look_for_pools(job);
        show(job, events, is_last);
    }
}

static void add_row(const struct job *job, struct buffer *text, struct buffer *html)
{
    CLEANUP(freep) char *time = quantity_show_time(elapsed_ms(job));
    CLEANUP(freep)
    char *progress = must_format("%" PRIu64 "/%" PRIu64, job->n_done, job->count);
    const char *note = job_is_paused(job)                   ? PAUSED
                       : job->detail && !job_is_over(job)   ? job->detail
                       : job_is_over(job) && !job->is_taken ? "%wait takes it"
                                                            : "";
    buffer_format(text, "%-4" PRIu32 " %-12s %-10s %-10s %10s %12s  %s%s%s\n",
                  job->number, job_name(job), job->executor, job_state_name(job),
                  progress, time, job->what, *note ? "  " : "", note);
    const char *cells[] = {job_name(job), job->executor, job_state_name(job),
                           progress,      time,          job->what,
                           note};
    buffer_format(html, "<tr><td>%" PRIu32 "</td>", job->number);
    for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
        buffer_add_string(html, "<td style=\"text-align:left\">");
        html_add(html, cells[i]);
        buffer_add_string(html, "</td>");
    }
    buffer_add_string(html, "</tr>");
}

void jobs_table(struct jobs *jobs, struct bundle *ret)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    CLEANUP(buffer_clear) struct buffer html = {0};
    uint64_t memory, disk;
    size_t n = 0;
    buffer_format(&text, "%-4s %-12s %-10s %-10s %10s %12s  %s\n", "id", "name",
                  "executor", "state", "done", "time", "what");
    buffer_add_string(&html, "<table><tr><th>id</th><th>name</th><th>executor</th>"
                             "<th>state</th><th>done</th><th>time</th><th>what</th>"
                             "<th></th></tr>");
    for (struct job *job; (job = jobs_at(jobs, n)); n++)
        if (job->number) {
            look_for_pools(job);
            add_row(job, &text, &html);
        }
    buffer_add_string(&html, "</table>");
    jobs_bytes(jobs, &memory, &disk);
    if (memory + disk > (1u << 20)) {
        CLEANUP(freep) char *in_memory = quantity_show_size(memory);
        CLEANUP(freep) char *on_disk = quantity_show_size(disk);
        buffer_format(&text, "kept: %s in memory, %s on disk\n", in_memory, on_disk);
    }
    if (!bundle_add_text(ret, "text/plain", buffer_string(&text)) ||
        !bundle_add_text(ret, "text/html", buffer_string(&html)))
        bundle_clear(ret);
}

void job_describe(const struct job *job, struct buffer *out)
{
    add_line(job, out);
    buffer_format(out, "\n%s\n", job->what);
    for (size_t i = 0; i < job->n_failures; i++) {
        const struct job_failure *failure = &job->failures[i];
        if (job_has_many(job) && failure->count > 1)
            buffer_format(out, "elements %" PRId64 " to %" PRId64 ": ",
                          (int64_t)failure->index,
                          (int64_t)(failure->index + failure->count - 1));
        else if (job_has_many(job))
            buffer_format(out, "element %" PRId64 ": ", (int64_t)failure->index);
        buffer_format(out, "%s: %s\n",
                      failure->outcome.name ? failure->outcome.name : "error",
                      failure->outcome.message ? failure->outcome.message : "");
    }
}
