/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The .stab section of libtcc -g: records of functions, of source files, and of lines
 * relative to the function they are in. */
#include <string.h>

#include "pickler/code/lines.h"

enum { STAB_FUNCTION = 0x24, STAB_LINE = 0x44, STAB_SOURCE = 0x64, STAB_INCLUDED = 0x84 };

struct stab {
    uint32_t text; /* offset in .stabstr */
    uint8_t type, other;
    uint16_t line;
    uint32_t value;
};

struct reader {
    const struct image *image;
    const struct stab *records;
    size_t n;
    const char *strings;
    size_t strings_size;
    const Elf64_Rela *relocations;
    size_t n_relocations;
};

static bool reader_init(struct reader *reader, const struct image *image)
{
    const struct elf *elf = image_elf(image);
    size_t section = elf_find(elf, ".stab"), strings = elf_find(elf, ".stabstr");
    if (!section || !strings || elf->sections[strings].sh_type != SHT_STRTAB ||
        !elf_section_data(elf, section) || elf->sections[section].sh_offset % 4)
        return false;
    *reader = (struct reader){
        .image = image,
        .records = elf_section_data(elf, section),
        .n = elf->sections[section].sh_size / sizeof(struct stab),
        .strings = elf_section_data(elf, strings),
        .strings_size = elf->sections[strings].sh_size,
    };
    elf_relocations(elf, section, &reader->relocations, &reader->n_relocations);
    return true;
}

void lines_read_stabs(struct lines *lines, const struct image *image)
{
    struct reader reader;
    if (!reader_init(&reader, image))
        return;
    char *function = NULL;
    struct line_file file = {0};
    size_t hint = 0;
    for (size_t i = 0; i < reader.n; i++) {
        const struct stab *at = &reader.records[i];
        const char *text =
            at->text < reader.strings_size ? reader.strings + at->text : "";
        switch (at->type) {
        case STAB_FUNCTION:
            if (*text)
                function =
                    lines_address(image, reader.relocations, reader.n_relocations,
                                  i * sizeof(*at) + offsetof(struct stab, value), &hint);
            break;
        case STAB_SOURCE:
        case STAB_INCLUDED:
            if (*text)
                file = lines_file(lines, text, strlen(text));
            break;
        case STAB_LINE:
            if (function)
                lines_add(lines, function + at->value, file, at->line);
            break;
        default:
            break;
        }
    }
}
