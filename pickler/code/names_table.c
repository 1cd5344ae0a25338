/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/names_table.h"

#include <string.h>

static size_t hash(const char *text)
{
    uint64_t value = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)(value ^ value >> 32);
}

const struct name *names_find(const struct names *names, const char *text)
{
    if (!names->index_size)
        return NULL;
    for (size_t at = hash(text);; at++) {
        uint32_t position = names->index[at & (names->index_size - 1)];
        if (!position)
            return NULL;
        if (!strcmp(names->all[position - 1]->text, text))
            return names->all[position - 1];
    }
}

static void put_index(struct names *names, size_t position)
{
    size_t at = hash(names->all[position]->text);
    while (names->index[at & (names->index_size - 1)])
        at++;
    names->index[at & (names->index_size - 1)] = (uint32_t)position + 1;
}

void names_add(struct names *names, struct name *name)
{
    GROW(names->all, names->n, names->capacity);
    names->all[names->n++] = name;
    if (2 * names->n > names->index_size) {
        free(names->index);
        names->index_size = names->index_size ? 2 * names->index_size : 64;
        names->index = must_alloc(names->index_size * sizeof(*names->index));
        for (size_t i = 0; i + 1 < names->n; i++)
            put_index(names, i);
    }
    put_index(names, names->n - 1);
}

static size_t variable_place(const struct names *names, const char *storage)
{
    size_t low = 0, high = names->n_variables;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->variables[middle]->storage < storage)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void names_remove_variable(struct names *names, const struct name *name)
{
    size_t at = variable_place(names, name->storage);
    if (at == names->n_variables || names->variables[at] != name)
        return;
    names->n_variables--;
    memmove(&names->variables[at], &names->variables[at + 1],
            (names->n_variables - at) * sizeof(*names->variables));
}

void names_add_variable(struct names *names, struct name *name)
{
    size_t at = variable_place(names, name->storage);
    GROW(names->variables, names->n_variables, names->variables_capacity);
    memmove(&names->variables[at + 1], &names->variables[at],
            (names->n_variables - at) * sizeof(*names->variables));
    names->variables[at] = name;
    names->n_variables++;
}
