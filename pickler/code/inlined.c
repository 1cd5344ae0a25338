/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What was inlined into what: the tree of entries in .debug_info (DWARF 4, sections 3.3.8
 * and 7.5), of which only functions and inlined ones are kept. */
#include <string.h>

#include "pickler/base/buffer.h"
#include "pickler/code/dwarf.h"
#include "pickler/code/relocate.h"

enum { TAG_INLINED = 0x1d, TAG_FUNCTION = 0x2e };

enum {
    AT_NAME = 0x03,
    AT_LINES = 0x10,
    AT_LOW = 0x11,
    AT_HIGH = 0x12,
    AT_ORIGIN = 0x31,
    AT_RANGES = 0x55,
    AT_CALL_FILE = 0x58,
    AT_CALL_LINE = 0x59
};

enum {
    FORM_ADDRESS = 0x01,
    FORM_BLOCK2 = 0x03,
    FORM_BLOCK4,
    FORM_DATA2,
    FORM_DATA4,
    FORM_DATA8,
    FORM_STRING,
    FORM_BLOCK,
    FORM_BLOCK1,
    FORM_DATA1,
    FORM_FLAG,
    FORM_SDATA,
    FORM_STRING_AT,
    FORM_UDATA,
    FORM_REF_ADDRESS,
    FORM_REF1,
    FORM_REF2,
    FORM_REF4,
    FORM_REF8,
    FORM_REF_UDATA,
    FORM_OFFSET = 0x17,
    FORM_EXPRESSION,
    FORM_PRESENT,
    FORM_SIGNATURE = 0x20
};

#define ABBREVIATIONS_MAX 1024
#define ATTRIBUTES_MAX (1u << 16) /* of all of them */
#define RANGES_MAX 1024           /* of one entry */

struct abbreviation {
    uint64_t tag; /* 0: there is none of this number */
    uint32_t first, n;
};

struct attribute {
    uint16_t name, form;
};

struct section {
    const uint8_t *data; /* NULL: there is none */
    size_t size;
    const Elf64_Rela *relocations;
    size_t n, hint, address_hint;
};

/* What of an entry matters. */
struct entry {
    const char *name;
    char *low;
    uint64_t high; /* bytes behind low, or (is_address) where it ends */
    bool is_address, has_ranges;
    uint64_t ranges, lines, origin, call_file, call_line;
};

struct function { /* with a name, at this offset of the unit */
    uint64_t offset;
    const char *name;
};

struct reader {
    struct lines *lines;
    const struct image *image;
    const struct elf *elf;
    struct section info, ranges, strings;
    struct dwarf_cursor in;
    uint64_t start; /* of the unit */
    char *base;     /* that ranges are relative to */
    struct abbreviation *abbreviations;
    struct attribute *attributes;
    size_t n_attributes, attributes_capacity;
    struct function *functions; /* in order of offsets */
    size_t n_functions, functions_capacity;
    struct line_file *files;
    size_t n_files;
    uint64_t *origins; /* of what is in lines->inlined, from first_inlined on */
    size_t n_origins, origins_capacity, first_inlined;
    struct buffer names;
};

static struct section find_section(const struct elf *elf, const char *name)
{
    struct section section = {0};
    size_t i = elf_find(elf, name);
    if (!i || elf->sections[i].sh_flags & SHF_COMPRESSED)
        return section;
    section.data = elf_section_data(elf, i);
    section.size = section.data ? elf->sections[i].sh_size : 0;
    elf_relocations(elf, i, &section.relocations, &section.n);
    return section;
}

/* The offset into another section that stands at `offset`: `plain`, or relocated. */
static uint64_t offset_at(const struct reader *reader, struct section *section,
                          uint64_t offset, uint64_t plain)
{
    if (section->hint < section->n &&
        section->relocations[section->hint].r_offset > offset)
        section->hint = 0;
    for (size_t i = section->hint; i < section->n; i++) {
        const Elf64_Rela *at = &section->relocations[i];
        if (at->r_offset > offset)
            return plain;
        section->hint = i;
        if (at->r_offset == offset)
            return reader->elf->symbols[ELF64_R_SYM(at->r_info)].st_value +
                   (uint64_t)at->r_addend;
    }
    return plain;
}

