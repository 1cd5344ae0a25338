/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a name means in a cell: its entities by name, and behind them the session. */
#include <string.h>

#include "kernel/unit/draft.h"

void entity_names_add(struct entity_names *names, const char *name, struct entity *entity)
{
    GROW(names->items, names->n, names->capacity);
    uint32_t earlier = name_ids_get(&names->last, name, strlen(name));
    names->items[names->n++] = (struct entity_name){entity, earlier};
    name_ids_set(&names->last, name, (uint32_t)names->n);
}

void entity_names_clear(struct entity_names *names)
{
    name_ids_clear(&names->last);
    free(names->items);
    *names = (struct entity_names){0};
}

/* The last one in the order of the cell, of macros only those in front of a piece. */
static struct entity *find(const struct draft *draft, const char *name, size_t piece)
{
    struct entity *found = NULL;
    uint32_t at = name_ids_get(&draft->names.last, name, strlen(name));
    for (; at; at = draft->names.items[at - 1].earlier) {
        struct entity *entity = draft->names.items[at - 1].entity;
        bool is_later = entity->role == ENTITY_MACRO && entity->piece >= piece;
        if (!is_later && (!found || entity->index > found->index))
            found = entity;
    }
    return found;
}

struct entity *entity_find(const struct draft *draft, const char *name)
{
    return find(draft, name, SIZE_MAX);
}

/* A type that the cell defines as it was. */
static uint32_t find_same(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        for (size_t k = 0;
             draft->pieces[i].same_as && k < draft->pieces[i].declaration.n_names; k++)
            if (strcmp(draft->pieces[i].declaration.names[k], name) == 0)
                return draft->pieces[i].same_as;
    return 0;
}

uint32_t draft_resolve(const struct draft *draft, const char *name, size_t piece)
{
    const struct entity *entity = find(draft, name, piece);
    if (entity)
        return entity->definition->id;
    bool is_hidden = draft_hides(draft, name); /* what is defined again is, too */
    uint32_t same = is_hidden ? find_same(draft, name) : 0;
    if (same || is_hidden)
        return same;
    const struct definition *current = graph_current(draft->analysis->graph, name);
    return current ? current->id : 0;
}
