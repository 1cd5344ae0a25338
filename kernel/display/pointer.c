/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pointers: what the process knows of an address decides what is said of it, and nothing
 * is read before it is known to be readable. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/display/literal.h"
#include "kernel/display/place.h"
#include "kernel/display/printer.h"
#include "kernel/display/probe.h"
#include "kernel/display/wide.h"

/* --- what the process knows of an address --- */

bool printer_find_block(const struct printer *p, const void *address,
                        struct value_block *ret)
{
    const struct value_world *w = p->world;
    return w && w->find_block && w->find_block(w->context, address, ret);
}

static bool find_variable(const struct printer *p, const void *address,
                          struct value_variable *ret)
{
    const struct value_world *w = p->world;
    return w && w->find_variable && w->find_variable(w->context, address, ret);
}

static bool is_stack(const struct printer *p, const void *address)
{
    const struct value_world *w = p->world;
    return w && w->is_stack && w->is_stack(w->context, address);
}

static bool is_within(const char *start, size_t size, const char *address,
                      uint64_t needed)
{
    return address >= start && size >= (size_t)(address - start) &&
           size - (size_t)(address - start) >= needed;
}

bool printer_can_read(const struct printer *p, const char *address, uint64_t size)
{
    struct value_block block;
    struct value_variable variable;
    if (printer_find_block(p, address, &block))
        return !block.is_freed && is_within(block.start, block.size, address, size);
    if (find_variable(p, address, &variable) &&
        is_within(variable.start, variable.size, address, size))
        return true;
    return probe_is_readable(address, size);
}

/* Its elements have the rest of the block, so that it holds one such struct only. */
static bool ends_in_flexible_array(const struct types *types, uint32_t id)
{
    const struct type *record = types_get(types, id);
    if (record->kind != TYPE_STRUCT || !record->n_fields)
        return false;
    const struct type *last = types_get(types, record->fields[record->n_fields - 1].type);
    return last->kind == TYPE_ARRAY && last->is_incomplete;
}

uint64_t printer_count_elements(const struct printer *p, uint32_t type,
                                const char *address)
{
    struct value_block block;
    uint64_t size = types_size(p->types, type);
    if (!size || !printer_find_block(p, address, &block) || address < block.start)
        return 1;
    uint64_t offset = (uint64_t)(address - block.start);
    if (ends_in_flexible_array(p->types, type))
        return offset < block.size;
    bool is_known = block.type && is_same_plain(p->types, block.type, type);
    if ((block.type && !is_known) || block.size % size || offset % size)
        return 1;
    return (block.size - offset) / size;
}

/* True when there is a string to show at `address`. */
static bool show_string(struct printer *p, const char *address)
{
    struct value_block block;
    size_t limit = p->limits->string + 1;
    bool has_end = false;
    if (printer_find_block(p, address, &block)) {
        if (block.is_freed || !is_within(block.start, block.size, address, 1))
            return false;
        size_t rest = block.size - (size_t)(address - block.start);
        has_end = rest < limit;
        limit = has_end ? rest : limit;
    }
    CLEANUP(freep) char *text = must_alloc(limit + 1);
    size_t got = probe_copy(address, text, limit);
    if (!got)
        return false;
    size_t length = strnlen(text, got);
    bool is_cut = length > p->limits->string;
    literal_add_string(p->out, text, is_cut ? p->limits->string : length);
    printer_check_size(p);
    if (is_cut)
        printer_add(p, "...");
    else if (length == got)
        printer_add(p, has_end ? " (no terminating NUL)" : " (unreadable from here)");
    return true;
}

static bool show_wide_string(struct printer *p, uint32_t target, const char *address)
{
    struct wide wide;
    struct value_block block;
    if (!wide_of(p->types, target, &wide))
        return false;
    size_t limit = (p->limits->string + 1) * wide.size;
    if (printer_find_block(p, address, &block)) {
        size_t rest = is_within(block.start, block.size, address, 1)
                          ? block.size - (size_t)(address - block.start)
                          : 0;
        limit = rest < limit ? rest : limit;
    }
    CLEANUP(freep) char *text = must_alloc(limit + 1);
    size_t got = probe_copy(address, text, limit) / wide.size;
    if (!got)
        return false;
    size_t length = wide_length(&wide, text, got);
    bool is_cut = length > p->limits->string;
    wide_add_string(p->out, &wide, text, is_cut ? p->limits->string : length);
    printer_check_size(p);
    if (is_cut)
        printer_add(p, "...");
    else if (length == got)
        printer_add(p, " (no terminating NUL)");
    return true;
}

/* --- pointers --- */

/* `&x`, `&a[3]`, `&p.from.x`: the name of what is exactly there, of the pointer's own
 * type; for void * of anything that starts there. */
static bool add_variable_name(struct printer *p, uint32_t target, const char *address)
{
    struct value_variable variable;
    if (!find_variable(p, address, &variable) || variable.is_literal || !variable.name ||
        !*variable.name)
        return false;
    CLEANUP(buffer_clear) struct buffer place = {0};
    bool is_end = variable.size && address == variable.start + variable.size;
    if (!place_add(&place, p->types, variable.type, target,
                   (uint64_t)(address - variable.start)))
        return false;
    printer_add(p, "&");
    printer_add(p, variable.name);
    printer_add(p, buffer_string(&place));
    if (is_end)
        printer_add(p, " (one past the end)");
    return true;
}

