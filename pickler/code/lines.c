/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/lines.h"

#include <string.h>

#include "pickler/code/relocate.h"

uint32_t lines_cell(const char *file, size_t size)
{
    if (size < 5 || file[size - 1] != ']')
        return 0;
    size_t at = size - 1;
    uint64_t cell = 0, unit = 1;
    while (at > 0 && file[at - 1] >= '0' && file[at - 1] <= '9' && unit < 1000000000) {
        cell += unit * (uint64_t)(file[--at] - '0');
        unit *= 10;
    }
    if (at < 3 || memcmp(file + at - 3, "In[", 3) || (at > 3 && file[at - 4] != '/'))
        return 0;
    return (uint32_t)cell;
}

#define FILES_MAX 4096 /* names kept of one unit */

struct line_file lines_file(struct lines *lines, const char *name, size_t size)
{
    struct line_file ret = {.cell = lines_cell(name, size)};
    const char *slash = memrchr(name, '/', size);
    if (ret.cell || !size || *name == '<' || (size > 5 && !memcmp(name, "/usr/", 5)))
        return ret;
    if (slash) {
        size -= (size_t)(slash + 1 - name);
        name = slash + 1;
    }
    for (size_t i = 0; i < lines->n_files && !ret.file; i++)
        if (strlen(lines->files[i]) == size && !memcmp(lines->files[i], name, size))
            ret.file = (uint32_t)i + 1;
    if (ret.file || lines->n_files >= FILES_MAX)
        return ret;
    GROW(lines->files, lines->n_files, lines->files_capacity);
    lines->files[lines->n_files++] = must_strndup(name, size);
    ret.file = (uint32_t)lines->n_files;
    return ret;
}

const char *lines_file_name(const struct lines *lines, uint32_t file)
{
    return file ? lines->files[file - 1] : NULL;
}

void lines_add(struct lines *lines, char *address, struct line_file file, uint32_t line)
{
    if (lines->n >= LINES_MAX || !address)
        return;
    GROW(lines->entries, lines->n, lines->capacity);
    lines->entries[lines->n++] = (struct line_entry){address, file.cell, line, file.file};
}

char *lines_address(const struct image *image, const Elf64_Rela *relocations, size_t n,
                    uint64_t offset, size_t *hint)
{
    if (*hint < n && relocations[*hint].r_offset > offset)
        *hint = 0;
    for (size_t i = *hint; i < n; i++) {
        if (relocations[i].r_offset != offset)
            continue;
        *hint = i;
        char *symbol = link_symbol(image, ELF64_R_SYM(relocations[i].r_info));
        return symbol ? symbol + relocations[i].r_addend : NULL;
    }
    return NULL;
}

/* Entries of one address: the one that was added last counts, so keep their order. */
static int compare(const void *a, const void *b)
{
    const struct line_entry *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return 0;
}

static bool is_sorted(const struct lines *lines)
{
    for (size_t i = 1; i < lines->n; i++)
        if (lines->entries[i - 1].address > lines->entries[i].address)
            return false;
    return true;
}

void lines_read(struct lines *lines, const struct image *image)
{
    memset(lines, 0, sizeof(*lines));
    lines_read_stabs(lines, image);
    lines_read_dwarf(lines, image);
    lines_read_inlined(lines, image);
    if (!is_sorted(lines))
        qsort(lines->entries, lines->n, sizeof(*lines->entries), compare);
}

void lines_clear(struct lines *lines)
{
    for (size_t i = 0; i < lines->n_files; i++)
        free(lines->files[i]);
    free(lines->files);
    free(lines->entries);
    free(lines->inlined);
    free(lines->inlined_names);
    memset(lines, 0, sizeof(*lines));
}

const struct line_entry *lines_find(const struct lines *lines, const void *address)
{
    size_t low = 0, high = lines->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->entries[middle].address <= (const char *)address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &lines->entries[low - 1] : NULL;
}

size_t lines_inlined(const struct lines *lines, const void *address,
                     const struct line_inlined **ret, size_t max)
{
    size_t n = 0;
    for (size_t i = lines->n_inlined; i > 0 && n < max; i--) {
        const struct line_inlined *at = &lines->inlined[i - 1];
        if (at->start <= (const char *)address && (const char *)address < at->end)
            ret[n++] = at;
    }
    return n;
}