static char *address_at(const struct reader *reader, struct section *section,
                        uint64_t offset)
{
    return lines_address(reader->image, section->relocations, section->n, offset,
                         &section->address_hint);
}

static const char *string_at(const struct section *strings, uint64_t offset)
{
    if (offset >= strings->size)
        return NULL;
    const char *text = (const char *)strings->data + offset;
    return memchr(text, 0, strings->size - offset) ? text : NULL;
}

static void skip(struct dwarf_cursor *in, uint64_t size)
{
    if (size > (uint64_t)(in->end - in->at))
        in->failed = true;
    else
        in->at += size;
}

/* ---- one entry -----------------------------------------------------------------------
 */

struct value {
    uint64_t number;
    const char *text;
    char *address;
};

/* False: the form is not known. */
static bool read_value(struct reader *reader, unsigned form, struct value *ret)
{
    struct dwarf_cursor *in = &reader->in;
    uint64_t place = (uint64_t)(in->at - in->start);
    size_t size;
    switch (form) {
    case FORM_ADDRESS:
        ret->number = dwarf_fixed(in, 8);
        ret->address = address_at(reader, &reader->info, place);
        return true;
    case FORM_DATA1:
    case FORM_FLAG:
    case FORM_REF1:
        ret->number = dwarf_fixed(in, 1);
        return true;
    case FORM_DATA2:
    case FORM_REF2:
        ret->number = dwarf_fixed(in, 2);
        return true;
    case FORM_DATA4:
    case FORM_REF4:
    case FORM_REF_ADDRESS:
    case FORM_OFFSET:
    case FORM_STRING_AT:
        ret->number = offset_at(reader, &reader->info, place, dwarf_fixed(in, 4));
        if (form == FORM_STRING_AT)
            ret->text = string_at(&reader->strings, ret->number);
        return true;
    case FORM_DATA8:
    case FORM_REF8:
    case FORM_SIGNATURE:
        ret->number = dwarf_fixed(in, 8);
        return true;
    case FORM_SDATA:
        ret->number = (uint64_t)dwarf_sleb(in);
        return true;
    case FORM_UDATA:
    case FORM_REF_UDATA:
        ret->number = dwarf_uleb(in);
        return true;
    case FORM_STRING:
        ret->text = dwarf_string(in, &size);
        return true;
    case FORM_BLOCK1:
        skip(in, dwarf_fixed(in, 1));
        return true;
    case FORM_BLOCK2:
        skip(in, dwarf_fixed(in, 2));
        return true;
    case FORM_BLOCK4:
        skip(in, dwarf_fixed(in, 4));
        return true;
    case FORM_BLOCK:
    case FORM_EXPRESSION:
        skip(in, dwarf_uleb(in));
        return true;
    case FORM_PRESENT:
        return true;
    default:
        return false;
    }
}

static void take_value(struct entry *entry, unsigned name, unsigned form,
                       const struct value *value)
{
    switch (name) {
    case AT_NAME:
        entry->name = value->text;
        break;
    case AT_LINES:
        entry->lines = value->number;
        break;
    case AT_LOW:
        entry->low = value->address;
        break;
    case AT_HIGH:
        entry->is_address = form == FORM_ADDRESS;
        entry->high =
            entry->is_address ? (uint64_t)(uintptr_t)value->address : value->number;
        break;
    case AT_ORIGIN:
        entry->origin = value->number;
        break;
    case AT_RANGES:
        entry->has_ranges = true;
        entry->ranges = value->number;
        break;
    case AT_CALL_FILE:
        entry->call_file = value->number;
        break;
    case AT_CALL_LINE:
        entry->call_line = value->number;
        break;
    default:
        break;
    }
}

static bool read_entry(struct reader *reader, const struct abbreviation *abbreviation,
                       struct entry *ret)
{
    *ret = (struct entry){0};
    for (uint32_t i = 0; i < abbreviation->n; i++) {
        struct attribute at = reader->attributes[abbreviation->first + i];
        struct value value = {0};
        if (!read_value(reader, at.form, &value) || reader->in.failed)
            return false;
        take_value(ret, at.name, at.form, &value);
    }
    return true;
}

