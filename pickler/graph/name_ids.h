/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table from names to definition ids. {0} is empty. */
#ifndef ACHAR_GRAPH_NAME_IDS_H
#define ACHAR_GRAPH_NAME_IDS_H

#include <stddef.h>
#include <stdint.h>

struct name_slot {
    char *name;  /* owned; NULL: free */
    uint32_t id; /* 0: the name means nothing any more */
};

struct name_ids {
    struct name_slot *slots;
    size_t n, n_slots;
};

void name_ids_clear(struct name_ids *names);
uint32_t name_ids_get(const struct name_ids *names, const char *name,
                      size_t size); /* 0: none */
void name_ids_set(struct name_ids *names, const char *name, uint32_t id);

#endif
