/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elements of a load: the mirror of what dump.c writes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pickler/value/load.h"
#include "pickler/value/scalar.h"

static bool does_not_fit(struct load *load, uint64_t offset, const char *what)
{
    CLEANUP(freep)
    char *path = path_text(load->world->types, &load->blocks, load->current, offset);
    return load_fail(load, -EINVAL, "'%s' cannot hold %s here", path, what);
}

static bool store_checked(struct load *load, char *to, unsigned size, bool is_signed,
                          uint64_t bits, uint64_t offset)
{
    char text[32];
    if (is_signed ? fits_signed((int64_t)bits, size) : fits_unsigned(bits, size)) {
        store_integer(to, size, bits);
        return true;
    }
    if (is_signed)
        snprintf(text, sizeof(text), "%" PRId64, (int64_t)bits);
    else
        snprintf(text, sizeof(text), "%" PRIu64, bits);
    return does_not_fit(load, offset, text);
}

static bool read_integer(struct load *load, char *to, unsigned size, bool is_signed,
                         uint64_t offset)
{
    uint64_t number;
    if (!load_number(load, &number))
        return false;
    return store_checked(load, to, size, is_signed,
                         is_signed ? (uint64_t)unzigzag(number) : number, offset);
}

/* Runs of the data's units; `width` is their size there, which may differ from here. */
static bool read_runs(struct load *load, const struct program *program, uint64_t size,
                      unsigned width, char *to, bool is_zero)
{
    uint64_t done = 0, data, zeros;
    while (done < size) {
        if (!load_max(load, size - done, &data))
            return false;
        const uint8_t *from = load_bytes(load, data);
        if (!from)
            return false;
        copy_units(to + done, from, data, width);
        done += data;
        if (done == size)
            break;
        if (!load_max(load, size - done, &zeros))
            return false;
        if (!zeros || zeros % width || data % width)
            return load_damaged(load);
        if (!is_zero)
            load_zero(to + done, zeros);
        done += zeros;
    }
    return true;
}

/* An array of long from a machine where it has another size. */
static bool read_converted(struct load *load, const struct program *program,
                           uint64_t count, unsigned width, char *to, uint64_t offset)
{
    uint64_t size;
    if (__builtin_mul_overflow(count, width, &size) || size > LOAD_MAX)
        return load_damaged(load);
    CLEANUP(freep) char *units = calloc(1, size);
    if (!units)
        return load_fail(load, -ENOMEM,
                         "there is no memory for %" PRIu64 " bytes of values", size);
    if (!read_runs(load, program, size, width, units, true))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const char *from = units + i * width;
        uint64_t bits = program->is_signed ? (uint64_t)load_signed(from, width)
                                           : load_unsigned(from, width);
        uint64_t at = i * program->width;
        if (!store_checked(load, to + at, program->width, program->is_signed, bits,
                           offset + at))
            return false;
    }
    return true;
}

static bool read_bulk(struct load *load, const struct program *program, uint64_t count,
                      char *to, uint64_t offset, bool is_zero)
{
    unsigned width = program->width;
    if (count >= BULK_MIN) {
        unsigned there = program->is_long ? load->index.machine.long_size : width;
        if (there != width)
            return read_converted(load, program, count, there, to, offset);
        return read_runs(load, program, count * width, width, to, is_zero);
    }
    if (!program->is_integer || width == 1) {
        const uint8_t *from = load_bytes(load, count * width);
        if (from)
            copy_units(to, from, count * width, width);
        return from != NULL;
    }
    for (uint64_t i = 0; i < count; i++)
        if (!read_integer(load, to + i * width, width, program->is_signed,
                          offset + i * width))
            return false;
    return true;
}

static bool read_bool(struct load *load, char *to)
{
    uint64_t value;
    if (!load_max(load, 1, &value))
        return false;
    *to = (char)value;
    return true;
}

