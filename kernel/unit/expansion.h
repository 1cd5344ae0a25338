/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much text macros make, known before a compiler makes it: eleven lines of #define
 * can ask for more tokens than any machine has room for. */
#ifndef ACHAR_UNIT_EXPANSION_H
#define ACHAR_UNIT_EXPANSION_H

#include <stddef.h>
#include <stdint.h>

/* Tokens of one text. libclang needs some 10 s and all of its memory for so many. */
#define EXPANSION_MAX 10000000u
#define EXPANSION_ERROR "macros expand to more than 10 million tokens here"

/* The offset of the token at which the text, with the macros that it defines, gets larger
 * than EXPANSION_MAX; SIZE_MAX: it does not. An estimate: names that ## makes and macros
 * that are handed over as arguments count as one token. */
size_t expansion_excess(const char *text, size_t size);

#endif
