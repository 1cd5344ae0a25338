/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/sources.h"

#include <string.h>

#include "pickler/base/memory.h"

void sources_clear(struct sources *sources)
{
    for (size_t i = 0; i < sources->n; i++)
        free(sources->at[i].text);
    free(sources->at);
    *sources = (struct sources){0};
}

static void forget_oldest(struct sources *sources)
{
    size_t n = 0;
    while (n + 1 < sources->n && sources->size > SOURCES_MAX / 2) {
        sources->size -= strlen(sources->at[n].text);
        free(sources->at[n++].text);
    }
    sources->n -= n;
    memmove(sources->at, sources->at + n, sources->n * sizeof(*sources->at));
}

void sources_add(struct sources *sources, uint32_t cell, const char *text)
{
    size_t size = strlen(text);
    struct source *last = sources->n ? &sources->at[sources->n - 1] : NULL;
    if (last && last->cell == cell)
        return;
    GROW(sources->at, sources->n, sources->capacity);
    sources->at[sources->n++] = (struct source){.cell = cell, .text = must_strdup(text)};
    sources->size += size;
    if (sources->size > SOURCES_MAX)
        forget_oldest(sources);
}

static bool is_used(const struct graph *graph, uint32_t cell)
{
    for (size_t i = 0; i < graph_count(graph); i++)
        if (graph_at(graph, i)->cell == cell &&
            graph_is_current(graph, graph_at(graph, i)))
            return true;
    return false;
}

void sources_prune(struct sources *sources, const struct graph *graph)
{
    size_t n = 0, n_old = sources->n > SOURCES_RECENT ? sources->n - SOURCES_RECENT : 0;
    for (size_t i = 0; i < sources->n; i++) {
        struct source *at = &sources->at[i];
        if (i >= n_old || is_used(graph, at->cell)) {
            sources->at[n++] = *at;
            continue;
        }
        sources->size -= strlen(at->text);
        free(at->text);
    }
    sources->n = n;
}

const char *sources_text(const struct sources *sources, uint32_t cell)
{
    for (size_t i = sources->n; i-- > 0;)
        if (sources->at[i].cell == cell)
            return sources->at[i].text;
    return NULL;
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
