/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a task of several elements has come, and the results of those that are done, in
 * memory that outlives the job worker (the end of its lane): when a later element kills
 * it, the zygote reads there what has been done. A ledger is of one task, and all in it
 * was written by a process that ran code of users: who reads it checks. */
#ifndef ACHAR_WORKER_LEDGER_H
#define ACHAR_WORKER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An array whose elements are results, one each. */
struct ledger_out {
    const char *from; /* of the first element */
    size_t size;      /* of one */
    char *to;         /* where its copy goes; set by ledger_begin() */
};

struct ledger_shared;

struct ledger {
    struct ledger_shared *shared; /* NULL: the task is not in a ledger */
    struct ledger_out *outs;      /* borrowed */
    size_t n_outs;
    uint64_t count, n_done;
    bool has_values; /* they fit, and mean the same in another process */
};

/* Opens it for a task of `count` elements; `memory` has room for `size` bytes, and is
 * zero-filled at first. `is_flat`: no result holds a pointer. */
void ledger_begin(struct ledger *ledger, void *memory, size_t size, uint32_t task,
                  uint64_t count, bool is_flat);
/* The next element is done. Takes a struct ledger *: code of payloads calls it. */
void ledger_step(void *ledger);
void ledger_end(struct ledger *ledger); /* the task is over */

struct ledger_entry {
    uint32_t task;
    uint64_t count, n_done;
    const char *values; /* out by out, `count` elements each; NULL: they are not there */
};

/* What a process has left; false when it was in no task. Only n_done <= count was
 * checked, and that `count` elements of `element_size` bytes in all fit. */
bool ledger_read(const void *memory, size_t size, size_t element_size,
                 struct ledger_entry *ret);

#endif
