/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stack of a cell that was stopped by a signal, innermost frame first, and whether it
 * may be left by a long jump. Everything here may run in a signal handler: nothing is
 * allocated. */
#ifndef ACHAR_WORKER_TRACE_H
#define ACHAR_WORKER_TRACE_H

#include <stdbool.h>
#include <ucontext.h>

#include "kernel/worker/frames.h"
#include "pickler/code/names.h"

#define TRACE_FRAMES_MAX 48
#define TRACE_INNER_MAX 36 /* of them; the rest are the outermost ones */
#define TRACE_NAME_MAX 64
#define TRACE_FILE_MAX 32

struct trace_frame {
    char function[TRACE_NAME_MAX]; /* "(cell)" for statements */
    uint32_t cell, line;
    char file[TRACE_FILE_MAX]; /* instead of the cell, where code is from a file */
};

struct trace {
    struct trace_frame frames[TRACE_FRAMES_MAX];
    size_t n;
    size_t n_left_out;
    /* Every frame down to the start of the cell is code of cells, or a library function
     * that can be left at any time; the second also when the innermost one is a blocking
     * system call or formats output (what a fault interrupts is in the middle of nothing
     * else). */
    bool is_safe_to_interrupt, is_safe_to_leave;
    /* Where the innermost frames are a library's: the place of the address that it
     * returns to. is_safe_behind: what it returns to can be left. */
    void **return_slot;
    bool is_safe_behind;
};

/* Registers the arena's unwind description; once a process. */
void trace_init(const struct arena *arena);

/* From a signal's context down to the frame whose stack pointer is `base`. The context is
 * changed where the interrupted function has no frame yet; frames_restore() undoes that.
 */
void trace_take(const struct names *names, ucontext_t *context, const void *base,
                struct trace *ret, struct frames_saved *saved);

/* Whether the stack can be walked from here: in code of cells or of the C library. */
bool trace_is_worthwhile(const struct names *names, const ucontext_t *context);

/* All the judgements at once: false when the walk itself has faulted. */
void trace_set_safe(struct trace *trace, bool is_safe);

/* From a function of ours that code of a cell has called. */
void trace_take_here(const struct names *names, const void *base, struct trace *ret);

#endif
