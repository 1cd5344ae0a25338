/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which cell of the notebook each run was of, as far as the front end tells: what an
 * edited cell no longer defines, and what a deleted one has left behind. */
#ifndef ACHAR_SESSION_CELLS_H
#define ACHAR_SESSION_CELLS_H

#include "kernel/session/session.h"

#define CELL_IDS_MAX 20000 /* cells of a notebook that are told apart */
#define CELL_ID_SIZE_MAX 256

struct notebook_cell {
    char *id;
    uint32_t last_run; /* that succeeded, 0: none */
    bool is_deleted;
    uint32_t *leftover; /* definitions of earlier runs that its text no longer has */
    size_t n_leftover;
};

struct cell_run {
    uint32_t cell;  /* execution count */
    uint32_t index; /* of the notebook's cell */
};

struct cells {
    struct notebook_cell *at;
    size_t n, capacity;
    struct cell_run *runs; /* in order of cell */
    size_t n_runs, runs_capacity;
};

void cells_clear(struct cells *cells);
/* A run starts; cells that came back are no longer deleted. */
void cells_begin(struct cells *cells, uint32_t cell, const struct cell_origin *origin);
/* The run has succeeded, `text` being its cell's. *ret: what earlier runs of the same
 * cell have defined and the text no longer has; owned. Runs that nothing is left of are
 * dropped. */
void cells_end(struct cells *cells, uint32_t cell, const struct graph *graph,
               const char *text, uint32_t **ret, size_t *ret_n);
enum session_cell_state cells_state(const struct cells *cells,
                                    const struct definition *definition);

#endif
