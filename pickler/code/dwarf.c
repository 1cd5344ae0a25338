/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Line programs of .debug_line (DWARF 4, section 6.2), versions 2 to 4: the compilers are
 * asked for version 4. */
#include "pickler/code/dwarf.h"

#include <string.h>

enum {
    LNS_EXTENDED,
    LNS_COPY,
    LNS_ADVANCE_PC,
    LNS_ADVANCE_LINE,
    LNS_SET_FILE,
    LNS_SET_COLUMN,
    LNS_NEGATE_STATEMENT,
    LNS_BASIC_BLOCK,
    LNS_CONST_ADD_PC,
    LNS_FIXED_ADVANCE_PC
};
enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS = 2 };

#define FILES_MAX 4096 /* of one line program */
#define FOLDERS_MAX 64 /* looked at */

struct program {
    struct lines *lines;
    const struct image *image;
    const Elf64_Rela *relocations;
    size_t n_relocations, hint;
    struct dwarf_cursor in;
    uint8_t minimum, line_range, opcode_base;
    int8_t line_base;
    uint8_t lengths[256];    /* operands of standard opcodes */
    struct line_file *files; /* from 1 */
    size_t n_files, files_capacity;
};

struct state {
    uintptr_t address; /* 0 until a sequence is placed */
    uint64_t file, line;
};

uint64_t dwarf_fixed(struct dwarf_cursor *in, unsigned size)
{
    uint64_t value = 0;
    if ((size_t)(in->end - in->at) < size) {
        in->failed = true;
        in->at = in->end;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)in->at[i] << (8 * i);
    in->at += size;
    return value;
}

