/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of lines, and how a run ended. Diagnostics are in diagnostics.c. */
#include "kernel/display/report.h"

#include <string.h>

#include "kernel/display/colour.h"

#define LINES_MAX 2000  /* of one traceback; more are counted and left out */
#define FRAMES_SHOWN 30 /* of a deep recursion: this many from each end */

void report_clear(struct report *report)
{
    for (size_t i = 0; i < report->n_lines; i++)
        free(report->lines[i]);
    free(report->lines);
    free(report->name);
    free(report->message);
    *report = (struct report){0};
}

static void add_line(struct report *report, const char *text, size_t size)
{
    if (report->n_lines > LINES_MAX)
        return;
    GROW(report->lines, report->n_lines, report->lines_capacity);
    report->lines[report->n_lines] = report->n_lines < LINES_MAX
                                         ? must_strndup(text, size)
                                         : must_strdup("... more lines left out");
    report->n_lines++;
}

void report_add(struct report *report, const char *text)
{
    for (;;) {
        size_t size = strcspn(text, "\n");
        add_line(report, text, size);
        if (!text[size])
            return;
        text += size + 1;
    }
}

static void add_without_colours(struct buffer *out, const char *text)
{
    while (*text) {
        if (strncmp(text, "\x1b[", 2) == 0) {
            text += 2 + strcspn(text + 2, "m");
            text += *text == 'm';
            continue;
        }
        size_t size = strcspn(text + 1, "\x1b") + 1;
        buffer_add(out, text, size);
        text += size;
    }
}

char *report_text(const struct report *report, bool is_plain)
{
    struct buffer out = {0};
    for (size_t i = 0; i < report->n_lines; i++) {
        if (i)
            buffer_add_char(&out, '\n');
        if (is_plain)
            add_without_colours(&out, report->lines[i]);
        else
            buffer_add_string(&out, report->lines[i]);
    }
    return buffer_take(&out);
}

/* --- how a run ended --- */

static const char *default_name(const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_OK:
        return NULL;
    case OUTCOME_COMPILE:
        return "CompileError";
    case OUTCOME_LINK:
        return "LinkError";
    case OUTCOME_FAULT:
        return "Fault";
    case OUTCOME_EXIT:
        return "ExitStatus";
    case OUTCOME_INTERRUPTED:
        return "Interrupted";
    case OUTCOME_DIED:
        return "WorkerDied";
    case OUTCOME_REFUSED:
        return "CannotTravel";
    case OUTCOME_KIND_COUNT:
        break;
    }
    return "Error";
}

static char *default_message(const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_EXIT:
        return must_format("the program ended with exit status %d", outcome->status);
    case OUTCOME_INTERRUPTED:
        return must_strdup("stopped by an interrupt");
    case OUTCOME_DIED:
        return must_strdup("the process that ran it is gone");
    case OUTCOME_OK:
    case OUTCOME_COMPILE:
    case OUTCOME_LINK:
    case OUTCOME_FAULT:
    case OUTCOME_REFUSED:
    case OUTCOME_KIND_COUNT:
        break;
    }
    return must_strdup("no reason was given");
}

/* What became of the state; NULL when nothing could have happened to it. */
static const char *state_note(const struct outcome *outcome, bool is_task)
{
    bool is_kept = outcome->is_state_kept;
    if (outcome->note)
        return outcome->note;
    switch (outcome->kind) {
    case OUTCOME_FAULT:
    case OUTCOME_DIED:
    case OUTCOME_INTERRUPTED:
        if (is_task)
            return "It ran in a job worker: the session and other tasks are not "
                   "affected.";
        if (is_kept && outcome->kind == OUTCOME_INTERRUPTED)
            return "Variables keep what the cell did until then.";
        if (is_kept)
            return "The session goes on: definitions are kept, and variables keep what "
                   "the cell did until then.";
        return "The session's process was replaced: definitions are kept, variables and "
               "memory start again from their initial values.";
    case OUTCOME_EXIT:
        if (is_kept || is_task)
            return NULL;
        return "The session's process ended with it and was replaced: definitions are "
               "kept, variables start again from their initial values.";
    case OUTCOME_OK:
    case OUTCOME_COMPILE:
    case OUTCOME_LINK:
    case OUTCOME_REFUSED:
    case OUTCOME_KIND_COUNT:
        break;
    }
    return NULL;
}

static bool is_in_file(const struct outcome_frame *frame)
{
    return !frame->cell && frame->file && *frame->file;
}

static const struct outcome_frame *first_place(const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_frames; i++)
        if (outcome->frames[i].cell || is_in_file(&outcome->frames[i]))
            return &outcome->frames[i];
    return NULL;
}

