/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From addresses back to names: for the value graph and for backtraces. */
#include <dlfcn.h>
#include <string.h>

#include "pickler/code/machine.h"
#include "pickler/code/names_table.h"
#include "pickler/code/trampoline.h"

/* The last unit whose part starts at or before the address and reaches beyond it. */
static struct unit *find_unit(struct unit *const *list, size_t n, enum arena_part part,
                              const char *address)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle]->image->parts[part] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const struct image *image = list[low - 1]->image;
    bool is_inside = image->parts[part] &&
                     (size_t)(address - image->parts[part]) < image->part_sizes[part];
    return is_inside ? list[low - 1] : NULL;
}

const struct unit *names_unit(const struct names *names, const void *address)
{
    return find_unit(names->by_code, names->n_units, ARENA_CODE, address);
}

uint32_t names_site_type(const struct names *names, const void *return_address)
{
    const char *call = (const char *)return_address - 1;
    const struct unit *unit = names_unit(names, call);
    const struct line_entry *line = unit ? lines_find(&unit->lines, call) : NULL;
    for (size_t i = 0; line && i < unit->n_sites; i++)
        if (unit->sites[i].line == line->line && unit->sites[i].cell == line->cell)
            return unit->sites[i].type;
    return 0;
}

static uint32_t marked_type(const struct unit *unit, uint32_t mark)
{
    for (size_t i = 0; i < unit->n_sites; i++)
        if (unit->sites[i].line == mark)
            return unit->sites[i].type;
    return 0;
}

uint32_t names_marked_type(const struct names *names, const void *return_address,
                           uint32_t mark)
{
    const struct unit *unit = names_unit(names, (const char *)return_address - 1);
    uint32_t type = unit ? marked_type(unit, mark) : 0;
    for (size_t i = names->n_units; !type && i-- > 0;)
        type = marked_type(names->by_code[i], mark);
    return type;
}

static const struct library_symbol *find_library(const struct names *names,
                                                 const char *address)
{
    size_t at = names_library_position(names, address);
    bool is_found = at < names->n_library && names->library[at].address == address;
    return is_found ? &names->library[at] : NULL;
}

static const struct name *by_trampoline(const struct names *names, const char *address)
{
    size_t i = trampoline_number(names, address);
    return i == SIZE_MAX ? NULL : names->owners[i];
}

const char *names_function(const struct names *names, const void *address,
                           bool *ret_is_library)
{
    *ret_is_library = false;
    if (arena_has_code(names->arena, address)) {
        const struct name *name = by_trampoline(names, address);
        if (name)
            return name->text;
        for (size_t i = 0; i < names->n; i++)
            if (names->all[i]->kind == NAME_FUNCTION && names->all[i]->body == address)
                return names->all[i]->text;
        return NULL;
    }
    *ret_is_library = true;
    const struct library_symbol *symbol = find_library(names, address);
    if (symbol)
        return symbol->name;
    Dl_info about;
    if (dladdr(address, &about) && about.dli_sname && about.dli_saddr == address)
        return about.dli_sname;
    return NULL;
}

const struct name *names_variable(const struct names *names, const void *address)
{
    const char *at = address;
    size_t low = 0, high = names->n_variables;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->variables[middle]->storage <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const struct name *name = names->variables[low - 1];
    if ((size_t)(at - name->storage) < name->size)
        return name;
    if (at == name->storage + name->size)
        return name;
    /* an empty variable at the same place must not hide the end of the one before */
    if (low > 1 &&
        at == names->variables[low - 2]->storage + names->variables[low - 2]->size)
        return names->variables[low - 2];
    return NULL;
}

/* A string in a section of strings; elsewhere what lies between two symbols. */
static void bound(const struct image *image, const struct image_section *section,
                  const char *address, char **ret_start, size_t *ret_size)
{
    char *low = section->start, *high = section->start + section->size;
    if (section->is_strings) {
        char *start = (char *)address;
        while (start > low && start[-1])
            start--;
        char *end = memchr(address, 0, (size_t)(high - address));
        *ret_start = start;
        *ret_size = (size_t)((end ? end + 1 : high) - start);
        return;
    }
    for (size_t i = 0; i < image->n_symbols; i++) {
        const struct image_symbol *symbol = &image->symbols[i];
        char *end = symbol->address + symbol->size;
        if (end <= address && end > low)
            low = end;
        if (symbol->address > address && symbol->address < high)
            high = symbol->address;
    }
    *ret_start = low;
    *ret_size = (size_t)(high - low);
}

bool names_literal(const struct names *names, const void *address, char **ret_start,
                   size_t *ret_size)
{
    struct unit *unit = find_unit(names->by_data, names->n_units, ARENA_DATA, address);
    if (!unit)
        return false;
    const struct image_symbol *symbol = image_symbol_at(unit->image, address);
    if (symbol) {
        *ret_start = symbol->address;
        *ret_size = symbol->size;
        return symbol->size > 0;
    }
    const struct image_section *section = image_section_at(unit->image, address);
    if (section)
        bound(unit->image, section, address, ret_start, ret_size);
    return section && *ret_size > 0;
}

/* A function has a suffix of ours, or of gcc's ("f.part.0"), which no name in C has. */
void names_plain(const char *symbol, char *text, size_t size)
{
    const char *suffix = strstr(symbol, "__achar"), *dot = strchr(symbol, '.');
    size_t length = suffix && suffix > symbol ? (size_t)(suffix - symbol)
                    : dot && dot > symbol     ? (size_t)(dot - symbol)
                                              : strlen(symbol);
    if (length >= size)
        length = size - 1;
    memcpy(text, symbol, length);
    text[length] = 0;
}

bool names_code(const struct names *names, const void *address, char *text, size_t size)
{
    const struct unit *unit = names_unit(names, address);
    const struct image_symbol *symbol =
        unit ? image_symbol_at(unit->image, address) : NULL;
    if (!symbol || !size)
        return false;
    names_plain(symbol->name, text, size);
    return true;
}

const char *names_called(const struct names *names, const char *return_address)
{
    if (!arena_has_code(names->arena, return_address - MACHINE_CALL_SIZE_MAX))
        return NULL;
    const char *at;
    const void *target = NULL;
    if (!machine_call_target(return_address, &at))
        target = loader_stub_target(names->arena, at);
    else if (arena_has(names->arena, at))
        memcpy(&target, at, sizeof(target));
    const struct library_symbol *symbol = target ? find_library(names, target) : NULL;
    return symbol ? symbol->name : NULL;
}
