/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scalar values as C literals. */
#ifndef ACHAR_DISPLAY_LITERAL_H
#define ACHAR_DISPLAY_LITERAL_H

#include "pickler/base/buffer.h"
#include "pickler/type/type.h"

/* Of a text between these quotes. */
void literal_add_byte(struct buffer *out, unsigned char c, char quote);
void literal_add_char(struct buffer *out, unsigned char c); /* 'a', '\n', '\351' */
/* Quoted; valid UTF-8 is kept, every other byte outside ASCII text is an octal escape. */
void literal_add_string(struct buffer *out, const char *text, size_t size);

/* The shortest decimal that reads back as the same value, always with a point or an
 * exponent: 3.0, 0.1, 1e+100, inf, nan. */
void literal_add_float(struct buffer *out, float value);
void literal_add_double(struct buffer *out, double value);
void literal_add_ldouble(struct buffer *out, long double value);

/* RED; A | B, A | 8 for flags; (enum color)7 for what has no name. */
void literal_add_enum(struct buffer *out, const struct type *type, int64_t value);

/* Bytes of a number that is TYPE_OTHER: _Float16, __float128; 0: it is none. */
uint64_t literal_other_size(const char *spelling);

/* The scalar of this type at `address` (any alignment); false for other kinds and for
 * pointers. */
bool literal_add(struct buffer *out, const struct types *types, uint32_t type,
                 const void *address);
/* The same for an integer that is not in memory as such, a bit-field's. */
void literal_add_integer(struct buffer *out, const struct types *types, uint32_t type,
                         int64_t value);

#endif
