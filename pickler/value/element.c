/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Questions about elements of a program: how many fit, how large they are, and whether
 * one is zero. */
#include <string.h>

#include "pickler/value/program.h"
#include "pickler/value/scalar.h"

bool program_fits(const struct program *program, uint64_t size, uint64_t *ret_count,
                  uint64_t *ret_tail)
{
    *ret_tail = 0;
    if (program->has_tail) {
        uint64_t tail_size = program->tail->size;
        if (size < program->size)
            return false;
        uint64_t rest = (size - program->tail_offset) % tail_size;
        *ret_count = 1;
        *ret_tail = (size - program->tail_offset) / tail_size;
        return rest == 0 || rest == (program->size - program->tail_offset) % tail_size;
    }
    if (!program->size)
        return false;
    *ret_count = size == program->size ? 1 : size / program->size;
    return *ret_count * program->size == size;
}

bool program_size(const struct program *program, uint64_t count, uint64_t tail,
                  uint64_t *ret)
{
    uint64_t size, tail_size = 0;
    if (__builtin_mul_overflow(count, program->size, &size))
        return false;
    if (program->has_tail &&
        (count > 1 || __builtin_mul_overflow(tail, program->tail->size, &tail_size) ||
         __builtin_add_overflow(tail_size, program->tail_offset, &tail_size)))
        return false;
    *ret = tail_size > size && count ? tail_size : size;
    return true;
}

static bool is_zero_memory(const char *at, uint64_t size)
{
    uint64_t word;
    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&word, at, 8);
        if (word)
            return false;
    }
    for (; size; at++, size--)
        if (*at)
            return false;
    return true;
}

static bool is_zero_masked(const struct op *op, const char *at)
{
    for (uint64_t i = 0; i < op->count; i++)
        if (at[i] & op->mask[i])
            return false;
    return true;
}

static bool is_zero_op(const struct op *op, const char *element)
{
    const char *at = element + op->offset;
    switch ((enum op_kind)op->kind) {
    case OP_BYTE:
    case OP_BOOL:
        return *at == 0;
    case OP_INTEGER:
    case OP_FIXED:
        return is_zero_memory(at, op->size);
    case OP_POINTER:
    case OP_STREAM:
        return is_zero_memory(at, sizeof(void *));
    case OP_LDOUBLE: {
        uint8_t quad[LDOUBLE_ENCODED];
        put_ldouble(quad, at);
        return is_zero_memory((char *)quad, sizeof(quad));
    }
    case OP_BITS:
        return op->record->layout.get_bits(at, op->field) == 0;
    case OP_BYTES:
        return is_zero_masked(op, at);
    case OP_ELEMENTS:
        for (uint64_t i = 0; i < op->count; i++)
            if (!program_is_zero(op->elements, at + i * op->elements->size))
                return false;
        return true;
    }
    return false;
}

bool program_is_zero(const struct program *program, const char *element)
{
    if (program->is_dense)
        return is_zero_memory(element, program->size);
    for (size_t i = 0; i < program->n_ops; i++)
        if (!is_zero_op(&program->ops[i], element))
            return false;
    return true;
}