/* ---- what is kept --------------------------------------------------------------------
 */

static void add_range(struct reader *reader, const struct entry *entry, char *start,
                      char *end)
{
    struct lines *lines = reader->lines;
    size_t file = (size_t)entry->call_file - 1;
    struct line_file in =
        file < reader->n_files ? reader->files[file] : (struct line_file){0};
    if (!start || end <= start || lines->n_inlined >= INLINED_MAX)
        return;
    GROW(lines->inlined, lines->n_inlined, lines->inlined_capacity);
    lines->inlined[lines->n_inlined++] =
        (struct line_inlined){.start = start,
                              .end = end,
                              .cell = in.cell,
                              .line = (uint32_t)entry->call_line,
                              .file = in.file};
    GROW(reader->origins, reader->n_origins, reader->origins_capacity);
    reader->origins[reader->n_origins++] = entry->origin;
}

/* Pairs of addresses up to one of zeros; those without a relocation are relative. */
static void add_ranges(struct reader *reader, const struct entry *entry)
{
    struct section *ranges = &reader->ranges;
    for (uint64_t at = entry->ranges, n = 0; n < RANGES_MAX; at += 16, n++) {
        if (ranges->size < 16 || at > ranges->size - 16)
            return;
        uint64_t pair[2];
        char *ends[2];
        memcpy(pair, ranges->data + at, sizeof(pair));
        for (int i = 0; i < 2; i++)
            ends[i] = address_at(reader, ranges, at + 8 * (uint64_t)i);
        if (!ends[0] && !ends[1] && !pair[0] && !pair[1])
            return;
        if (!ends[0] && pair[0] == UINT64_MAX) {
            reader->base = ends[1];
            continue;
        }
        for (int i = 0; i < 2; i++)
            if (!ends[i] && reader->base)
                ends[i] = reader->base + pair[i];
        add_range(reader, entry, ends[0], ends[1]);
    }
}

static void add_inlined(struct reader *reader, const struct entry *entry)
{
    char *base = reader->base;
    if (entry->has_ranges)
        add_ranges(reader, entry);
    else if (entry->low)
        add_range(reader, entry, entry->low,
                  entry->is_address ? (char *)(uintptr_t)entry->high
                                    : entry->low + entry->high);
    reader->base = base;
}

static void add_function(struct reader *reader, const struct entry *entry,
                         uint64_t offset)
{
    if (!entry->name)
        return;
    GROW(reader->functions, reader->n_functions, reader->functions_capacity);
    reader->functions[reader->n_functions++] = (struct function){offset, entry->name};
}

static int compare_offset(const void *key, const void *element)
{
    const uint64_t *offset = key;
    const struct function *function = element;
    return *offset < function->offset ? -1 : *offset > function->offset;
}

/* Names may stand behind what refers to them. They are offsets until they stand still. */
static void name_all(struct reader *reader)
{
    struct lines *lines = reader->lines;
    for (size_t i = 0; i < reader->n_origins; i++) {
        const struct function *found =
            reader->n_functions
                ? bsearch(&reader->origins[i], reader->functions, reader->n_functions,
                          sizeof(*reader->functions), compare_offset)
                : NULL;
        const char *name = found ? found->name : "(inlined)";
        lines->inlined[reader->first_inlined + i].name = (const char *)reader->names.size;
        buffer_add(&reader->names, name, strlen(name) + 1);
    }
    reader->first_inlined = lines->n_inlined;
    reader->n_origins = reader->n_functions = 0;
}

/* ---- a unit --------------------------------------------------------------------------
 */

