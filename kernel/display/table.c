/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Little style of its own: JupyterLab gives tables theirs, dark or light. */
#include "kernel/display/table.h"

#include <inttypes.h>
#include <string.h>

#include "kernel/display/plain_locale.h"
#include "kernel/display/printer.h"
#include "kernel/display/wide.h"

static const struct display_limits cell_limits = {.depth = 4,
                                                  .pointers = 0,
                                                  .elements = 10,
                                                  .string = TABLE_CELL_MAX,
                                                  .width = TABLE_CELL_MAX,
                                                  .bytes = TABLE_CELL_MAX};

struct table {
    const struct value_world *world;
    const struct types *types;
    const struct type *record; /* of a row; NULL: a row is an array ... */
    uint32_t element;          /* ... of these */
    const char *address;
    uint64_t n_rows, n_columns;
    uint64_t row_size, element_size;
    struct buffer *out;
};

/* ---- what is shown
 * ---------------------------------------------------------------------- */

/* Numbers `i` of the head and tail of `n` things, with a gap between. */
struct range {
    uint64_t n, head, tail, i;
};

static struct range range_of(uint64_t n, uint64_t head, uint64_t tail)
{
    return n > head + tail ? (struct range){n, head, tail, 0}
                           : (struct range){n, n, 0, 0};
}

static bool range_has(const struct range *range)
{
    return range->i < range->n;
}

static bool range_is_gap(const struct range *range)
{
    return range->i == range->head && range->head < range->n;
}

static void range_next(struct range *range)
{
    range->i = range_is_gap(range) ? range->n - range->tail : range->i + 1;
}

static struct range rows_of(const struct table *table)
{
    return range_of(table->n_rows, TABLE_ROWS_HEAD, TABLE_ROWS_TAIL);
}

static struct range columns_of(const struct table *table)
{
    return range_of(table->n_columns, TABLE_COLUMNS_HEAD, TABLE_COLUMNS_TAIL);
}

static bool is_hidden(const struct table *table, uint64_t column)
{
    return table->record && !*table->record->fields[column].name;
}

/* ---- its text
 * --------------------------------------------------------------------------- */

static void add_escaped(struct buffer *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *entity = text[i] == '<'    ? "&lt;"
                             : text[i] == '>'  ? "&gt;"
                             : text[i] == '&'  ? "&amp;"
                             : text[i] == '\n' ? " "
                                               : NULL;
        if (entity)
            buffer_add_string(out, entity);
        else
            buffer_add_char(out, text[i]);
    }
}

