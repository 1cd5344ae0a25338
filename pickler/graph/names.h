/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table from names to definition ids. {0} is empty. */
#ifndef ACHAR_GRAPH_NAMES_H
#define ACHAR_GRAPH_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name_slot {
    char *name; /* owned; NULL: free */
    uint32_t id; /* 0: the name means nothing any more */
};

struct names {
    struct name_slot *slots;
    size_t n, n_slots;
};

void names_clear(struct names *names);
uint32_t names_get(const struct names *names, const char *name, size_t size); /* 0: none */
void names_set(struct names *names, const char *name, uint32_t id);

#endif
