/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elements of a dump: the mirror of load_element.c. */
#include <string.h>

#include "pickler/value/dump.h"

static bool is_zero_line(const uint8_t *line)
{
    uint64_t words[BULK_LINE / 8], any = 0;
    memcpy(words, line, BULK_LINE);
    if (words[0])
        return false;
    for (int i = 1; i < BULK_LINE / 8; i++)
        any |= words[i];
    return !any;
}

/* Bytes from `at` to the next run of zeros that is worth it, and the length of that. */
static void find_zeros(const uint8_t *at, uint64_t size, uint64_t *ret_data,
                       uint64_t *ret_zeros)
{
    uint64_t start = 0, lines = 0, offset = 0;
    for (; offset + BULK_LINE <= size; offset += BULK_LINE) {
        if (is_zero_line(at + offset)) {
            if (!lines++)
                start = offset;
        } else if (lines >= BULK_ZERO_LINES) {
            break;
        } else {
            lines = 0;
        }
    }
    bool is_found = lines >= BULK_ZERO_LINES;
    *ret_data = is_found ? start : size;
    *ret_zeros = is_found ? lines * BULK_LINE : 0;
}

static void write_runs(struct dump *dump, const struct program *program, const char *from,
                       uint64_t size)
{
    const uint8_t *at = (const uint8_t *)from;
    while (size) {
        uint64_t data, zeros;
        find_zeros(at, size, &data, &zeros);
        dump_put(dump, data);
        if (!dump_share(dump, at, data)) {
            dump_ensure(dump, data);
            copy_units(dump->at, at, data, program->width);
            dump->at += data;
        }
        at += data + zeros;
        size -= data + zeros;
        if (size || zeros)
            dump_put(dump, zeros);
    }
}

static void write_bulk(struct dump *dump, const struct program *program, uint64_t count,
                       const char *from)
{
    if (count >= BULK_MIN) {
        write_runs(dump, program, from, count * program->width);
        return;
    }
    dump_ensure(dump, count * (VARINT_MAX + 16));
    unsigned width = program->width;
    if (!program->is_integer || width == 1) {
        copy_units(dump->at, from, count * width, width);
        dump->at += count * width;
        return;
    }
    for (uint64_t i = 0; i < count; i++, from += width)
        dump->at =
            put_varint(dump->at, program->is_signed ? zigzag(load_signed(from, width))
                                                    : load_unsigned(from, width));
}

static bool is_null(const struct op *op, const char *at)
{
    for (uint64_t i = 0; i < op->count; i++)
        if (at[i] & op->mask[i])
            return false;
    return true;
}

/* A union whose members hold no pointers is what its bytes are; zero is always zero. */
static void write_bytes(struct dump *dump, const struct op *op, const char *at,
                        uint64_t offset)
{
    if (is_null(op, at)) {
        dump_put(dump, 0);
        return;
    }
    if (op->has_pointers) {
        dump_block(
            dump, dump->current, offset,
            must_format("is a union of '%s' with pointers, and nothing tells which "
                        "member counts",
                        op->record->spelling),
            must_strdup("use a struct, or set the union to zero before it travels"));
        dump_put(dump, 0);
        return;
    }
    dump_put(dump, op->count);
    dump_ensure(dump, op->count);
    for (uint64_t i = 0; i < op->count; i++)
        *dump->at++ = (uint8_t)at[i] & op->mask[i];
}

static void write_element(struct dump *dump, const struct program *program,
                          const char *element, uint64_t offset)
{
    dump_ensure(dump, program->encoded_max);
    const struct op *end = program->ops + program->n_ops;
    for (const struct op *op = program->ops; op < end; op++) {
        const char *from = element + op->offset;
        switch ((enum op_kind)op->kind) {
        case OP_INTEGER:
            dump->at =
                put_varint(dump->at, op->is_signed ? zigzag(load_signed(from, op->size))
                                                   : load_unsigned(from, op->size));
            break;
        case OP_BYTE:
            *dump->at++ = (uint8_t)*from;
            break;
        case OP_BOOL:
            *dump->at++ = *from != 0;
            break;
        case OP_FIXED:
            copy_units(dump->at, from, op->size, op->size);
            dump->at += op->size;
            break;
        case OP_LDOUBLE:
            put_ldouble(dump->at, from);
            dump->at += LDOUBLE_ENCODED;
            break;
        case OP_BITS:
            dump->at = put_varint(dump->at,
                                  zigzag(op->record->layout.get_bits(from, op->field)));
            break;
        case OP_POINTER:
        case OP_STREAM:
            dump_pointer(dump, op, from, offset + op->offset);
            dump_ensure(dump, program->encoded_max);
            break;
        case OP_BYTES:
            write_bytes(dump, op, from, offset + op->offset);
            dump_ensure(dump, program->encoded_max);
            break;
        case OP_ELEMENTS:
            dump_elements(dump, op->elements, op->count, from, offset + op->offset);
            dump_ensure(dump, program->encoded_max);
            break;
        }
    }
}

/* Runs of zero elements cost two numbers: {zeros, others, the others' values} repeated.
 */
static void write_groups(struct dump *dump, const struct program *program, uint64_t count,
                         const char *from, uint64_t offset)
{
    uint64_t size = program->size;
    for (uint64_t i = 0; i < count;) {
        uint64_t zeros = 0, others = 0;
        while (i + zeros < count && program_is_zero(program, from + (i + zeros) * size))
            zeros++;
        i += zeros;
        dump_put(dump, zeros);
        if (i == count)
            return;
        while (i + others < count &&
               !program_is_zero(program, from + (i + others) * size))
            others++;
        dump_put(dump, others);
        for (uint64_t end = i + others; i < end; i++)
            write_element(dump, program, from + i * size, offset + i * size);
    }
}

void dump_elements(struct dump *dump, const struct program *program, uint64_t count,
                   const char *from, uint64_t offset)
{
    if (!program->n_ops || !count)
        return;
    if (program->width && dump->is_collecting)
        return;
    if (program->width) {
        write_bulk(dump, program, count, from);
    } else if (count >= GROUPED_MIN) {
        write_groups(dump, program, count, from, offset);
    } else {
        for (uint64_t i = 0; i < count; i++)
            write_element(dump, program, from + i * program->size,
                          offset + i * program->size);
    }
}
