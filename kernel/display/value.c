/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An aggregate is first tried on one line, an attempt that is given up at the width, and
 * then broken into lines, each member or element tried on one line again. Recursion is
 * bounded by limits.depth and limits.pointers. */
#include "kernel/display/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/display/literal.h"
#include "kernel/display/plain_locale.h"
#include "kernel/display/printer.h"
#include "kernel/display/wide.h"

#define INDENT 4

const struct display_limits display_defaults = {
    .depth = 10,
    .pointers = 6,
    .elements = 100,
    .pointed = 10,
    .string = 1000,
    .width = 88,
    .bytes = 65536,
};

/* The members of a record or the elements of an array, as one braced list. */
struct group {
    const struct type *record; /* NULL: an array ... */
    uint32_t element;          /* ... of these */
    const char *address;
    uint64_t count, shown;
    struct spot spot; /* of its items */
};

static bool is_plain_char(const struct printer *p, uint32_t type)
{
    return types_get(p->types, type)->kind == TYPE_CHAR;
}

/* Up to the last byte that is not NUL, so that nothing is hidden behind a first one. */
static void show_char_array(struct printer *p, const char *address, uint64_t count)
{
    uint64_t used = count;
    uint64_t limit = p->limits->string;
    while (used && used <= limit && !address[used - 1])
        used--;
    if (used > limit)
        used = strnlen(address, limit);
    literal_add_string(p->out, address, used);
    printer_check_size(p);
    if (count > limit && used == limit)
        printer_add(p, "...");
}

/* --- aggregates --- */

static void show_bits(struct printer *p, const struct type *record, unsigned field,
                      const char *address)
{
    const struct type_layout *layout = &record->layout;
    if (!layout->get_bits) {
        printer_add(p, "(unknown)");
        return;
    }
    literal_add_integer(p->out, p->types, record->fields[field].type,
                        layout->get_bits(address, field));
    printer_check_size(p);
}

void printer_show_member(struct printer *p, const struct type *record, size_t i,
                         const char *address, struct spot spot)
{
    const struct type_field *field = &record->fields[i];
    if (field->bits >= 0)
        show_bits(p, record, (unsigned)i, address);
    else
        printer_show(p, field->type, address + record->layout.offsets[i], spot);
}

static void show_field(struct printer *p, const struct group *group, size_t i)
{
    printer_add(p, ".");
    printer_add(p, group->record->fields[i].name);
    printer_add(p, " = ");
    printer_show_member(p, group->record, i, group->address, group->spot);
}

/* 0: it cannot be shown. */
static uint64_t shown_size(const struct types *types, uint32_t id)
{
    const struct type *type = types_get(types, id);
    return type->kind == TYPE_OTHER ? literal_other_size(type->spelling)
                                    : types_size(types, id);
}

static void show_item(struct printer *p, const struct group *group, uint64_t i)
{
    if (group->record)
        show_field(p, group, (size_t)i);
    else
        printer_show(p, group->element,
                     group->address + i * shown_size(p->types, group->element),
                     group->spot);
}

static void show_rest(struct printer *p, const struct group *group)
{
    char text[64];
    snprintf(text, sizeof(text), "... %" PRIu64 " more", group->count - group->shown);
    printer_add(p, text);
}

/* Unnamed bit-fields are padding. */
static bool is_hidden(const struct group *group, uint64_t i)
{
    if (!group->record)
        return false;
    const struct type_field *field = &group->record->fields[i];
    return !field->name || !*field->name;
}

static void show_flat(struct printer *p, const struct group *group)
{
    bool has_items = false;
    printer_add(p, "{");
    for (uint64_t i = 0; i < group->shown && !printer_stopped(p); i++) {
        if (is_hidden(group, i))
            continue;
        if (has_items)
            printer_add(p, ", ");
        has_items = true;
        show_item(p, group, i);
    }
    if (group->shown < group->count) {
        if (has_items)
            printer_add(p, ", ");
        show_rest(p, group);
    }
    printer_add(p, "}");
}

/* Several elements share a line when they are short by nature. */
static bool is_filled(const struct printer *p, const struct group *group)
{
    if (group->record)
        return false;
    const struct type *element = types_get(p->types, group->element);
    return type_is_scalar(element) &&
           (element->kind != TYPE_POINTER || is_plain_char(p, element->target));
}

/* Moves the item behind the blank at `mark` to a new line when it went over the width. */
static void wrap(struct printer *p, const struct group *group, size_t mark)
{
    if (printer_stopped(p) || printer_column(p) < p->limits->width)
        return;
    CLEANUP(freep) char *item = must_strdup(p->out->data + mark + 1);
    printer_cut(p, mark);
    printer_new_line(p, group->spot.indent);
    printer_add(p, item);
}

static void show_broken(struct printer *p, const struct group *group)
{
    bool is_one_line = is_filled(p, group), has_items = false;
    printer_add(p, "{");
    printer_new_line(p, group->spot.indent);
    for (uint64_t i = 0; i < group->shown && !printer_stopped(p); i++) {
        if (is_hidden(group, i))
            continue;
        size_t mark = p->out->size;
        if (has_items)
            printer_add(p, ",");
        if (has_items && !is_one_line)
            printer_new_line(p, group->spot.indent);
        else if (has_items)
            printer_add(p, " ");
        show_item(p, group, i);
        if (has_items && is_one_line)
            wrap(p, group, mark + 1);
        has_items = true;
    }
    if (group->shown < group->count) {
        if (has_items)
            printer_add(p, ",");
        printer_new_line(p, group->spot.indent);
        show_rest(p, group);
    }
    printer_new_line(p, group->spot.indent - INDENT);
    printer_add(p, "}");
}

