/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/record.h"

#include <string.h>

#include "pickler/base/memory.h"

static void forget(struct record *record, size_t n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        record->size -= strlen(record->at[i].text);
        free(record->at[i].text);
    }
    record->n -= n;
    memmove(record->at, record->at + n, record->n * sizeof(*record->at));
}

void record_clear(struct record *record)
{
    forget(record, record->n);
    free(record->at);
    *record = (struct record){0};
}

void record_add(struct record *record, uint32_t cell, const char *text)
{
    size_t n = 0, size = strlen(text);
    if (size > RECORD_MAX)
        return;
    for (size_t left = record->size; left + size > RECORD_MAX; n++)
        left -= strlen(record->at[n].text);
    forget(record, n);
    GROW(record->at, record->n, record->capacity);
    record->at[record->n++] = (struct recorded_cell){cell, must_strdup(text)};
    record->size += size;
}

const char *record_find(const struct record *record, uint32_t cell)
{
    for (size_t i = record->n; i-- > 0;)
        if (record->at[i].cell == cell)
            return record->at[i].text;
    return NULL;
}
