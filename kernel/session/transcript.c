/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/transcript.h"

#include <string.h>

#include "pickler/base/memory.h"

static void clear_part(struct transcript_part *part)
{
    free(part->text);
    free(part->refs);
    *part = (struct transcript_part){0};
}

static size_t size_of(const struct transcript_part *part)
{
    return sizeof(*part) + strlen(part->text) + part->n_refs * sizeof(*part->refs);
}

static void forget(struct transcript *transcript, size_t n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        transcript->size -= size_of(&transcript->at[i]);
        clear_part(&transcript->at[i]);
    }
    transcript->n -= n;
    memmove(transcript->at, transcript->at + n, transcript->n * sizeof(*transcript->at));
}

void transcript_clear(struct transcript *transcript)
{
    forget(transcript, transcript->n);
    free(transcript->at);
    *transcript = (struct transcript){0};
}

void transcript_forget_cell(struct transcript *transcript, uint32_t cell)
{
    size_t n = 0;
    for (size_t i = 0; i < transcript->n; i++) {
        if (transcript->at[i].cell != cell) {
            transcript->at[n++] = transcript->at[i];
            continue;
        }
        transcript->size -= size_of(&transcript->at[i]);
        clear_part(&transcript->at[i]);
    }
    transcript->n = n;
}

static struct transcript_part part_of(const struct plan *plan)
{
    struct transcript_part part = {
        .cell = plan->cell,
        .line = plan->line,
        .text = must_strdup(plan->body_text ? plan->body_text : ""),
        .refs =
            must_alloc((plan->n_refs + plan->n_definitions + 1) * sizeof(*part.refs))};
    for (size_t i = 0; i < plan->n_refs; i++)
        part.refs[part.n_refs++] = plan->refs[i];
    for (size_t i = 0; i < plan->n_definitions; i++)
        part.refs[part.n_refs++] = plan->definitions[i]->id;
    return part;
}

void transcript_add(struct transcript *transcript, const struct plan *plan)
{
    struct transcript_part part = part_of(plan);
    size_t n = 0, left = transcript->size + size_of(&part);
    for (; left > TRANSCRIPT_MAX && n < transcript->n; n++)
        left -= size_of(&transcript->at[n]);
    if (transcript->n - n >= TRANSCRIPT_PARTS_MAX)
        n = transcript->n - TRANSCRIPT_PARTS_MAX + 1;
    forget(transcript, n);
    GROW(transcript->at, transcript->n, transcript->capacity);
    transcript->at[transcript->n++] = part;
    transcript->size += size_of(&part);
}

void transcript_follow(struct transcript *transcript, const struct graph *graph,
                       uint32_t **ret, size_t *ret_n)
{
    size_t n = 0, capacity = 0;
    *ret = NULL;
    for (size_t i = 0; i < transcript->n; i++) {
        struct transcript_part *part = &transcript->at[i];
        for (size_t k = 0; k < part->n_refs; k++) {
            const struct definition *to = graph_get(graph, part->refs[k]);
            if (!to || graph_is_current(graph, to))
                continue;
            const struct definition *now = graph_current(graph, to->name);
            if (to->kind == DEFINITION_MACRO) {
                GROW(*ret, n, capacity);
                (*ret)[n++] = to->id;
            } else if (now) {
                part->refs[k] = now->id;
            }
        }
    }
    *ret_n = n;
}

const struct transcript_part *transcript_find(const struct transcript *transcript,
                                              uint32_t cell, uint32_t line)
{
    for (size_t i = transcript->n; i-- > 0;)
        if (transcript->at[i].cell == cell && transcript->at[i].line == line)
            return &transcript->at[i];
    return NULL;
}
