/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/object.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "pickler/code/machine.h"

static int bad(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "not a usable object file: %s", what);
}

static bool is_inside(const struct elf *elf, uint64_t offset, uint64_t size)
{
    return offset <= elf->size && size <= elf->size - offset;
}

static int check_header(const struct elf *elf, struct error *err)
{
    const Elf64_Ehdr *header = (const void *)elf->data;
    if (elf->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG))
        return bad(err, "no ELF header");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != machine_elf)
        return bad(err, "it is for another machine");
    if (header->e_type != ET_REL)
        return bad(err, "it is linked already");
    if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shnum < 2 ||
        !is_inside(elf, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr)) ||
        header->e_shstrndx >= header->e_shnum)
        return bad(err, "its section table");
    return 0;
}

static int check_section(const struct elf *elf, const Elf64_Shdr *section,
                         struct error *err)
{
    if (section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
        !is_inside(elf, section->sh_offset, section->sh_size))
        return bad(err, "a section outside of the file");
    if (section->sh_addralign & (section->sh_addralign - 1))
        return bad(err, "an alignment that is not a power of two");
    if (section->sh_type == SHT_STRTAB &&
        (!section->sh_size || elf->data[section->sh_offset + section->sh_size - 1]))
        return bad(err, "a string table without an end");
    return 0;
}

static int read_symbols(struct elf *elf, const Elf64_Shdr *table, struct error *err)
{
    if (elf->symbols)
        return bad(err, "two symbol tables");
    if (table->sh_offset % 8 || table->sh_size % sizeof(Elf64_Sym) ||
        table->sh_link >= elf->n_sections ||
        elf->sections[table->sh_link].sh_type != SHT_STRTAB)
        return bad(err, "its symbol table");
    elf->symbols = (const void *)(elf->data + table->sh_offset);
    elf->n_symbols = table->sh_size / sizeof(Elf64_Sym);
    elf->strings = (const char *)elf->data + elf->sections[table->sh_link].sh_offset;
    elf->strings_size = elf->sections[table->sh_link].sh_size;
    for (size_t i = 0; i < elf->n_symbols; i++) {
        uint16_t at = elf->symbols[i].st_shndx;
        if (elf->symbols[i].st_name >= elf->strings_size)
            return bad(err, "the name of a symbol");
        if (at == SHN_XINDEX || (at < SHN_LORESERVE && at >= elf->n_sections))
            return bad(err, "a symbol without a section");
    }
    return 0;
}

static int check_relocations(const struct elf *elf, const Elf64_Shdr *section,
                             struct error *err)
{
    if (section->sh_offset % 8 || section->sh_size % sizeof(Elf64_Rela) ||
        section->sh_info >= elf->n_sections || !elf->symbols)
        return bad(err, "its relocations");
    const Elf64_Rela *at = (const void *)(elf->data + section->sh_offset);
    size_t n = section->sh_size / sizeof(*at);
    uint64_t size = elf->sections[section->sh_info].sh_size;
    for (size_t i = 0; i < n; i++) {
        uint32_t type = ELF64_R_TYPE(at[i].r_info);
        uint64_t width = type == 0 ? 0 : 4; /* R_*_NONE; the rest is for who applies it */
        if (ELF64_R_SYM(at[i].r_info) >= elf->n_symbols || at[i].r_offset > size ||
            width > size - at[i].r_offset)
            return bad(err, "a relocation outside of its section");
    }
    return 0;
}

static int check_tables(struct elf *elf, struct error *err)
{
    for (size_t i = 0; i < elf->n_sections; i++) {
        int r = check_section(elf, &elf->sections[i], err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < elf->n_sections; i++) {
        if (elf->sections[i].sh_type != SHT_SYMTAB)
            continue;
        int r = read_symbols(elf, &elf->sections[i], err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < elf->n_sections; i++) {
        if (elf->sections[i].sh_type == SHT_REL)
            return bad(err, "relocations without addends");
        if (elf->sections[i].sh_type != SHT_RELA)
            continue;
        int r = check_relocations(elf, &elf->sections[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_tables(struct elf *elf, struct error *err)
{
    int r = check_header(elf, err);
    if (r < 0)
        return r;
    const Elf64_Ehdr *header = (const void *)elf->data;
    elf->n_sections = header->e_shnum;
    elf->sections = must_alloc(elf->n_sections * sizeof(*elf->sections));
    memcpy(elf->sections, elf->data + header->e_shoff,
           elf->n_sections * sizeof(*elf->sections));
    const Elf64_Shdr *names = &elf->sections[header->e_shstrndx];
    if (names->sh_type != SHT_STRTAB)
        return bad(err, "no section names");
    r = check_tables(elf, err);
    if (r < 0)
        return r;
    elf->section_names = (const char *)elf->data + names->sh_offset;
    elf->section_names_size = names->sh_size;
    return 0;
}

int elf_init(struct elf *elf, const void *object, size_t size, struct error *err)
{
    memset(elf, 0, sizeof(*elf));
    if (size > OBJECT_SIZE_MAX)
        return error_set(err, -EFBIG, "an object file of more than %zu bytes",
                         OBJECT_SIZE_MAX);
    elf->data = object;
    elf->size = size;
    if ((uintptr_t)object % 16) {
        elf->copy = malloc(size + 1);
        if (!elf->copy)
            return error_set(err, -ENOMEM, "no memory for an object file of %zu bytes",
                             size);
        memcpy(elf->copy, object, size);
        elf->data = elf->copy;
    }
    int r = read_tables(elf, err);
    if (r < 0)
        elf_clear(elf);
    return r;
}

void elf_clear(struct elf *elf)
{
    free(elf->copy);
    free(elf->sections);
    memset(elf, 0, sizeof(*elf));
}

const char *elf_section_name(const struct elf *elf, size_t section)
{
    uint32_t name = elf->sections[section].sh_name;
    return name < elf->section_names_size ? elf->section_names + name : "";
}

const char *elf_symbol_name(const struct elf *elf, size_t symbol)
{
    return elf->strings + elf->symbols[symbol].st_name;
}

const void *elf_section_data(const struct elf *elf, size_t section)
{
    const Elf64_Shdr *at = &elf->sections[section];
    return at->sh_type == SHT_NOBITS ? NULL : elf->data + at->sh_offset;
}

size_t elf_find(const struct elf *elf, const char *name)
{
    for (size_t i = 1; i < elf->n_sections; i++)
        if (!strcmp(elf_section_name(elf, i), name))
            return i;
    return 0;
}

void elf_relocations(const struct elf *elf, size_t section, const Elf64_Rela **ret,
                     size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    for (size_t i = 1; i < elf->n_sections; i++) {
        const Elf64_Shdr *at = &elf->sections[i];
        if (at->sh_type != SHT_RELA || at->sh_info != section)
            continue;
        *ret = (const void *)(elf->data + at->sh_offset);
        *ret_n = at->sh_size / sizeof(Elf64_Rela);
        return;
    }
}