uint64_t dwarf_uleb(struct dwarf_cursor *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = dwarf_fixed(in, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

int64_t dwarf_sleb(struct dwarf_cursor *in)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = dwarf_fixed(in, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && byte & 0x40)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

const char *dwarf_string(struct dwarf_cursor *in, size_t *size)
{
    const char *text = (const char *)in->at;
    const void *end = memchr(text, 0, (size_t)(in->end - in->at));
    *size = 0;
    if (!end) {
        in->failed = true;
        in->at = in->end;
        return "";
    }
    *size = (size_t)((const char *)end - text);
    in->at += *size + 1;
    return text;
}

/* Reads up to the program itself; false when this unit cannot be read. */
static bool read_header(struct program *program)
{
    struct dwarf_cursor *in = &program->in;
    uint64_t version = dwarf_fixed(in, 2), size = dwarf_fixed(in, 4);
    if (version < 2 || version > 4 || size > (uint64_t)(in->end - in->at))
        return false;
    const uint8_t *code = in->at + size;
    program->minimum = (uint8_t)dwarf_fixed(in, 1);
    if (version >= 4)
        dwarf_fixed(in, 1);
    dwarf_fixed(in, 1);
    program->line_base = (int8_t)dwarf_fixed(in, 1);
    program->line_range = (uint8_t)dwarf_fixed(in, 1);
    program->opcode_base = (uint8_t)dwarf_fixed(in, 1);
    for (unsigned i = 1; i < program->opcode_base; i++)
        program->lengths[i] = (uint8_t)dwarf_fixed(in, 1);
    size_t text_size;
    bool is_system[FOLDERS_MAX] = {false};
    for (size_t i = 1;; i++) { /* 0 is the working folder */
        const char *folder = dwarf_string(in, &text_size);
        if (!text_size)
            break;
        if (i < FOLDERS_MAX)
            is_system[i] = text_size > 5 && !memcmp(folder, "/usr/", 5);
    }
    program->n_files = 0;
    for (;;) {
        const char *name = dwarf_string(in, &text_size);
        if (!text_size || program->n_files >= FILES_MAX)
            break;
        uint64_t folder = dwarf_uleb(in);
        dwarf_uleb(in), dwarf_uleb(in);
        GROW(program->files, program->n_files, program->files_capacity);
        program->files[program->n_files++] =
            folder < FOLDERS_MAX && is_system[folder]
                ? (struct line_file){0}
                : lines_file(program->lines, name, text_size);
    }
    if (in->failed || !program->line_range)
        return false;
    in->at = code;
    return true;
}

static void emit(struct program *program, const struct state *state)
{
    size_t file = (size_t)state->file - 1;
    struct line_file in =
        file < program->n_files ? program->files[file] : (struct line_file){0};
    if (state->line && state->address) /* line 0: none, what came before goes on */
        lines_add(program->lines, (char *)state->address, in, (uint32_t)state->line);
}

static void extended(struct program *program, struct state *state)
{
    struct dwarf_cursor *in = &program->in;
    uint64_t size = dwarf_uleb(in);
    if (!size || size > (uint64_t)(in->end - in->at)) {
        in->failed = true;
        return;
    }
    const uint8_t *next = in->at + size;
    uint64_t code = dwarf_fixed(in, 1);
    if (code == LNE_END_SEQUENCE)
        *state = (struct state){0, 1, 1};
    else if (code == LNE_SET_ADDRESS)
        state->address = (uintptr_t)lines_address(
            program->image, program->relocations, program->n_relocations,
            (uint64_t)(in->at - in->start), &program->hint);
    in->at = next;
}

static void advance(struct state *state, uint64_t bytes)
{
    if (state->address)
        state->address += bytes;
}

static void standard(struct program *program, struct state *state, unsigned opcode)
{
    struct dwarf_cursor *in = &program->in;
    switch (opcode) {
    case LNS_EXTENDED:
        extended(program, state);
        break;
    case LNS_COPY:
        emit(program, state);
        break;
    case LNS_ADVANCE_PC:
        advance(state, dwarf_uleb(in) * program->minimum);
        break;
    case LNS_ADVANCE_LINE:
        state->line += (uint64_t)dwarf_sleb(in);
        break;
    case LNS_SET_FILE:
        state->file = dwarf_uleb(in);
        break;
    case LNS_CONST_ADD_PC:
        advance(state, (uint64_t)(255 - program->opcode_base) / program->line_range *
                           program->minimum);
        break;
    case LNS_FIXED_ADVANCE_PC:
        advance(state, dwarf_fixed(in, 2));
        break;
    default:
        for (unsigned i = 0; i < program->lengths[opcode]; i++)
            dwarf_uleb(in);
    }
}

static void run(struct program *program)
{
    struct state state = {0, 1, 1};
    struct dwarf_cursor *in = &program->in;
    while (in->at < in->end && !in->failed) {
        unsigned opcode = (unsigned)dwarf_fixed(in, 1);
        if (opcode < program->opcode_base) {
            standard(program, &state, opcode);
            continue;
        }
        opcode -= program->opcode_base;
        advance(&state, opcode / program->line_range * program->minimum);
        state.line +=
            (uint64_t)(int64_t)(program->line_base + (int)(opcode % program->line_range));
        emit(program, &state);
    }
}

void lines_read_dwarf(struct lines *lines, const struct image *image)
{
    const struct elf *elf = image_elf(image);
    size_t section = elf_find(elf, ".debug_line");
    const uint8_t *data = section ? elf_section_data(elf, section) : NULL;
    if (!data || elf->sections[section].sh_flags & SHF_COMPRESSED)
        return;
    const uint8_t *end = data + elf->sections[section].sh_size;
    struct program program = {.lines = lines, .image = image};
    elf_relocations(elf, section, &program.relocations, &program.n_relocations);
    for (const uint8_t *at = data; end - at > 4;) {
        program.in = (struct dwarf_cursor){data, at, end, false};
        uint64_t size = dwarf_fixed(&program.in, 4);
        if (size > (uint64_t)(end - program.in.at))
            break;
        program.in.end = at = program.in.at + size;
        if (read_header(&program))
            run(&program);
    }
    free(program.files);
}

bool dwarf_files(struct lines *lines, const struct image *image, uint64_t offset,
                 struct line_file **ret, size_t *ret_n)
{
    const struct elf *elf = image_elf(image);
    size_t section = elf_find(elf, ".debug_line");
    const uint8_t *data = section ? elf_section_data(elf, section) : NULL;
    if (!data || offset >= elf->sections[section].sh_size)
        return false;
    struct program program = {.lines = lines, .image = image};
    program.in = (struct dwarf_cursor){data, data + offset,
                                       data + elf->sections[section].sh_size, false};
    uint64_t size = dwarf_fixed(&program.in, 4);
    if (size <= (uint64_t)(program.in.end - program.in.at) && read_header(&program)) {
        *ret = program.files;
        *ret_n = program.n_files;
        return true;
    }
    free(program.files);
    return false;
}