static bool read_abbreviations(struct reader *reader, uint64_t offset)
{
    struct section section = find_section(reader->elf, ".debug_abbrev");
    if (offset >= section.size)
        return false;
    struct dwarf_cursor in = {section.data, section.data + offset,
                              section.data + section.size, false};
    memset(reader->abbreviations, 0, ABBREVIATIONS_MAX * sizeof(*reader->abbreviations));
    reader->n_attributes = 0;
    for (uint64_t code; (code = dwarf_uleb(&in));) {
        struct abbreviation abbreviation = {.tag = dwarf_uleb(&in),
                                            .first = (uint32_t)reader->n_attributes};
        dwarf_fixed(&in, 1); /* children follow, each level ended by a zero */
        while (reader->n_attributes < ATTRIBUTES_MAX && !in.failed) {
            uint64_t name = dwarf_uleb(&in), form = dwarf_uleb(&in);
            if (!name && !form)
                break;
            GROW(reader->attributes, reader->n_attributes, reader->attributes_capacity);
            reader->attributes[reader->n_attributes++] =
                (struct attribute){(uint16_t)name, (uint16_t)form};
            abbreviation.n++;
        }
        if (in.failed || code >= ABBREVIATIONS_MAX ||
            reader->n_attributes >= ATTRIBUTES_MAX)
            return false;
        reader->abbreviations[code] = abbreviation;
    }
    return !in.failed;
}

/* The order of entries tells what is in what: their depth does not matter. */
static void read_entries(struct reader *reader)
{
    struct dwarf_cursor *in = &reader->in;
    bool is_first = true;
    while (in->at < in->end && !in->failed) {
        uint64_t offset = (uint64_t)(in->at - in->start) - reader->start;
        uint64_t code = dwarf_uleb(in);
        if (!code)
            continue;
        struct entry entry;
        if (code >= ABBREVIATIONS_MAX || !reader->abbreviations[code].tag ||
            !read_entry(reader, &reader->abbreviations[code], &entry))
            return;
        if (is_first) {
            reader->base = entry.low;
            free(reader->files);
            reader->files = NULL;
            reader->n_files = 0;
            dwarf_files(reader->lines, reader->image, entry.lines, &reader->files,
                        &reader->n_files);
        }
        is_first = false;
        if (reader->abbreviations[code].tag == TAG_INLINED)
            add_inlined(reader, &entry);
        else if (reader->abbreviations[code].tag == TAG_FUNCTION)
            add_function(reader, &entry, offset);
    }
}

static void read_units(struct reader *reader)
{
    const uint8_t *data = reader->info.data, *end = data + reader->info.size;
    for (const uint8_t *at = data; end - at > 11;) {
        struct dwarf_cursor *in = &reader->in;
        *in = (struct dwarf_cursor){data, at, end, false};
        reader->start = (uint64_t)(at - data);
        uint64_t size = dwarf_fixed(in, 4);
        if (size > (uint64_t)(end - in->at))
            return;
        in->end = at = in->at + size;
        uint64_t version = dwarf_fixed(in, 2), place = (uint64_t)(in->at - data);
        uint64_t abbreviations =
            offset_at(reader, &reader->info, place, dwarf_fixed(in, 4));
        uint64_t address_size = dwarf_fixed(in, 1);
        if (version < 2 || version > 4 || address_size != 8 || in->failed ||
            !read_abbreviations(reader, abbreviations))
            continue;
        read_entries(reader);
        name_all(reader);
    }
}

void lines_read_inlined(struct lines *lines, const struct image *image)
{
    const struct elf *elf = image_elf(image);
    struct reader reader = {.lines = lines, .image = image, .elf = elf};
    reader.info = find_section(elf, ".debug_info");
    if (!reader.info.size)
        return;
    reader.ranges = find_section(elf, ".debug_ranges");
    reader.strings = find_section(elf, ".debug_str");
    reader.abbreviations = must_alloc(ABBREVIATIONS_MAX * sizeof(*reader.abbreviations));
    read_units(&reader);
    lines->inlined_names = buffer_take(&reader.names);
    for (size_t i = 0; i < lines->n_inlined; i++)
        lines->inlined[i].name = lines->inlined_names + (size_t)lines->inlined[i].name;
    free(reader.abbreviations);
    free(reader.attributes);
    free(reader.functions);
    free(reader.files);
    free(reader.origins);
}
