/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/scalar.h"

#include <float.h>

/* binary128, little-endian: 112 bits of fraction, 15 of exponent, a sign. */
struct quad {
    uint64_t low, high; /* high: sign, exponent, upper 48 bits of the fraction */
};

#define HIGH_FRACTION ((UINT64_C(1) << 48) - 1)
#define EXPONENT_MAX 0x7fff

#if LDBL_MANT_DIG == 113

void put_ldouble(uint8_t *to, const void *from)
{
    copy_units(to, from, 16, 16);
}

bool get_ldouble(void *to, const uint8_t *from)
{
    copy_units(to, from, 16, 16);
    return true;
}

#else

static void write_quad(uint8_t *to, struct quad quad)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(quad.low >> (8 * i));
        to[8 + i] = (uint8_t)(quad.high >> (8 * i));
    }
}

static struct quad read_quad(const uint8_t *from)
{
    struct quad quad = {0, 0};
    for (int i = 0; i < 8; i++) {
        quad.low |= (uint64_t)from[i] << (8 * i);
        quad.high |= (uint64_t)from[8 + i] << (8 * i);
    }
    return quad;
}

#if LDBL_MANT_DIG == 64 /* x87: 64 bits of mantissa with an explicit leading one */

void put_ldouble(uint8_t *to, const void *from)
{
    uint64_t mantissa;
    uint16_t top;
    memcpy(&mantissa, from, 8);
    memcpy(&top, (const uint8_t *)from + 8, 2);
    unsigned exponent = top & EXPONENT_MAX;
    bool leads = mantissa >> 63;
    if (!exponent && leads) /* a pseudo-denormal is the smallest normal number */
        exponent = 1;
    else if (exponent && !leads) { /* no number at all */
        exponent = EXPONENT_MAX;
        mantissa = UINT64_C(1) << 62;
    }
    uint64_t fraction = mantissa & ~(UINT64_C(1) << 63);
    struct quad quad = {.low = fraction << 49};
    quad.high = (uint64_t)(top >> 15) << 63 | (uint64_t)exponent << 48 | fraction >> 15;
    write_quad(to, quad);
}

/* What is left out of a fraction, at the top of a word, rounds it to the nearest one, of
 * two to the even one. A NaN stays one. */
static uint64_t rounded(uint64_t fraction, uint64_t rest, bool is_finite)
{
    uint64_t half = UINT64_C(1) << 63;
    if (!is_finite)
        return fraction | (!fraction && rest);
    return fraction + (rest > half || (rest == half && fraction & 1));
}

bool get_ldouble(void *to, const uint8_t *from)
{
    struct quad quad = read_quad(from);
    uint16_t exponent = quad.high >> 48 & EXPONENT_MAX;
    uint64_t fraction = (quad.high & HIGH_FRACTION) << 15 | quad.low >> 49;
    fraction = rounded(fraction, quad.low << 15, exponent != EXPONENT_MAX);
    exponent += fraction >> 63; /* the sum has carried: the fraction is 0 then */
    if (exponent == EXPONENT_MAX && fraction >> 63)
        return false;
    uint64_t mantissa = fraction | (exponent ? UINT64_C(1) << 63 : 0);
    uint16_t top = (uint16_t)(exponent | (quad.high >> 63) << 15);
    memcpy(to, &mantissa, 8);
    memcpy((uint8_t *)to + 8, &top, 2);
    return true;
}

#else /* the same as double */

void put_ldouble(uint8_t *to, const void *from)
{
    double value;
    uint64_t bits;
    memcpy(&value, from, 8);
    int shift = 0;
    while (value != 0 && value < DBL_MIN && value > -DBL_MIN && shift < 64) {
        value *= 2; /* binary128 has room for what is denormal here */
        shift++;
    }
    memcpy(&bits, &value, 8);
    uint64_t exponent = bits >> 52 & 0x7ff, fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent)
        exponent = exponent == 0x7ff ? EXPONENT_MAX : exponent - 1023 + 16383 - shift;
    write_quad(to, (struct quad){fraction << 60,
                                 (bits >> 63) << 63 | exponent << 48 | fraction >> 4});
}

bool get_ldouble(void *to, const uint8_t *from)
{
    struct quad quad = read_quad(from);
    uint64_t exponent = quad.high >> 48 & EXPONENT_MAX;
    uint64_t fraction = (quad.high & HIGH_FRACTION) << 4 | quad.low >> 60;
    bool is_zero = !exponent && !fraction;
    if (quad.low << 4)
        return false;
    if (exponent == EXPONENT_MAX)
        exponent = 0x7ff;
    else if (!is_zero && (exponent <= 16383 - 1023 || exponent >= 16383 + 1024))
        return false;
    else if (!is_zero)
        exponent = exponent - 16383 + 1023;
    uint64_t bits = (quad.high >> 63) << 63 | exponent << 52 | fraction;
    memcpy(to, &bits, 8);
    return true;
}

#endif
#endif
