/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/cells.h"

#include <string.h>

#include "pickler/base/lex.h"

void cells_clear(struct cells *cells)
{
    for (size_t i = 0; i < cells->n; i++) {
        free(cells->at[i].id);
        free(cells->at[i].leftover);
    }
    free(cells->at);
    free(cells->runs);
    *cells = (struct cells){0};
}

static struct notebook_cell *find(const struct cells *cells, const char *id)
{
    for (size_t i = 0; i < cells->n; i++)
        if (!strcmp(cells->at[i].id, id))
            return &cells->at[i];
    return NULL;
}

static const struct cell_run *find_run(const struct cells *cells, uint32_t cell)
{
    size_t low = 0, high = cells->n_runs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cells->runs[middle].cell < cell)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_found = low < cells->n_runs && cells->runs[low].cell == cell;
    return is_found ? &cells->runs[low] : NULL;
}

static struct notebook_cell *find_or_add(struct cells *cells, const char *id)
{
    struct notebook_cell *known = find(cells, id);
    if (known || cells->n >= CELL_IDS_MAX || strlen(id) > CELL_ID_SIZE_MAX)
        return known;
    GROW(cells->at, cells->n, cells->capacity);
    cells->at[cells->n] = (struct notebook_cell){.id = must_strdup(id)};
    return &cells->at[cells->n++];
}

void cells_begin(struct cells *cells, uint32_t cell, const struct cell_origin *origin)
{
    for (size_t i = 0; i < origin->n_deleted; i++) {
        struct notebook_cell *deleted = find(cells, origin->deleted[i]);
        if (deleted)
            deleted->is_deleted = true;
    }
    struct notebook_cell *at = origin->id ? find_or_add(cells, origin->id) : NULL;
    if (!at)
        return;
    at->is_deleted = false;
    if (cells->n_runs && cells->runs[cells->n_runs - 1].cell >= cell)
        return; /* a number that was given before tells nothing */
    GROW(cells->runs, cells->n_runs, cells->runs_capacity);
    cells->runs[cells->n_runs++] =
        (struct cell_run){.cell = cell, .index = (uint32_t)(at - cells->at)};
}

static bool mentions(const char *text, const char *name)
{
    const char *tag = strchr(name, ' ');
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return false;
        if (token.kind == TOKEN_IDENTIFIER && token_is(&token, tag ? tag + 1 : name))
            return true;
    }
}

/* A type or macro that is defined as it was stays what it is, with its old number. */
static bool is_still_there(const struct definition *definition, const char *text)
{
    bool may_stay =
        definition->kind == DEFINITION_TYPE || definition->kind == DEFINITION_MACRO;
    if (!may_stay)
        return false;
    bool is_there = mentions(text, definition->name);
    for (size_t i = 0; !is_there && i < definition->n_names; i++)
        is_there = mentions(text, definition->names[i]);
    return is_there;
}

static bool is_of_cells(const struct definition *definition)
{
    return definition->kind != DEFINITION_INCLUDE &&
           definition->kind != DEFINITION_PRAGMA && !definition->is_local_static;
}

/* Keeps the runs that something current is of, and the newest ones of other cells. */
static void drop_empty_runs(struct cells *cells, const struct graph *graph,
                            uint32_t index, uint32_t newest)
{
    CLEANUP(freep) bool *is_used = must_alloc(cells->n_runs + 1);
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        const struct cell_run *run =
            graph_is_current(graph, at) ? find_run(cells, at->cell) : NULL;
        if (run)
            is_used[run - cells->runs] = true;
    }
    size_t n = 0;
    for (size_t i = 0; i < cells->n_runs; i++)
        if (is_used[i] || cells->runs[i].index != index || cells->runs[i].cell == newest)
            cells->runs[n++] = cells->runs[i];
    cells->n_runs = n;
}

void cells_end(struct cells *cells, uint32_t cell, const struct graph *graph,
               const char *text, uint32_t **ret, size_t *ret_n)
{
    const struct cell_run *run = find_run(cells, cell);
    size_t capacity = 0, n = 0;
    uint32_t *list = NULL;
    *ret = NULL;
    *ret_n = 0;
    if (!run)
        return;
    struct notebook_cell *notebook_cell = &cells->at[run->index];
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        const struct cell_run *its = at->cell == cell ? NULL : find_run(cells, at->cell);
        if (!its || its->index != run->index || !is_of_cells(at) ||
            !graph_is_current(graph, at) || is_still_there(at, text))
            continue;
        GROW(list, n, capacity);
        list[n++] = at->id;
    }
    notebook_cell->last_run = cell;
    free(notebook_cell->leftover);
    notebook_cell->leftover = must_alloc((n + 1) * sizeof(*list));
    if (n)
        memcpy(notebook_cell->leftover, list, n * sizeof(*list));
    notebook_cell->n_leftover = n;
    drop_empty_runs(cells, graph, run->index, cell);
    *ret = list;
    *ret_n = n;
}

enum session_cell_state cells_state(const struct cells *cells,
                                    const struct definition *definition)
{
    const struct cell_run *run = find_run(cells, definition->cell);
    if (!run)
        return SESSION_CELL_CURRENT;
    const struct notebook_cell *cell = &cells->at[run->index];
    if (cell->is_deleted)
        return SESSION_CELL_DELETED;
    for (size_t i = 0; i < cell->n_leftover; i++)
        if (cell->leftover[i] == definition->id)
            return SESSION_CELL_EDITED;
    return SESSION_CELL_CURRENT;
}
