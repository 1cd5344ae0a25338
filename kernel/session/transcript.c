/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/transcript.h"

#include "pickler/base/memory.h"

void transcript_init(struct texts *transcript)
{
    *transcript =
        (struct texts){.size_max = TRANSCRIPT_MAX, .n_max = TRANSCRIPT_PARTS_MAX};
}

void transcript_add(struct texts *transcript, const struct plan *plan)
{
    struct cell_text part = {.cell = plan->cell,
                             .line = plan->line,
                             .text = must_strdup(plan->body_text ? plan->body_text : ""),
                             .refs = must_alloc((plan->n_refs + plan->n_definitions + 1) *
                                                sizeof(*part.refs))};
    for (size_t i = 0; i < plan->n_refs; i++)
        part.refs[part.n_refs++] = plan->refs[i];
    for (size_t i = 0; i < plan->n_definitions; i++)
        part.refs[part.n_refs++] = plan->definitions[i]->id;
    texts_add(transcript, part);
}

static bool is_of_cell(const void *context, const struct cell_text *part)
{
    return part->cell == *(const uint32_t *)context;
}

void transcript_forget_cell(struct texts *transcript, uint32_t cell)
{
    texts_remove(transcript, is_of_cell, &cell);
}

void transcript_follow(struct texts *transcript, const struct graph *graph,
                       uint32_t **ret, size_t *ret_n)
{
    size_t n = 0, capacity = 0;
    *ret = NULL;
    for (size_t i = 0; i < transcript->n; i++) {
        struct cell_text *part = &transcript->at[i];
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