static void add_source_line(const struct report_context *context,
                            const struct outcome_frame *frame, uint32_t column,
                            struct report *ret)
{
    if (!context || !context->line || !frame->cell || !frame->line)
        return;
    CLEANUP(freep) char *text = context->line(context->context, frame->cell, frame->line);
    if (!text)
        return;
    CLEANUP(freep)
    char *line = must_format("      " COLOUR_PLACE "%5u" COLOUR_OFF " | %.*s",
                             frame->line, (int)strcspn(text, "\n"), text);
    report_add(ret, line);
    if (!column || column > strcspn(text, "\n") + 1)
        return;
    CLEANUP(freep)
    char *caret =
        must_format("            | %*s" COLOUR_NAME "^" COLOUR_OFF, (int)column - 1, "");
    report_add(ret, caret);
}

void report_add_frame(const struct report_context *context,
                      const struct outcome_frame *frame, uint32_t column,
                      struct report *ret)
{
    const char *name = frame->function ? frame->function : "?";
    CLEANUP(freep) char *place = NULL;
    if (is_in_file(frame))
        place = must_format(" (" COLOUR_PLACE "%s:%u" COLOUR_OFF ")", frame->file,
                            frame->line);
    else if (frame->cell && frame->line)
        place = must_format(" (" COLOUR_PLACE "In[%u]:%u" COLOUR_OFF ")", frame->cell,
                            frame->line);
    else if (frame->cell)
        place = must_format(" (" COLOUR_PLACE "In[%u]" COLOUR_OFF ")", frame->cell);
    CLEANUP(freep)
    char *line =
        must_format("  at " COLOUR_NAME "%s" COLOUR_OFF "%s", name, place ? place : "");
    report_add(ret, line);
    add_source_line(context, frame, column, ret);
}

static bool is_same_place(const struct outcome_frame *a, const struct outcome_frame *b)
{
    return a->cell == b->cell && a->line == b->line && a->function && b->function &&
           !strcmp(a->function, b->function);
}

/* Recursion repeats a place: it is shown once, with how often it follows. */
static size_t count_repeats(const struct outcome *outcome, size_t i)
{
    size_t n = 0;
    while (i + n + 1 < outcome->n_frames &&
           is_same_place(&outcome->frames[i], &outcome->frames[i + n + 1]))
        n++;
    return n;
}

static void add_frames(const struct outcome *outcome,
                       const struct report_context *context, struct report *ret)
{
    size_t n_shown = 0;
    for (size_t i = 0; i < outcome->n_frames; i++) {
        size_t repeats = count_repeats(outcome, i);
        if (n_shown++ == FRAMES_SHOWN && i + FRAMES_SHOWN < outcome->n_frames) {
            size_t next = outcome->n_frames - FRAMES_SHOWN;
            CLEANUP(freep) char *line = must_format("  ... %zu more frames", next - i);
            report_add(ret, line);
            i = next;
            repeats = count_repeats(outcome, i);
        }
        report_add_frame(context, &outcome->frames[i], 0, ret);
        if (repeats < 2)
            continue;
        CLEANUP(freep) char *line = must_format("  ... the same %zu times more", repeats);
        report_add(ret, line);
        i += repeats;
    }
}

/* "write to address 0x0 (null pointer) in In[3]:7" */
static char *place_message(const struct outcome *outcome)
{
    CLEANUP(freep)
    char *message = outcome->message && *outcome->message ? must_strdup(outcome->message)
                                                          : default_message(outcome);
    const struct outcome_frame *frame = first_place(outcome);
    if (!frame || strstr(message, " in In["))
        return TAKE(message);
    if (is_in_file(frame))
        return must_format("%s in %s:%u", message, frame->file, frame->line);
    if (frame->line)
        return must_format("%s in In[%u]:%u", message, frame->cell, frame->line);
    return must_format("%s in In[%u]", message, frame->cell);
}

void report_outcome(const struct outcome *outcome, const struct report_context *context,
                    struct report *ret)
{
    if (outcome->kind == OUTCOME_OK ||
        (outcome->kind == OUTCOME_EXIT && outcome->status == 0))
        return;
    CLEANUP(freep) char *message = place_message(outcome);
    const char *name =
        outcome->name && *outcome->name ? outcome->name : default_name(outcome);
    CLEANUP(freep)
    char *head = must_format(COLOUR_ERROR "%s" COLOUR_OFF ": %s", name, message);
    report_add(ret, head);
    add_frames(outcome, context, ret);
    bool is_alone = context && context->has_no_session;
    const char *note = is_alone ? NULL : state_note(outcome, context && context->is_task);
    if (note)
        report_add(ret, note);
    if (ret->name)
        return;
    ret->name = must_strdup(name);
    ret->message = TAKE(message);
}
