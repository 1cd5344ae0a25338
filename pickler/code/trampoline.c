/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/trampoline.h"

#include <errno.h>
#include <string.h>

int trampolines_init(struct names *names, struct error *err)
{
    struct arena *arena = names->arena;
    names->trampolines = arena_take(arena, ARENA_CODE, NAMES_MAX * TRAMPOLINE_SIZE, 4096);
    names->slots = arena_take(arena, ARENA_DATA, NAMES_MAX * sizeof(void *), 4096);
    if (!names->trampolines || !names->slots)
        return error_set(err, -ENOMEM, "no room for the names of cells");
    names->owners = must_alloc(NAMES_MAX * sizeof(*names->owners));
    return 0;
}

void trampolines_clear(struct names *names)
{
    free(names->owners);
    free(names->free_trampolines);
    free(names->left);
}

static char *slot_of(const struct names *names, size_t i)
{
    return names->slots + i * sizeof(void *);
}

char *trampoline_at(const struct names *names, size_t i)
{
    return names->trampolines + i * TRAMPOLINE_SIZE;
}

char *trampoline_target(const struct names *names, size_t i)
{
    char *body;
    memcpy(&body, slot_of(names, i), sizeof(body));
    return body;
}

size_t trampolines_count(const struct names *names)
{
    return names->n_trampolines;
}

size_t trampoline_number(const struct names *names, const void *address)
{
    size_t distance = (size_t)((const char *)address - names->trampolines);
    bool is_one = (const char *)address >= names->trampolines &&
                  distance % TRAMPOLINE_SIZE == 0 &&
                  distance / TRAMPOLINE_SIZE < names->n_trampolines;
    return is_one ? distance / TRAMPOLINE_SIZE : SIZE_MAX;
}

char *trampoline_take(struct names *names, size_t n_taken)
{
    size_t n_free = names->n_free_trampolines;
    size_t i = n_taken < n_free ? names->free_trampolines[n_free - 1 - n_taken]
                                : names->n_trampolines + n_taken - n_free;
    if (i >= NAMES_MAX)
        return NULL;
    char *at = trampoline_at(names, i);
    machine_write_trampoline(at, slot_of(names, i));
    machine_code_written(at, TRAMPOLINE_SIZE);
    return at;
}

void trampolines_commit(struct names *names, size_t n_taken)
{
    size_t n_free = names->n_free_trampolines;
    names->n_free_trampolines -= n_taken < n_free ? n_taken : n_free;
    names->n_trampolines += n_taken < n_free ? 0 : n_taken - n_free;
}

void trampoline_give(struct names *names, size_t i)
{
    memset(slot_of(names, i), 0, sizeof(void *));
    GROW(names->free_trampolines, names->n_free_trampolines,
         names->free_trampolines_capacity);
    names->free_trampolines[names->n_free_trampolines++] = (uint32_t)i;
}

void names_set_body(const struct names *names, struct name *name, char *body)
{
    size_t i = (size_t)(name->trampoline - names->trampolines) / TRAMPOLINE_SIZE;
    name->body = body;
    memcpy(slot_of(names, i), &body, sizeof(body));
}

void trampoline_own(struct names *names, struct name *name)
{
    names->owners[trampoline_number(names, name->trampoline)] = name;
}

void trampoline_leave(struct names *names, struct name *name)
{
    if (name->trampoline)
        names->owners[trampoline_number(names, name->trampoline)] = NULL;
    name->trampoline = NULL;
}

void names_leave(struct names *names, enum arena_part part, char *start, size_t size)
{
    GROW(names->left, names->n_left, names->left_capacity);
    names->left[names->n_left++] = (struct left_memory){part, start, size};
}

char *thunk_make(struct names *names, char mark, const char *text)
{
    size_t size = MACHINE_THUNK_SIZE + 1 + strlen(text) + 1;
    char *at = arena_take(names->arena, ARENA_CODE, size, 16);
    if (!at)
        return NULL;
    char *own = at + MACHINE_THUNK_SIZE;
    own[0] = mark;
    own += mark != '\0';
    memcpy(own, text, strlen(text) + 1);
    own -= mark != '\0';
    machine_write_thunk(at, own, (const void *)names->hooks.undefined);
    machine_code_written(at, MACHINE_THUNK_SIZE);
    names_leave(names, ARENA_CODE, at, size);
    return at;
}
