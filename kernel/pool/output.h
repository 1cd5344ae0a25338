/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a task prints on one descriptor, on its way to the front: the first bytes go at
 * once, what follows within OUTPUT_DELAY is sent together. */
#ifndef ACHAR_POOL_OUTPUT_H
#define ACHAR_POOL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"

#define OUTPUT_DELAY_US 10000
#define OUTPUT_CHUNK (64u << 10)   /* sent at once when this much is there */
#define OUTPUT_REST_MAX (4u << 20) /* read after the task's end; a pipe holds less */

struct output {
    int fd; /* owned; -1: closed by the writers */
    struct buffer unsent;
    uint64_t sent_at; /* us; when the last piece was sent */
};

void output_clear(struct output *output);

/* Reads what is there, one chunk at most. */
void output_read(struct output *output);
/* Reads all that was written before this call, for a writer that is done. */
void output_read_rest(struct output *output);

/* When the unsent bytes are to be sent: 0 at once, UINT64_MAX never (there are none). */
uint64_t output_due(const struct output *output);

#endif
