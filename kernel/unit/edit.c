/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "kernel/unit/draft.h"

void edit_add(struct edit **edits, size_t *n, size_t *capacity, size_t start, size_t size,
              const char *text)
{
    for (size_t i = 0; i < *n; i++)
        if ((*edits)[i].start == start)
            return;
    GROW(*edits, *n, *capacity);
    (*edits)[(*n)++] = (struct edit){start, size, must_strdup(text)};
}

static int by_start(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

void edits_apply(const char *text, size_t start, size_t size, const struct edit *edits,
                 size_t n, struct buffer *out)
{
    CLEANUP(freep) struct edit *sorted = must_realloc(NULL, n + 1, sizeof(*sorted));
    if (n)
        memcpy(sorted, edits, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_start);
    size_t at = start, end = start + size;
    for (size_t i = 0; i < n; i++) {
        const struct edit *edit = &sorted[i];
        if (edit->start < at || edit->start + edit->size > end)
            continue;
        buffer_add(out, text + at, edit->start - at);
        buffer_add_string(out, edit->text);
        at = edit->start + edit->size;
    }
    buffer_add(out, text + at, end - at);
}
