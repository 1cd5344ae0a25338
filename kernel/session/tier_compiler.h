/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compilation beside everything else: one thread that runs cc for one unit after the
 * other, at low priority. It shares nothing with its user but the jobs. */
#ifndef ACHAR_SESSION_TIER_COMPILER_H
#define ACHAR_SESSION_TIER_COMPILER_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"

struct tier_job {
    uint32_t serial;
    char *text;
    char **flags; /* owned */
    size_t n_flags;
    char *chosen;          /* struct cc_options; owned */
    struct buffer request; /* the user's own business */
    /* Filled by the thread. */
    bool is_ok;
    struct buffer object;
    char *why; /* when it is not ok; owned */
    struct tier_job *next;
};

void tier_job_free(struct tier_job *job);
DEFINE_FREEP(struct tier_job, tier_job_free)

struct tier_compiler;

/* The thread starts with the first job. */
struct tier_compiler *tier_compiler_new(void) MUST_USE;
void tier_compiler_free(struct tier_compiler *compiler); /* stops what runs */
DEFINE_FREEP(struct tier_compiler, tier_compiler_free)

void tier_compiler_push(struct tier_compiler *compiler, struct tier_job *job); /* takes */
/* A finished job, owned by the caller; NULL: none so far. */
struct tier_job *tier_compiler_pop(struct tier_compiler *compiler) MUST_USE;
/* Jobs that are not finished. */
size_t tier_compiler_load(struct tier_compiler *compiler);
/* Readable while there is a finished job. */
int tier_compiler_fd(const struct tier_compiler *compiler);

#endif
