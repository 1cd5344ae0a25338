/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a person is told when a cell or task does not succeed: the name and text of the
 * error, and the traceback with places, source lines and carets, in ANSI colours. */
#ifndef ACHAR_DISPLAY_REPORT_H
#define ACHAR_DISPLAY_REPORT_H

#include "kernel/peer/outcome.h"
#include "kernel/plan/plan.h"

struct report {
    char *name;    /* "CompileError", "SIGSEGV"; NULL when nothing is an error */
    char *message; /* plain text, the first error with its place */
    char **lines;  /* of the traceback, with ANSI colours, no newlines in them */
    size_t n_lines, lines_capacity;
};

void report_clear(struct report *report);
/* Adds one line, splitting the text at newlines. */
void report_add(struct report *report, const char *text);
/* All lines joined by newlines, owned; `is_plain` drops the colours. */
char *report_text(const struct report *report, bool is_plain) MUST_USE;

struct report_context {
    /* Owned text of a line of a cell, NULL when it is not known. May be NULL. */
    char *(*line)(void *context, uint32_t cell, uint32_t line);
    void *context;
    bool is_task; /* it ran in a job worker: the session's own state was not at stake */
    bool has_no_session; /* nothing is said of any session's state */
};

/* Diagnostics as gcc and clang show them, notes with their errors. name is "CompileError"
 * when one of them is an error, else it stays NULL and the lines are warnings. */
void report_diagnostics(const struct diagnostic *diagnostics, size_t n,
                        struct report *ret);

/* One frame of a stack with its source line, and a caret when the column is known. */
void report_add_frame(const struct report_context *context,
                      const struct outcome_frame *frame, uint32_t column,
                      struct report *ret);

/* How a run ended. Nothing is added for a success (exit status 0 too). `context` may be
 * NULL. */
void report_outcome(const struct outcome *outcome, const struct report_context *context,
                    struct report *ret);

#endif
