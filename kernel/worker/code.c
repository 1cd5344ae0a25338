/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/code.h"

#include <string.h>

#define CODE_MAX (4u << 20) /* bytes of one function that are shown */

/* What an address of an operand is called: a function, a variable, a place that holds the
 * address of one. NULL: not known. */
static const char *name_at(const struct names *names, const char *address)
{
    bool is_library;
    const char *name = NULL;
    if (arena_has_code(names->arena, address)) {
        name = names_function(names, address, &is_library);
        const void *target = name ? NULL : loader_stub_target(names->arena, address);
        return target ? names_function(names, target, &is_library) : name;
    }
    if (!arena_has(names->arena, address))
        return NULL;
    const struct name *variable = names_variable(names, address);
    if (variable && variable->storage == address)
        return variable->text;
    const void *held;
    if (!arena_has(names->arena, address + sizeof(held) - 1))
        return NULL;
    memcpy(&held, address, sizeof(held));
    if (!held)
        return NULL;
    variable = arena_has(names->arena, held) ? names_variable(names, held) : NULL;
    if (variable && variable->storage == held)
        return variable->text;
    return names_function(names, held, &is_library);
}

static void pack_lines(const struct lines *lines, const char *start, size_t size,
                       struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer packed = {0};
    size_t n = 0;
    for (size_t i = 0; i < lines->n; i++) {
        const struct line_entry *entry = &lines->entries[i];
        if ((size_t)(entry->address - start) >= size)
            continue;
        pack_u64(&packed, (uint64_t)(entry->address - start));
        pack_u64(&packed, entry->cell);
        pack_u64(&packed, entry->line);
        n++;
    }
    pack_u64(out, n);
    buffer_add(out, packed.data, packed.size);
}

/* Any four bytes may be the distance to what they refer to: what has a name there is
 * told, and whoever disassembles knows which are. */
static void pack_names(const struct names *names, const char *start, size_t size,
                       struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer packed = {0};
    size_t n = 0;
    for (size_t i = 0; i + 4 <= size; i++) {
        int32_t distance;
        memcpy(&distance, start + i, sizeof(distance));
        const char *address = start + i + 4 + distance;
        const char *name = (size_t)(address - start) < size && address != start
                               ? NULL
                               : name_at(names, address);
        if (!name)
            continue;
        pack_u64(&packed, (uint64_t)(uintptr_t)address);
        pack_string(&packed, name);
        n++;
    }
    pack_u64(out, n);
    buffer_add(out, packed.data, packed.size);
}

void code_show(const struct names *names, const char *function, struct outcome *ret,
               struct buffer *out)
{
    const struct name *name = names_find(names, function);
    const struct unit *unit = name && name->kind == NAME_FUNCTION && name->body
                                  ? names_unit(names, name->body)
                                  : NULL;
    const struct image_symbol *symbol =
        unit ? image_symbol_at(unit->image, name->body) : NULL;
    if (!symbol) {
        outcome_set(ret, OUTCOME_REFUSED, "NameError",
                    "'%s' has no code in the session's process", function);
        return;
    }
    size_t size = symbol->size < CODE_MAX ? (size_t)symbol->size : CODE_MAX;
    pack_u64(out, (uint64_t)(uintptr_t)symbol->address);
    pack_bytes(out, symbol->address, size);
    pack_lines(&unit->lines, symbol->address, size, out);
    pack_names(names, symbol->address, size, out);
}
