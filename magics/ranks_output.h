/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What ranks print, each line labelled with its rank: "[2] ...". Live, in the order in
 * which it comes; or collected, and shown rank by rank or by type when the cell ends. */
#ifndef ACHAR_MAGICS_RANKS_OUTPUT_H
#define ACHAR_MAGICS_RANKS_OUTPUT_H

#include "kernel/session/session.h"

#define RANKS_OUTPUT_HOLD_MS 40 /* for the rest of a line that has begun */
#define RANKS_OUTPUT_LINE_MAX                                                            \
    (64u << 10)                      /* bytes of a line that are held for its end        \
                                      */
#define RANKS_OUTPUT_MAX (64u << 20) /* bytes that are collected; more comes live */

enum ranks_grouping {
    RANKS_BY_ORDER, /* live */
    RANKS_BY_RANK,
    RANKS_BY_TYPE, /* stdout of all, then stderr of all */
};

struct ranks_output {
    const struct session_events *events; /* borrowed */
    enum ranks_grouping grouping;
    size_t n;
    struct ranks_lines {
        struct buffer text; /* not shown yet: a line's beginning, or all that came */
        int64_t since;      /* ms; when the first of it came */
    } *lines;               /* two a rank: stdout, stderr */
    size_t n_collected;     /* bytes */
    size_t open;            /* index of the lines whose last one has no end; SIZE_MAX */
};

/* "order", "rank", "type"; NULL is "order". False: it is none of them. */
bool ranks_grouping_read(const char *text, enum ranks_grouping *ret);

void ranks_output_init(struct ranks_output *output, const struct session_events *events,
                       enum ranks_grouping grouping, size_t n);
void ranks_output_clear(struct ranks_output *output);
void ranks_output_add(struct ranks_output *output, size_t rank, int stream,
                      const char *text, size_t size);
/* Milliseconds until ranks_output_tick() has something to show; -1: nothing is held. */
int ranks_output_due(const struct ranks_output *output);
void ranks_output_tick(struct ranks_output *output);
/* All of it, when nothing more will come. */
void ranks_output_finish(struct ranks_output *output);

#endif
