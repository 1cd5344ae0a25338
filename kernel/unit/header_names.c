/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/header_names.h"

#include <string.h>

#include "pickler/base/lex.h"

void header_names_clear(struct header_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->names[i].text);
        free(names->names[i].ordinary.chunks);
        free(names->names[i].tags.chunks);
    }
    free(names->names);
    free(names->slots);
    *names = (struct header_names){0};
}

static const struct {
    enum header_word word;
    const char *list; /* each between blanks */
} words[] = {
    {HEADER_TAG, " struct union enum "},
    {HEADER_ATTRIBUTE, " __attribute__ __attribute __asm__ asm __asm _Alignas "},
    {HEADER_TYPEOF, " typeof __typeof__ __typeof _Atomic _Static_assert "},
    {HEADER_QUALIFIER,
     " extern const static inline volatile register restrict __inline __inline__ __const"
     " __restrict __extension__ __restrict__ __volatile__ _Noreturn _Thread_local "
     "__thread"
     " auto __const__ __volatile "},
    {HEADER_TYPEDEF, " typedef "},
};

static enum header_word word_of(const char *text, size_t size)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        for (const char *at = words[i].list; (at = memmem(at, strlen(at), text, size));
             at++)
            if (at[-1] == ' ' && at[size] == ' ')
                return words[i].word;
    return HEADER_KEYWORD;
}

static uint32_t hash_of(const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static uint32_t *slot_of(const struct header_names *names, const char *text, size_t size,
                         uint32_t hash)
{
    for (size_t i = hash & (names->n_slots - 1);; i = (i + 1) & (names->n_slots - 1)) {
        uint32_t *slot = &names->slots[i];
        if (!*slot)
            return slot;
        const struct header_name *name = &names->names[*slot - 1];
        if (name->hash == hash && name->size == size &&
            memcmp(name->text, text, size) == 0)
            return slot;
    }
}

static void grow(struct header_names *names)
{
    names->n_slots = names->n_slots ? 2 * names->n_slots : 4096;
    free(names->slots);
    names->slots = must_alloc(names->n_slots * sizeof(*names->slots));
    for (size_t i = 0; i < names->n; i++) {
        const struct header_name *name = &names->names[i];
        *slot_of(names, name->text, name->size, name->hash) = (uint32_t)i + 1;
    }
}

uint32_t header_names_add(struct header_names *names, const char *text, size_t size)
{
    if (2 * names->n >= names->n_slots)
        grow(names);
    uint32_t hash = hash_of(text, size);
    uint32_t *slot = slot_of(names, text, size, hash);
    if (*slot)
        return *slot - 1;
    GROW(names->names, names->n, names->capacity);
    struct token token = {.kind = TOKEN_IDENTIFIER, .text = text, .size = size};
    names->names[names->n] = (struct header_name){
        .text = must_strndup(text, size),
        .size = (uint32_t)size,
        .hash = hash,
        .word = token_is_keyword(&token) ? word_of(text, size) : HEADER_NAME};
    *slot = (uint32_t)++names->n;
    return *slot - 1;
}

uint32_t header_names_find(const struct header_names *names, const char *text,
                           size_t size)
{
    if (!names->n_slots)
        return NO_NAME;
    uint32_t slot = *slot_of(names, text, size, hash_of(text, size));
    return slot ? slot - 1 : NO_NAME;
}

void chunk_list_add(struct chunk_list *list, uint32_t chunk)
{
    if (list->n && list->chunks[list->n - 1] == chunk)
        return;
    GROW(list->chunks, list->n, list->capacity);
    list->chunks[list->n++] = chunk;
}
