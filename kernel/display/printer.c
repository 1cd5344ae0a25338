/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/printer.h"

bool printer_stopped(const struct printer *p)
{
    return p->has_overflown || p->is_full;
}

void printer_check_size(struct printer *p)
{
    if (p->is_flat && p->out->size > p->flat_end)
        p->has_overflown = true;
    if (p->out->size - p->start > p->limits->bytes)
        p->is_full = true;
}

void printer_add(struct printer *p, const char *text)
{
    if (printer_stopped(p))
        return;
    buffer_add_string(p->out, text);
    printer_check_size(p);
}

void printer_cut(struct printer *p, size_t mark)
{
    buffer_reserve(p->out, 0);
    p->out->size = mark;
    p->out->data[mark] = '\0';
}

size_t printer_column(const struct printer *p)
{
    size_t at = p->out->size;
    while (at > p->start && p->out->data[at - 1] != '\n')
        at--;
    return p->out->size - at;
}

void printer_new_line(struct printer *p, unsigned indent)
{
    if (printer_stopped(p))
        return;
    buffer_format(p->out, "\n%*s", (int)indent, "");
    printer_check_size(p);
}
