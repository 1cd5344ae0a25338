/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Single numbers in memory and in bytes: the inner loop of dump and load. */
#ifndef ACHAR_VALUE_SCALAR_H
#define ACHAR_VALUE_SCALAR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX 10      /* bytes of the longest one */
#define LDOUBLE_ENCODED 16 /* a long double travels as IEEE 754 binary128 */

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value > 0x7f) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline int64_t load_signed(const void *from, unsigned size)
{
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    switch (size) {
    case 1:
        memcpy(&i8, from, 1);
        return i8;
    case 2:
        memcpy(&i16, from, 2);
        return i16;
    case 4:
        memcpy(&i32, from, 4);
        return i32;
    default:
        memcpy(&i64, from, 8);
        return i64;
    }
}

static inline uint64_t load_unsigned(const void *from, unsigned size)
{
    uint64_t value = (uint64_t)load_signed(from, size);
    return size == 8 ? value : value & ((UINT64_C(1) << (8 * size)) - 1);
}

static inline void store_integer(void *to, unsigned size, uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    switch (size) {
    case 1:
        memcpy(to, &u8, 1);
        return;
    case 2:
        memcpy(to, &u16, 2);
        return;
    case 4:
        memcpy(to, &u32, 4);
        return;
    default:
        memcpy(to, &value, 8);
    }
}

static inline bool fits_signed(int64_t value, unsigned size)
{
    return size == 8 || (value >> (8 * size - 1)) == (value < 0 ? -1 : 0);
}

static inline bool fits_unsigned(uint64_t value, unsigned size)
{
    return size == 8 || value >> (8 * size) == 0;
}

/* `bytes` bytes made of units of `width` bytes, between memory and little-endian. */
static inline void copy_units(void *to, const void *from, size_t bytes, unsigned width)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)width;
    memcpy(to, from, bytes);
#else
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)to)[i - i % width + (width - 1 - i % width)] =
            ((const uint8_t *)from)[i];
#endif
}

/* Rounded to the nearest one where this machine's long double has fewer bits; false: it
 * is too large for it. */
void put_ldouble(uint8_t *to, const void *from);
bool get_ldouble(void *to, const uint8_t *from);

#endif
