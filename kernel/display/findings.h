/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a checker (AddressSanitizer, valgrind, ...) has found in a program, with stacks in
 * cells, and how a person is told. */
#ifndef ACHAR_DISPLAY_FINDINGS_H
#define ACHAR_DISPLAY_FINDINGS_H

#include "kernel/display/report.h"

#define FINDINGS_MAX 100       /* more are not kept */
#define FINDING_FRAMES_MAX 200 /* of one stack */
#define FINDING_STACKS_MAX 8   /* of one finding */

struct finding_frame {
    char *function;
    uint32_t cell, line, column; /* 0 when unknown */
    char
        *file; /* owned; of the person's, without folders; NULL: a cell, or a library's */
};

struct finding_stack {
    char *label;                  /* "allocated by"; NULL: where it was found */
    struct finding_frame *frames; /* innermost first */
    size_t n, capacity;
};

struct finding {
    char *text; /* "heap-buffer-overflow: write of 4 bytes" */
    struct finding_stack *stacks;
    size_t n, capacity;
};

struct findings {
    struct finding *at;
    size_t n, capacity;
    size_t n_left_out;
};

void findings_clear(struct findings *findings);
/* Each NULL when there is no room: nothing is to be added then. `text` is copied. */
struct finding *findings_add(struct findings *findings, const char *text);
struct finding_stack *finding_add_stack(struct finding *finding, const char *label);
void finding_add_text(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "In[3]:5:7" somewhere in `place` gives cell, line and column, "/folder/x.c:5" the file.
 */
void finding_add_frame(struct finding_stack *stack, const char *function, size_t size,
                       const char *place);
void finding_read_place(const char *place, struct finding_frame *ret);

/* `name` is the checker's. Nothing is added when nothing was found. */
void report_findings(const char *name, const struct findings *findings,
                     const struct report_context *context, struct report *ret);

#endif
