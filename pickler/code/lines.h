/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From an address in loaded code to the cell and line it was compiled from: the stabs of
 * libtcc -g, or DWARF (versions 2 to 4) of gcc and clang. Files named "In[n]" are cells;
 * of others, but those of the system, the name is kept. Looking up allocates nothing, so
 * a signal handler may do it. */
#ifndef ACHAR_CODE_LINES_H
#define ACHAR_CODE_LINES_H

#include "pickler/code/loader.h"

struct line_entry {
    char *address; /* code from here to the next entry */
    uint32_t cell; /* 0: not in a cell */
    uint32_t line;
    uint32_t file; /* of lines.files, + 1; 0: a cell, or of the system */
};

/* Code of a function that was inlined, and where it was called. */
struct line_inlined {
    char *start, *end;
    const char *name; /* owned by all of the unit together */
    uint32_t cell, line, file;
};

struct lines {
    struct line_inlined *inlined; /* one behind those that it is inlined into */
    size_t n_inlined, inlined_capacity;
    char *inlined_names;
    char **files; /* owned names without folders */
    size_t n_files, files_capacity;
    struct line_entry *entries; /* sorted by address */
    size_t n, capacity;
};

#define LINES_MAX ((size_t)1 << 24) /* entries of one unit; what is beyond is dropped */

/* Reads the table of an image that is not sealed yet. A unit without one, or with a table
 * that makes no sense, has no lines: that is not an error. */
void lines_read(struct lines *lines, const struct image *image);
void lines_clear(struct lines *lines);
/* NULL when the address is before all entries. */
const struct line_entry *lines_find(const struct lines *lines, const void *address);

/* The functions that the address is in by inlining, the innermost first; how many. What
 * lines_find() tells is in the first of them. */
size_t lines_inlined(const struct lines *lines, const void *address,
                     const struct line_inlined **ret, size_t max);

/* The number in "In[n]" or ".../In[n]", 0 for other file names. */
uint32_t lines_cell(const char *file, size_t size);

/* Of `file` in an entry; NULL: the place is in none that is kept. */
const char *lines_file_name(const struct lines *lines, uint32_t file);

#define INLINED_MAX ((size_t)1 << 18) /* of one unit; what is beyond is dropped */
#define INLINED_DEPTH_MAX 32          /* told of one address */

/* For the readers. */
struct line_file {
    uint32_t cell, file; /* as in struct line_entry */
};
struct line_file lines_file(struct lines *lines, const char *name, size_t size);
void lines_add(struct lines *lines, char *address, struct line_file file, uint32_t line);
void lines_read_stabs(struct lines *lines, const struct image *image);
void lines_read_dwarf(struct lines *lines, const struct image *image);
void lines_read_inlined(struct lines *lines, const struct image *image);
/* The address that a relocation puts at `offset` of a section, NULL: none there. `*hint`
 * starts at 0 and makes a walk in order cheap. */
char *lines_address(const struct image *image, const Elf64_Rela *relocations, size_t n,
                    uint64_t offset, size_t *hint);

#endif
