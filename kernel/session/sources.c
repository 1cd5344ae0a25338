/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/sources.h"

#include <string.h>

#include "pickler/base/map.h"
#include "pickler/base/memory.h"

void sources_init(struct sources *sources)
{
    *sources =
        (struct sources){.texts = {.size_max = SOURCES_MAX, .n_max = SOURCES_CELLS_MAX},
                         .prune_at = 2 * SOURCES_RECENT};
}

void sources_clear(struct sources *sources)
{
    texts_clear(&sources->texts);
}

void sources_add(struct sources *sources, uint32_t cell, const char *text)
{
    struct texts *texts = &sources->texts;
    if (!texts->n || texts->at[texts->n - 1].cell != cell)
        texts_add(texts, (struct cell_text){.cell = cell, .text = must_strdup(text)});
}

struct use {
    struct map cells; /* that something current is of */
    uint32_t recent;  /* this cell and later ones stay */
};

static bool is_unused(const void *context, const struct cell_text *text)
{
    const struct use *use = context;
    return text->cell < use->recent && !map_find(&use->cells, text->cell);
}

void sources_prune(struct sources *sources, const struct graph *graph)
{
    struct texts *texts = &sources->texts;
    struct use use = {0};
    if (texts->n < sources->prune_at)
        return;
    use.recent = texts->at[texts->n - SOURCES_RECENT].cell;
    for (size_t i = 0; i < graph_count(graph); i++)
        if (graph_is_current(graph, graph_at(graph, i)))
            *map_at(&use.cells, graph_at(graph, i)->cell, NULL) = 1;
    texts_remove(texts, is_unused, &use);
    map_clear(&use.cells);
    sources->prune_at = texts->n + SOURCES_RECENT;
}

const char *sources_text(const struct sources *sources, uint32_t cell)
{
    const struct cell_text *found = texts_find(&sources->texts, cell, 0);
    return found ? found->text : NULL;
}

char *sources_line(const struct sources *sources, uint32_t cell, uint32_t line)
{
    const char *at = sources_text(sources, cell);
    for (uint32_t l = 1; at && l < line; l++) {
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return at ? must_strndup(at, strcspn(at, "\n")) : NULL;
}
