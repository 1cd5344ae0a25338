/* SPDX-License-Identifier: BSD-3-Clause
 *
 * _BitInt(N) of C23, as decimal numbers. In memory: little-endian in 1, 2, 4, 8 or more
 * bytes (x86-64 psABI: a multiple of 8 bytes above 64 bits). */
#ifndef ACHAR_DISPLAY_BIT_INTEGER_H
#define ACHAR_DISPLAY_BIT_INTEGER_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"

#define BIT_INTEGER_BITS_MAX 4096 /* wider ones are not shown */

/* Of "unsigned _BitInt(40)"; 0: the spelling is no such type's. */
uint64_t bit_integer_size(const char *spelling);
void bit_integer_add(struct buffer *out, const char *spelling, const void *address);

#endif