static bool read_bits(struct load *load, const struct op *op, char *to, uint64_t offset)
{
    uint64_t number;
    if (!load_number(load, &number))
        return false;
    const struct type_layout *layout = &op->record->layout;
    layout->set_bits(to, op->field, unzigzag(number));
    if (layout->get_bits(to, op->field) == unzigzag(number))
        return true;
    CLEANUP(freep)
    char *path = path_text(load->world->types, &load->blocks, load->current, offset);
    return load_fail(load, -EINVAL, "bit-field '%s' of '%s' cannot hold %" PRId64 " here",
                     op->record->fields[op->field].name, path, unzigzag(number));
}

static bool read_bytes(struct load *load, const struct op *op, char *to, uint64_t offset)
{
    uint64_t size;
    struct value_machine here = value_machine_here();
    if (!load_number(load, &size))
        return false;
    if (!size) {
        memset(to, 0, op->count);
        return true;
    }
    if (op->has_pointers)
        return load_damaged(load);
    if (size != op->count || load->index.machine.long_size != here.long_size ||
        load->index.machine.pointer_size != here.pointer_size)
        return does_not_fit(load, offset, "a union from a machine with other sizes");
    if (op->has_ldouble && load->index.machine.ldouble != here.ldouble)
        return does_not_fit(load, offset,
                            "a union with a long double from a machine with another one");
    const uint8_t *from = load_bytes(load, size);
    if (!from)
        return false;
    for (uint64_t i = 0; i < size; i++) {
        if (from[i] & ~op->mask[i])
            return load_damaged(load);
        to[i] = (char)from[i];
    }
    return true;
}

static bool read_op(struct load *load, const struct op *op, char *to, uint64_t offset,
                    bool is_zero)
{
    const uint8_t *from;
    switch ((enum op_kind)op->kind) {
    case OP_INTEGER:
        return read_integer(load, to, op->size, op->is_signed, offset);
    case OP_BYTE:
        from = load_bytes(load, 1);
        if (from)
            *to = (char)*from;
        return from != NULL;
    case OP_BOOL:
        return read_bool(load, to);
    case OP_FIXED:
        from = load_bytes(load, op->size);
        if (from)
            copy_units(to, from, op->size, op->size);
        return from != NULL;
    case OP_LDOUBLE:
        from = load_bytes(load, LDOUBLE_ENCODED);
        if (!from)
            return false;
        return get_ldouble(to, from) ||
               does_not_fit(load, offset, "a long double of that size");
    case OP_POINTER:
    case OP_STREAM:
        return load_pointer(load, op, offset, to);
    case OP_BITS:
        return read_bits(load, op, to, offset);
    case OP_BYTES:
        return read_bytes(load, op, to, offset);
    case OP_ELEMENTS:
        return load_elements(load, op->elements, op->count, to, offset, is_zero);
    }
    return false;
}

static bool read_element(struct load *load, const struct program *program, char *to,
                         uint64_t offset, bool is_zero)
{
    const struct op *end = program->ops + program->n_ops;
    for (const struct op *op = program->ops; op < end; op++)
        if (!read_op(load, op, to + op->offset, offset + op->offset, is_zero))
            return false;
    return true;
}

static bool read_groups(struct load *load, const struct program *program, uint64_t count,
                        char *to, uint64_t offset, bool is_zero)
{
    uint64_t size = program->size, zeros, others;
    for (uint64_t i = 0; i < count;) {
        if (!load_max(load, count - i, &zeros))
            return false;
        if (!is_zero)
            load_zero(to + i * size, zeros * size);
        i += zeros;
        if (i == count)
            return true;
        if (!load_max(load, count - i, &others))
            return false;
        if (!others || others > (uint64_t)(load->end - load->at))
            return load_damaged(load);
        for (uint64_t end = i + others; i < end; i++)
            if (!read_element(load, program, to + i * size, offset + i * size, is_zero))
                return false;
    }
    return true;
}

bool load_elements(struct load *load, const struct program *program, uint64_t count,
                   char *to, uint64_t offset, bool is_zero)
{
    if (!program->n_ops || !count)
        return true;
    if (program->width)
        return read_bulk(load, program, count, to, offset, is_zero);
    if (count >= GROUPED_MIN)
        return read_groups(load, program, count, to, offset, is_zero);
    for (uint64_t i = 0; i < count; i++)
        if (!read_element(load, program, to + i * program->size,
                          offset + i * program->size, is_zero))
            return false;
    return true;
}