/* Not in the middle of a character. */
static size_t cut(const struct buffer *text)
{
    size_t size = text->size < TABLE_CELL_MAX ? text->size : TABLE_CELL_MAX;
    while (size && size < text->size && (text->data[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static uint32_t column_type(const struct table *table, uint64_t column)
{
    return table->record ? table->record->fields[column].type : table->element;
}

static bool is_number(const struct table *table, uint64_t column)
{
    const struct type *type = types_get(table->types, column_type(table, column));
    return (type_is_arithmetic(type) && type->kind != TYPE_ENUM &&
            type->kind != TYPE_CHAR) ||
           type->kind == TYPE_COMPLEX;
}

static void add_cell(const struct table *table, uint64_t row, uint64_t column)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    struct printer printer = {.world = table->world,
                              .types = table->types,
                              .limits = &cell_limits,
                              .out = &text,
                              .is_flat = true,
                              .flat_end = TABLE_CELL_MAX};
    const char *address = table->address + row * table->row_size;
    if (table->record)
        printer_show_member(&printer, table->record, column, address,
                            (struct spot){.depth = 1});
    else
        printer_show(&printer, table->element, address + column * table->element_size,
                     (struct spot){.depth = 1});
    buffer_add_string(table->out, is_number(table, column)
                                      ? "<td>"
                                      : "<td style=\"text-align: left\">");
    size_t shown = cut(&text);
    add_escaped(table->out, buffer_string(&text), shown);
    free(printer.seen);
    buffer_add_string(table->out, shown < text.size ? "…</td>" : "</td>");
}

static void add_head(const struct table *table)
{
    buffer_add_string(table->out, "<thead><tr><th></th>");
    for (struct range at = columns_of(table); range_has(&at); range_next(&at)) {
        if (range_is_gap(&at))
            buffer_add_string(table->out, "<th>…</th>");
        else if (!table->record)
            buffer_format(table->out, "<th>%" PRIu64 "</th>", at.i);
        else if (!is_hidden(table, at.i))
            buffer_format(table->out, "<th>%s</th>", table->record->fields[at.i].name);
    }
    buffer_add_string(table->out, "</tr></thead>\n");
}

static void add_row(const struct table *table, uint64_t row, bool is_gap)
{
    if (is_gap)
        buffer_add_string(table->out, "<tr><th>⋮</th>");
    else
        buffer_format(table->out, "<tr><th>%" PRIu64 "</th>", row);
    for (struct range at = columns_of(table); range_has(&at); range_next(&at)) {
        if (is_gap)
            buffer_add_string(table->out, is_hidden(table, at.i) ? "" : "<td>⋮</td>");
        else if (range_is_gap(&at))
            buffer_add_string(table->out, "<td>…</td>");
        else if (!is_hidden(table, at.i))
            add_cell(table, row, at.i);
    }
    buffer_add_string(table->out, "</tr>\n");
}

static void add_table(const struct table *table)
{
    buffer_add_string(table->out, "<table>\n");
    add_head(table);
    buffer_add_string(table->out, "<tbody>\n");
    for (struct range at = rows_of(table); range_has(&at); range_next(&at))
        add_row(table, at.i, range_is_gap(&at));
    buffer_add_string(table->out, "</tbody></table>\n");
    struct range rows = rows_of(table), columns = columns_of(table);
    if (rows.tail || columns.tail)
        buffer_format(table->out, "<p>%" PRIu64 " rows, %" PRIu64 " columns</p>\n",
                      table->n_rows, table->n_columns);
}

/* ---- its shape
 * -------------------------------------------------------------------------- */

static bool has_members(const struct type *record)
{
    size_t n = 0;
    for (size_t i = 0; i < record->n_fields; i++)
        n += *record->fields[i].name != '\0';
    return n > 0;
}

/* Rows of type `id`: structs, or arrays of what has a text of its own. */
static bool set_row(struct table *table, uint32_t id)
{
    const struct type *row = types_get(table->types, id);
    table->row_size = types_size(table->types, id);
    if (!table->row_size)
        return false;
    if (row->kind == TYPE_STRUCT) {
        table->record = row;
        table->n_columns = row->n_fields;
        return row->layout.is_known && has_members(row);
    }
    const struct type *element = types_get(table->types, row->target);
    struct wide wide;
    if (wide_of(table->types, row->target, &wide)) /* strings */
        return false;
    table->element = row->target;
    table->element_size = types_size(table->types, row->target);
    table->n_columns = row->count;
    return row->kind == TYPE_ARRAY && row->count &&
           (type_is_arithmetic(element) || element->kind == TYPE_COMPLEX) &&
           element->kind != TYPE_CHAR;
}

/* The elements of an array, or of the block that a pointer leads to. */
static bool set_rows(struct table *table, uint32_t id, const char *address)
{
    const struct type *type = types_get(table->types, id);
    struct printer printer = {.world = table->world, .types = table->types};
    if (type->kind == TYPE_ARRAY) {
        table->address = address;
        table->n_rows = type->count;
        return set_row(table, type->target);
    }
    if (type->kind != TYPE_POINTER || !set_row(table, type->target))
        return false;
    memcpy(&table->address, address, sizeof(table->address));
    table->n_rows = printer_count_elements(&printer, type->target, table->address);
    return table->n_rows > 1;
}

bool display_table(const struct value_world *world, const struct types *types,
                   uint32_t type, const void *address, struct buffer *out)
{
    struct table table = {.world = world, .types = types, .out = out};
    struct printer printer = {.world = world, .types = types};
    uint64_t size = types_size(types, type);
    if (!size || !printer_can_read(&printer, address, size) ||
        !set_rows(&table, type, address) || !table.n_rows)
        return false;
    if (!printer_can_read(&printer, table.address, table.n_rows * table.row_size))
        return false;
    struct display_locale locale = display_locale_set();
    add_table(&table);
    display_locale_restore(&locale);
    return true;
}
