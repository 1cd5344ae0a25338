/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An aggregate is first tried on one line, an attempt that is given up at the width, and
 * then broken into lines, each member or element tried on one line again. Recursion is
 * bounded by limits.depth and limits.pointers. */
#include "kernel/display/value.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "kernel/display/literal.h"
#include "kernel/display/probe.h"

#define INDENT 4

const struct display_limits display_defaults = {
    .depth = 6,
    .pointers = 1,
    .elements = 100,
    .pointed = 10,
    .string = 1000,
    .width = 88,
    .bytes = 65536,
};

struct printer {
    const struct value_world *world;
    const struct types *types;
    const struct display_limits *limits;
    struct buffer *out;
    size_t start;      /* of this value's text */
    bool is_flat;      /* inside an attempt on one line ... */
    size_t flat_end;   /* ... that must not reach beyond this */
    bool has_overflown;
    bool is_full;      /* limits.bytes is reached: nothing more is added */
};

/* Where a value stands inside others. */
struct spot {
    unsigned depth, pointers; /* aggregates around it, pointers followed to it */
    unsigned indent;
};

/* The members of a record or the elements of an array, as one braced list. */
struct group {
    const struct type *record; /* NULL: an array ... */
    uint32_t element;          /* ... of these */
    const char *address;
    uint64_t count, shown;
    struct spot spot; /* of its items */
};

static void show(struct printer *p, uint32_t type, const char *address, struct spot spot);

static bool stopped(const struct printer *p)
{
    return p->has_overflown || p->is_full;
}

static void check_size(struct printer *p)
{
    if (p->is_flat && p->out->size > p->flat_end)
        p->has_overflown = true;
    if (p->out->size - p->start > p->limits->bytes)
        p->is_full = true;
}

static void add(struct printer *p, const char *text)
{
    if (stopped(p))
        return;
    buffer_add_string(p->out, text);
    check_size(p);
}

static void cut(struct printer *p, size_t mark)
{
    buffer_reserve(p->out, 0);
    p->out->size = mark;
    p->out->data[mark] = '\0';
}

static size_t column(const struct printer *p)
{
    size_t at = p->out->size;
    while (at > p->start && p->out->data[at - 1] != '\n')
        at--;
    return p->out->size - at;
}

static void new_line(struct printer *p, unsigned indent)
{
    if (stopped(p))
        return;
    buffer_format(p->out, "\n%*s", (int)indent, "");
    check_size(p);
}

/* --- what the process knows of an address --- */

static bool find_block(const struct printer *p, const void *address,
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

static bool is_within(const char *start, size_t size, const char *address, uint64_t needed)
{
    return address >= start && size >= (size_t)(address - start) &&
           size - (size_t)(address - start) >= needed;
}

static bool can_read(const struct printer *p, const char *address, uint64_t size)
{
    struct value_block block;
    struct value_variable variable;
    if (find_block(p, address, &block))
        return !block.is_freed && is_within(block.start, block.size, address, size);
    if (find_variable(p, address, &variable) &&
        is_within(variable.start, variable.size, address, size))
        return true;
    return probe_is_readable(address, size);
}

static bool is_same_type(const struct printer *p, uint32_t a, uint32_t b)
{
    return a == b || (types_get(p->types, a)->kind == types_get(p->types, b)->kind &&
                      types_equal(p->types, a, p->types, b, NULL));
}

/* Elements of `type` from `address` to the end of its heap block, 1 outside of blocks and
 * inside objects of other types. */
static uint64_t count_elements(const struct printer *p, uint32_t type, const char *address)
{
    struct value_block block;
    uint64_t size = types_size(p->types, type);
    if (!size || !find_block(p, address, &block) || address < block.start)
        return 1;
    uint64_t offset = (uint64_t)(address - block.start);
    bool is_known = block.type && is_same_type(p, block.type, type);
    if ((block.type && !is_known) || block.size % size || offset % size)
        return 1;
    return (block.size - offset) / size;
}

/* --- strings --- */

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
    check_size(p);
    if (count > limit && used == limit)
        add(p, "...");
}

