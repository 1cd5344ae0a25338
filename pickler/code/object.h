/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A view of a relocatable ELF object of this machine whose tables were checked once, so
 * that the loader and the line tables can read it without fear: every section lies in the
 * file, every table is aligned, every string table ends with a NUL. */
#ifndef ACHAR_CODE_OBJECT_H
#define ACHAR_CODE_OBJECT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

#define OBJECT_SIZE_MAX ((size_t)1 << 30)

struct elf {
    const uint8_t *data; /* borrowed, or `copy` */
    size_t size;
    void *copy;           /* of an object that was not aligned */
    Elf64_Shdr *sections; /* a copy: libtcc does not align its table */
    size_t n_sections;
    const char *section_names;
    size_t section_names_size;
    const Elf64_Sym *symbols; /* NULL: none */
    size_t n_symbols;
    const char *strings; /* of the symbols */
    size_t strings_size;
};

int elf_init(struct elf *elf, const void *object, size_t size,
             struct error *err) MUST_USE;
void elf_clear(struct elf *elf);

const char *elf_section_name(const struct elf *elf, size_t section);
const char *elf_symbol_name(const struct elf *elf, size_t symbol);
/* The bytes of a section in the file; NULL for one without (.bss). */
const void *elf_section_data(const struct elf *elf, size_t section);
/* Index of the first section of that name, 0: none. */
size_t elf_find(const struct elf *elf, const char *name);
/* The relocations of a section; *ret is NULL when there are none. Every symbol index is
 * within the table and every offset within the section. */
void elf_relocations(const struct elf *elf, size_t section, const Elf64_Rela **ret,
                     size_t *ret_n);

#endif
