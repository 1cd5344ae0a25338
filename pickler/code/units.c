/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Units, from loaded images. */
#include "pickler/code/names.h"

static void insert_unit(struct unit ***list, size_t n, size_t *capacity,
                        struct unit *unit, enum arena_part part)
{
    GROW(*list, n, *capacity);
    size_t at = n;
    while (at > 0 && (*list)[at - 1]->image->parts[part] > unit->image->parts[part]) {
        (*list)[at] = (*list)[at - 1];
        at--;
    }
    (*list)[at] = unit;
}

struct unit *names_keep(struct names *names, struct image *image)
{
    struct unit *unit = must_alloc(sizeof(*unit));
    unit->image = image;
    lines_read(&unit->lines, image);
    image_seal(image);
    insert_unit(&names->by_code, names->n_units, &names->by_code_capacity, unit,
                ARENA_CODE);
    insert_unit(&names->by_data, names->n_units, &names->by_data_capacity, unit,
                ARENA_DATA);
    names->n_units++;
    return unit;
}

void unit_add_site(struct unit *unit, uint32_t cell, uint32_t line, uint32_t type)
{
    GROW(unit->sites, unit->n_sites, unit->sites_capacity);
    unit->sites[unit->n_sites++] = (struct unit_site){cell, line, type};
}