/* True when there is a string to show at `address`. */
static bool show_string(struct printer *p, const char *address)
{
    struct value_block block;
    size_t limit = p->limits->string + 1;
    bool has_end = false;
    if (find_block(p, address, &block)) {
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
    check_size(p);
    if (is_cut)
        add(p, "...");
    else if (length == got)
        add(p, has_end ? " (no terminating NUL)" : " (unreadable from here)");
    return true;
}

/* --- aggregates --- */

static void show_bits(struct printer *p, const struct type *record, unsigned field,
                      const char *address)
{
    const struct type_layout *layout = &record->layout;
    if (!layout->get_bits) {
        add(p, "(unknown)");
        return;
    }
    literal_add_integer(p->out, p->types, record->fields[field].type,
                        layout->get_bits(address, field));
    check_size(p);
}

static void show_field(struct printer *p, const struct group *group, size_t i)
{
    const struct type_field *field = &group->record->fields[i];
    add(p, ".");
    add(p, field->name);
    add(p, " = ");
    if (field->bits >= 0)
        show_bits(p, group->record, (unsigned)i, group->address);
    else
        show(p, field->type, group->address + group->record->layout.offsets[i],
             group->spot);
}

static void show_item(struct printer *p, const struct group *group, uint64_t i)
{
    if (group->record)
        show_field(p, group, (size_t)i);
    else
        show(p, group->element,
             group->address + i * types_size(p->types, group->element), group->spot);
}

static void show_rest(struct printer *p, const struct group *group)
{
    char text[64];
    snprintf(text, sizeof(text), "... %" PRIu64 " more", group->count - group->shown);
    add(p, text);
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
    add(p, "{");
    for (uint64_t i = 0; i < group->shown && !stopped(p); i++) {
        if (is_hidden(group, i))
            continue;
        if (has_items)
            add(p, ", ");
        has_items = true;
        show_item(p, group, i);
    }
    if (group->shown < group->count) {
        if (has_items)
            add(p, ", ");
        show_rest(p, group);
    }
    add(p, "}");
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
    if (stopped(p) || column(p) < p->limits->width)
        return;
    CLEANUP(freep) char *item = must_strdup(p->out->data + mark + 1);
    cut(p, mark);
    new_line(p, group->spot.indent);
    add(p, item);
}

static void show_broken(struct printer *p, const struct group *group)
{
    bool is_one_line = is_filled(p, group), has_items = false;
    add(p, "{");
    new_line(p, group->spot.indent);
    for (uint64_t i = 0; i < group->shown && !stopped(p); i++) {
        if (is_hidden(group, i))
            continue;
        size_t mark = p->out->size;
        if (has_items)
            add(p, ",");
        if (has_items && !is_one_line)
            new_line(p, group->spot.indent);
        else if (has_items)
            add(p, " ");
        show_item(p, group, i);
        if (has_items && is_one_line)
            wrap(p, group, mark + 1);
        has_items = true;
    }
    if (group->shown < group->count) {
        if (has_items)
            add(p, ",");
        new_line(p, group->spot.indent);
        show_rest(p, group);
    }
    new_line(p, group->spot.indent - INDENT);
    add(p, "}");
}

static void show_group(struct printer *p, struct group *group, struct spot around)
{
    group->spot = around;
    group->spot.depth++;
    group->spot.indent += INDENT;
    if (!group->count) {
        add(p, "{}");
        return;
    }
    if (around.depth >= p->limits->depth) {
        add(p, "{...}");
        return;
    }
    if (p->is_flat) {
        show_flat(p, group);
        return;
    }
    size_t mark = p->out->size, at = column(p);
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
    cut(p, mark);
    show_broken(p, group);
}

static void show_record(struct printer *p, uint32_t id, const char *address,
                        struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    if (!type->layout.is_known) {
        add(p, type->is_incomplete ? "{incomplete type}" : "{unknown layout}");
        return;
    }
    struct group group = {.record = type,
                          .address = address,
                          .count = type->n_fields,
                          .shown = type->n_fields};
    show_group(p, &group, spot);
}

static void show_elements(struct printer *p, uint32_t element, const char *address,
                          uint64_t count, uint64_t limit, struct spot spot)
{
    struct group group = {.element = element, .address = address, .count = count};
    group.shown = count < limit ? count : limit;
    if (!types_size(p->types, element))
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
    if (!size || !find_block(p, address, &block) || block.is_freed ||
        !is_within(block.start, block.size, address, 0))
        return 0;
    return (block.size - (uint64_t)(address - block.start)) / size;
}

static void show_array(struct printer *p, uint32_t id, const char *address,
                       struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    uint64_t count = array_count(p, type, address);
    if (is_plain_char(p, type->target))
        show_char_array(p, address, count);
    else
        show_elements(p, type->target, address, count, p->limits->elements, spot);
}

/* --- pointers --- */

/* `&x`, `a`, `&a[3]`: the name of what is exactly there, of the pointer's own type. */
static bool add_variable_name(struct printer *p, uint32_t target, const char *address)
{
    struct value_variable variable;
    if (!find_variable(p, address, &variable) || variable.is_literal || !variable.name)
        return false;
    const struct type *type = types_get(p->types, variable.type);
    uint64_t offset = (uint64_t)(address - variable.start);
    char text[300];
    if (!offset && is_same_type(p, variable.type, target)) {
        snprintf(text, sizeof(text), "&%s", variable.name);
    } else if (type->kind == TYPE_ARRAY && is_same_type(p, type->target, target)) {
        uint64_t size = types_size(p->types, target);
        if (!size || offset % size || offset >= variable.size)
            return false;
        snprintf(text, sizeof(text), "&%s[%" PRIu64 "]", variable.name, offset / size);
    } else {
        return false;
    }
    add(p, text);
    return true;
}

static void add_address(struct printer *p, const struct type *pointer, const char *address,
                        struct spot spot, const char *note)
{
    char text[64];
    if (!spot.depth || *note) {
        add(p, "(");
        add(p, pointer->spelling ? pointer->spelling : "void *");
        add(p, ") ");
    }
    snprintf(text, sizeof(text), "0x%" PRIxPTR, (uintptr_t)address);
    add(p, text);
    if (*note) {
        add(p, " (");
        add(p, note);
        add(p, ")");
    }
}

static void show_function(struct printer *p, const struct type *pointer,
                          const char *address, struct spot spot)
{
    const struct value_world *w = p->world;
    bool is_library = false;
    const char *name = w && w->find_function
                           ? w->find_function(w->context, address, &is_library)
                           : NULL;
    if (!name) {
        add_address(p, pointer, address, spot, "");
        return;
    }
    add(p, "&");
    add(p, name);
}

static void follow(struct printer *p, const struct type *pointer, const char *address,
                   struct spot spot)
{
    uint32_t target = pointer->target;
    uint64_t size = types_size(p->types, target);
    uint64_t count = count_elements(p, target, address);
    uint64_t shown = count < p->limits->pointed ? count : p->limits->pointed;
    if (!count || !can_read(p, address, size * shown)) {
        add_address(p, pointer, address, spot, count ? "unreadable" : "one past the end");
        return;
    }
    if (!add_variable_name(p, target, address))
        add_address(p, pointer, address, (struct spot){.depth = 0}, "");
    add(p, " -> ");
    spot.pointers++;
    if (count == 1)
        show(p, target, address, spot);
    else
        show_elements(p, target, address, count, p->limits->pointed, spot);
}

static void show_pointer(struct printer *p, uint32_t id, const char *place,
                         struct spot spot)
{
    const struct type *pointer = types_get(p->types, id);
    const struct type *target = types_get(p->types, pointer->target);
    struct value_block block;
    const char *address;
    memcpy(&address, place, sizeof(address));
    if (!address)
        add(p, "NULL");
    else if (target->kind == TYPE_FUNCTION)
        show_function(p, pointer, address, spot);
    else if (find_block(p, address, &block) && block.is_freed)
        add_address(p, pointer, address, spot, "freed");
    else if (target->kind == TYPE_CHAR && show_string(p, address))
        return;
    else if (target->kind == TYPE_CHAR)
        add_address(p, pointer, address, spot, "unreadable");
    else if (is_stack(p, address))
        add_address(p, pointer, address, spot, "on the stack");
    else if (types_size(p->types, pointer->target) &&
             spot.pointers < p->limits->pointers && spot.depth < p->limits->depth)
        follow(p, pointer, address, spot);
    else if (!add_variable_name(p, pointer->target, address))
        add_address(p, pointer, address, spot, "");
}

static void show(struct printer *p, uint32_t id, const char *address, struct spot spot)
{
    const struct type *type = types_get(p->types, id);
    if (stopped(p))
        return;
    if (type->kind == TYPE_POINTER) {
        show_pointer(p, id, address, spot);
    } else if (type_is_record(type)) {
        show_record(p, id, address, spot);
    } else if (type->kind == TYPE_ARRAY) {
        show_array(p, id, address, spot);
    } else if (literal_add(p->out, p->types, id, address)) {
        if (type->kind == TYPE_CHAR && !spot.depth && !spot.pointers)
            buffer_format(p->out, " (%d)", *address);
        check_size(p);
    } else {
        add(p, "(");
        add(p, type->spelling ? type->spelling : "unknown type");
        add(p, ") {...}");
    }
}

static uint64_t root_size(const struct printer *p, uint32_t type, const void *address)
{
    uint64_t size = types_size(p->types, type);
    return size || !address ? size : 1;
}

int display_value(const struct value_world *world, const struct types *types, uint32_t type,
                  const void *address, const struct display_limits *limits,
                  struct buffer *out)
{
    struct printer printer = {.world = world, .types = types, .out = out,
                              .limits = limits ? limits : &display_defaults,
                              .start = out->size};
    if (types_get(types, type)->kind == TYPE_VOID)
        return 0;
    if (!can_read(&printer, address, root_size(&printer, type, address))) {
        buffer_add_string(out, "(unreadable)");
        return -EFAULT;
    }
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale_t before = plain ? uselocale(plain) : (locale_t)0;
    show(&printer, type, address, (struct spot){0});
    if (printer.is_full) {
        cut(&printer, printer.start + printer.limits->bytes);
        buffer_add_string(out, "...");
    }
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return 0;
}
