/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one cell prints and displays, on its way to iopub: valid UTF-8, up to a limit;
 * what is above it is counted and dropped, and both are said in the cell. */
#ifndef ACHAR_HANDLERS_OUTPUT_H
#define ACHAR_HANDLERS_OUTPUT_H

#include "kernel/handlers/kernel.h"
#include "kernel/wire/text.h"

#define OUTPUT_MAX (8u << 20)            /* printed bytes of one cell */
#define OUTPUT_DISPLAYS_MAX (512u << 20) /* bytes that one cell displays */

struct output {
    struct kernel *kernel;
    const struct request *request;
    bool is_silent;                  /* nothing is sent */
    bool allows_input;               /* the front end answers questions */
    struct text_cleaner cleaners[2]; /* stdout, stderr */
    uint64_t sent, dropped;          /* bytes printed */
    uint64_t displayed;              /* bytes */
};

/* The events of a session, with the output as their context. */
struct session_events output_events(struct output *output);
/* Sends what is left, and says how much was dropped. */
void output_end(struct output *output);

#endif
