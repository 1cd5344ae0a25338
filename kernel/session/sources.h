/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text of past cells, for the source lines in tracebacks. */
#ifndef ACHAR_SESSION_SOURCES_H
#define ACHAR_SESSION_SOURCES_H

#include "pickler/base/texts.h"
#include "pickler/graph/graph.h"

#define SOURCES_MAX (32u << 20) /* bytes; the oldest cells are forgotten first */
#define SOURCES_CELLS_MAX 100000
#define SOURCES_RECENT 1000 /* cells that are kept whatever they define */

struct sources {
    struct texts texts; /* in order of cell */
    size_t prune_at;    /* number of cells at which those of nothing are looked for */
};

void sources_init(struct sources *sources);
void sources_clear(struct sources *sources);
/* Keeps a copy; what a cell is given first stays. */
void sources_add(struct sources *sources, uint32_t cell, const char *text);
/* When there are many: of old cells only those stay in which something current is
 * defined. */
void sources_prune(struct sources *sources, const struct graph *graph);
/* Borrowed until the next cell is added; NULL when unknown. */
const char *sources_text(const struct sources *sources, uint32_t cell);
/* Owned, without the newline; NULL when unknown. */
char *sources_line(const struct sources *sources, uint32_t cell, uint32_t line);

#endif
