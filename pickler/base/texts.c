/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/texts.h"

#include <string.h>

#include "pickler/base/memory.h"

static size_t size_of(const struct cell_text *text)
{
    return sizeof(*text) + strlen(text->text) + text->n_refs * sizeof(*text->refs);
}

static void text_clear(struct cell_text *text)
{
    free(text->text);
    free(text->refs);
}

static void forget_oldest(struct texts *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        texts->size -= size_of(&texts->at[i]);
        text_clear(&texts->at[i]);
    }
    texts->n -= n;
    if (n)
        memmove(texts->at, texts->at + n, texts->n * sizeof(*texts->at));
}

void texts_clear(struct texts *texts)
{
    forget_oldest(texts, texts->n);
    free(texts->at);
    *texts = (struct texts){.size_max = texts->size_max, .n_max = texts->n_max};
}

bool texts_add(struct texts *texts, struct cell_text text)
{
    size_t n = 0, size = size_of(&text), left = texts->size;
    if (size > texts->size_max) {
        text_clear(&text);
        return false;
    }
    while (n < texts->n &&
           (left + size > texts->size_max || texts->n - n >= texts->n_max))
        left -= size_of(&texts->at[n++]);
    forget_oldest(texts, n);
    GROW(texts->at, texts->n, texts->capacity);
    texts->at[texts->n++] = text;
    texts->size += size;
    return true;
}

void texts_remove(struct texts *texts,
                  bool (*is_over)(const void *context, const struct cell_text *text),
                  const void *context)
{
    size_t n = 0;
    for (size_t i = 0; i < texts->n; i++) {
        if (!is_over(context, &texts->at[i])) {
            texts->at[n++] = texts->at[i];
            continue;
        }
        texts->size -= size_of(&texts->at[i]);
        text_clear(&texts->at[i]);
    }
    texts->n = n;
}

const struct cell_text *texts_find(const struct texts *texts, uint32_t cell,
                                   uint32_t line)
{
    for (size_t i = texts->n; i-- > 0;)
        if (texts->at[i].cell == cell && (!line || texts->at[i].line == line))
            return &texts->at[i];
    return NULL;
}