static bool is_end_of_variable(const struct printer *p, const char *address)
{
    struct value_variable variable;
    return find_variable(p, address, &variable) && variable.size &&
           address == variable.start + variable.size;
}

static void add_address(struct printer *p, const struct type *pointer,
                        const char *address, struct spot spot, const char *note)
{
    char text[64];
    if (!spot.depth || *note) {
        printer_add(p, "(");
        printer_add(p, pointer->spelling ? pointer->spelling : "void *");
        printer_add(p, ") ");
    }
    snprintf(text, sizeof(text), "0x%" PRIxPTR, (uintptr_t)address);
    printer_add(p, text);
    if (*note) {
        printer_add(p, " (");
        printer_add(p, note);
        printer_add(p, ")");
    }
}

static void show_function(struct printer *p, const struct type *pointer,
                          const char *address, struct spot spot)
{
    const struct value_world *w = p->world;
    bool is_library = false;
    const char *name =
        w && w->find_function ? w->find_function(w->context, address, &is_library) : NULL;
    if (!name) {
        add_address(p, pointer, address, spot, "");
        return;
    }
    printer_add(p, "&");
    printer_add(p, name);
}

/* True when the object was shown before; else it is remembered. */
static bool is_seen(struct printer *p, uint32_t type, const char *address)
{
    for (size_t i = 0; i < p->n_seen; i++)
        if (p->seen[i].address == address && p->seen[i].type == type)
            return true;
    if (p->n_seen < PRINTER_SEEN_MAX) {
        GROW(p->seen, p->n_seen, p->seen_capacity);
        p->seen[p->n_seen++] = (struct seen){address, type};
    }
    return false;
}

static void follow(struct printer *p, const struct type *pointer, const char *address,
                   struct spot spot)
{
    uint32_t target = pointer->target;
    uint64_t size = types_size(p->types, target);
    uint64_t count = printer_count_elements(p, target, address);
    uint64_t shown = count < p->limits->pointed ? count : p->limits->pointed;
    if (!count || !printer_can_read(p, address, size * shown)) {
        add_address(p, pointer, address, spot, count ? "unreadable" : "one past the end");
        return;
    }
    if (!add_variable_name(p, target, address))
        add_address(p, pointer, address, spot, "");
    if (is_seen(p, target, address)) {
        printer_add(p, " (shown above)");
        return;
    }
    printer_add(p, " -> ");
    spot.pointers++;
    if (count == 1)
        printer_show(p, target, address, spot);
    else
        printer_show_elements(p, target, address, count, p->limits->pointed, spot);
}

/* Of memory that cannot be shown, how much there is. */
static void show_unfollowed(struct printer *p, const struct type *pointer,
                            const char *address, struct spot spot)
{
    struct value_block block;
    char note[64] = "";
    bool is_void = types_get(p->types, pointer->target)->kind == TYPE_VOID;
    size_t mark = p->out->size;
    if (is_void && !spot.depth)
        printer_add(p, "(void *) ");
    if (add_variable_name(p, pointer->target, address))
        return;
    printer_cut(p, mark);
    if (is_void && printer_find_block(p, address, &block) &&
        is_within(block.start, block.size, address, 1))
        snprintf(note, sizeof(note), "%zu bytes",
                 block.size - (size_t)(address - block.start));
    add_address(p, pointer, address, spot, note);
}

static void show_end(struct printer *p, const struct type *pointer, const char *address,
                     struct spot spot)
{
    if (!add_variable_name(p, pointer->target, address))
        add_address(p, pointer, address, spot, "one past the end");
}

/* The standard ones are the same for all code of the process. */
static bool show_stream(struct printer *p, const char *address)
{
    const void *streams[] = {stdin, stdout, stderr};
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    for (size_t i = 0; i < 3; i++)
        if (address == streams[i]) {
            printer_add(p, names[i]);
            return true;
        }
    return false;
}

void printer_show_pointer(struct printer *p, uint32_t id, const char *place,
                          struct spot spot)
{
    const struct type *pointer = types_get(p->types, id);
    const struct type *target = types_get(p->types, pointer->target);
    struct value_block block;
    const char *address;
    memcpy(&address, place, sizeof(address));
    if (!address)
        printer_add(p, "NULL");
    else if (target->kind == TYPE_FUNCTION)
        show_function(p, pointer, address, spot);
    else if (printer_find_block(p, address, &block) && block.is_freed)
        add_address(p, pointer, address, spot, "freed");
    else if (show_stream(p, address))
        return;
    else if (target->kind == TYPE_CHAR && show_string(p, address))
        return;
    else if (show_wide_string(p, pointer->target, address))
        return;
    else if (target->kind == TYPE_CHAR)
        add_address(p, pointer, address, spot, "unreadable");
    else if (is_stack(p, address))
        add_address(p, pointer, address, spot, "on the stack");
    else if (is_end_of_variable(p, address))
        show_end(p, pointer, address, spot);
    else if (types_size(p->types, pointer->target) &&
             spot.pointers < p->limits->pointers && spot.depth < p->limits->depth)
        follow(p, pointer, address, spot);
    else
        show_unfollowed(p, pointer, address, spot);
}
