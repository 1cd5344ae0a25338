/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one cell prints and displays, on its way to iopub: valid UTF-8, and not more than
 * anybody reads. Above a limit it goes into a file; its end, and where the whole is, are
 * shown when the cell ends. The cell never waits for what is sent. */
#ifndef ACHAR_HANDLERS_OUTPUT_H
#define ACHAR_HANDLERS_OUTPUT_H

#include "kernel/handlers/kernel.h"
#include "kernel/wire/text.h"

#define OUTPUT_MAX (8u << 20)            /* printed bytes of one cell that are sent */
#define OUTPUT_DISPLAYS_MAX (512u << 20) /* bytes that one cell displays */

/* Lives on after its cell: threads and programs that the cell has started may print. Of
 * the shell thread. */
struct output {
    unsigned n_refs;
    struct kernel *kernel;
    struct request *request; /* of the cell */
    uint32_t cell;
    bool is_silent;                  /* nothing is sent */
    bool allows_input;               /* the front end answers questions */
    bool is_cut;                     /* what comes is only kept */
    struct text_cleaner cleaners[2]; /* stdout, stderr */
    uint64_t sent;                   /* bytes printed */
    uint64_t displayed;              /* bytes */
    struct spill spill;
    struct spill_tail tails[2]; /* from the cut on */
};

struct output *output_new(struct kernel *kernel, const struct request *request,
                          uint32_t cell) MUST_USE;
void output_unref(struct output *output);
DEFINE_FREEP(struct output, output_unref)

/* The events of a session, with the output as their context. */
struct session_events output_events(struct output *output);
/* The cell has ended: sends what is left, the end of what was cut, and where it all is.
 */
void output_end(struct output *output);

#endif