static void show_group(struct printer *p, struct group *group, struct spot around)
{
    group->spot = around;
    group->spot.depth++;
    group->spot.indent += INDENT;
    if (!group->count) {
        printer_add(p, "{}");
        return;
    }
    if (around.depth >= p->limits->depth) {
        printer_add(p, "{...}");
        return;
    }
    if (p->is_flat) {
        show_flat(p, group);
        return;
    }
    size_t mark = p->out->size, at = printer_column(p), n_seen = p->n_seen;
    size_t room = at + 2 < p->limits->width ? p->limits->width - at - 1 : 1;
    bool was_full = p->is_full;
    p->is_flat = true;
    p->flat_end = mark + room;
    show_flat(p, group);
    p->is_flat = false;
    if (!p->has_overflown)
        return;
    p->has_overflown = false;
    p->is_full = was_full;
    printer_cut(p, mark);
    p->n_seen = n_seen;
    show_broken(p, group);
}

static void show_record(struct printer *p, uint32_t id, const char *address,
                        struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    if (!type->n_fields && !type->is_incomplete) {
        printer_add(p, "{}");
        return;
    }
    if (!type->layout.is_known) {
        printer_add(p, type->is_incomplete ? "{incomplete type}" : "{unknown layout}");
        return;
    }
    struct group group = {.record = type,
                          .address = address,
                          .count = type->n_fields,
                          .shown = type->n_fields};
    show_group(p, &group, spot);
}

void printer_show_elements(struct printer *p, uint32_t element, const char *address,
                           uint64_t count, uint64_t limit, struct spot spot)
{
    struct group group = {.element = element, .address = address, .count = count};
    group.shown = count < limit ? count : limit;
    if (!shown_size(p->types, element))
        group.shown = 0;
    show_group(p, &group, spot);
}

/* A flexible array member reaches to the end of its block. */
static uint64_t array_count(const struct printer *p, const struct type *array,
                            const char *address)
{
    struct value_block block;
    uint64_t size = types_size(p->types, array->target);
    if (array->count || !array->is_incomplete)
        return array->count;
    if (!size || !printer_find_block(p, address, &block) || block.is_freed ||
        address < block.start || address > block.start + block.size)
        return 0;
    return (block.size - (uint64_t)(address - block.start)) / size;
}

/* Up to the last unit that is not 0. */
static void show_wide_array(struct printer *p, const struct wide *wide,
                            const char *address, uint64_t count)
{
    size_t limit = p->limits->string, n = count < limit ? (size_t)count : limit;
    size_t used = n;
    while (used && !wide_length(wide, address + (used - 1) * wide->size, 1))
        used--;
    wide_add_string(p->out, wide, address, used);
    printer_check_size(p);
    if (n < count && used == n)
        printer_add(p, "...");
}

static void show_array(struct printer *p, uint32_t id, const char *address,
                       struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    uint64_t count = array_count(p, type, address);
    struct wide wide;
    if (is_plain_char(p, type->target))
        show_char_array(p, address, count);
    else if (wide_of(p->types, type->target, &wide))
        show_wide_array(p, &wide, address, count);
    else
        printer_show_elements(p, type->target, address, count, p->limits->elements, spot);
}

static bool show_wide(struct printer *p, uint32_t id, const char *address,
                      struct spot spot)
{
    struct wide wide;
    if (!wide_of(p->types, id, &wide))
        return false;
    wide_add_char(p->out, &wide, address);
    uint32_t code = 0;
    memcpy(&code, address, wide.size); /* little-endian */
    if (!spot.depth && !spot.pointers)
        buffer_format(p->out, " (%" PRIu32 ")", code);
    printer_check_size(p);
    return true;
}

static bool show_literal(struct printer *p, uint32_t id, const char *address,
                         struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    uint64_t size = type->kind == TYPE_OTHER ? literal_other_size(type->spelling) : 0;
    if ((size && !printer_can_read(p, address, size)) ||
        !literal_add(p->out, p->types, id, address))
        return false;
    if (type->kind == TYPE_CHAR && !spot.depth && !spot.pointers)
        buffer_format(p->out, " (%d)", *address);
    printer_check_size(p);
    return true;
}

void printer_show(struct printer *p, uint32_t id, const char *address, struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    if (printer_stopped(p))
        return;
    if (type->kind == TYPE_POINTER) {
        printer_show_pointer(p, id, address, spot);
    } else if (type_is_record(type)) {
        show_record(p, id, address, spot);
    } else if (type->kind == TYPE_ARRAY) {
        show_array(p, id, address, spot);
    } else if (!show_wide(p, id, address, spot) && !show_literal(p, id, address, spot)) {
        printer_add(p, "(");
        printer_add(p, type->spelling ? type->spelling : "unknown type");
        printer_add(p, ") {...}");
    }
}

static uint64_t root_size(const struct printer *p, uint32_t type, const void *address)
{
    uint64_t size = types_size(p->types, type);
    return size || !address ? size : 1;
}

int display_value(const struct value_world *world, const struct types *types,
                  uint32_t type, const void *address, const struct display_limits *limits,
                  struct buffer *out)
{
    struct printer printer = {.world = world,
                              .types = types,
                              .out = out,
                              .limits = limits ? limits : &display_defaults,
                              .start = out->size};
    if (types_get(types, type)->kind == TYPE_VOID)
        return 0;
    if (!printer_can_read(&printer, address, root_size(&printer, type, address))) {
        buffer_add_string(out, "(unreadable)");
        return -EFAULT;
    }
    struct display_locale locale = display_locale_set();
    printer_show(&printer, type, address, (struct spot){0});
    if (printer.is_full) {
        printer_cut(&printer, printer.start + printer.limits->bytes);
        buffer_add_string(out, "...");
    }
    display_locale_restore(&locale);
    free(printer.seen);
    return 0;
}
