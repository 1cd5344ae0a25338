/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/bit_integer.h"

#include <inttypes.h>
#include <string.h>

#define WORDS_MAX (BIT_INTEGER_BITS_MAX / 32)
#define CHUNK 1000000000u /* nine digits */
#define CHUNKS_MAX (BIT_INTEGER_BITS_MAX / 29 + 1)

static unsigned long bits_of(const char *spelling)
{
    static const char name[] = "_BitInt(";
    const char *at = spelling ? strstr(spelling, name) : NULL;
    if (!at || (at > spelling && at[-1] != ' '))
        return 0;
    char *end;
    unsigned long bits = strtoul(at + strlen(name), &end, 10);
    return !strcmp(end, ")") && bits <= BIT_INTEGER_BITS_MAX ? bits : 0;
}

uint64_t bit_integer_size(const char *spelling)
{
    unsigned long bits = bits_of(spelling);
    if (!bits)
        return 0;
    uint64_t size = 1;
    while (size < 8 && size * 8 < bits)
        size *= 2;
    return bits > 64 ? (bits + 63) / 64 * 8 : size;
}

static void negate(uint32_t *words, size_t n)
{
    uint64_t carry = 1;
    for (size_t i = 0; i < n; i++) {
        carry += (uint32_t)~words[i];
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* The bits above the number's own are anything: they become its sign. */
static void extend(uint32_t *words, size_t n, unsigned long bits, bool is_negative)
{
    for (size_t i = 0; i < n; i++) {
        if ((i + 1) * 32 <= bits)
            continue;
        uint32_t own = i * 32 >= bits ? 0 : (UINT32_C(1) << (bits % 32)) - 1;
        words[i] = is_negative ? words[i] | ~own : words[i] & own;
    }
}

static uint32_t divide(uint32_t *words, size_t n)
{
    uint64_t rest = 0;
    for (size_t i = n; i-- > 0;) {
        rest = rest << 32 | words[i];
        words[i] = (uint32_t)(rest / CHUNK);
        rest %= CHUNK;
    }
    return (uint32_t)rest;
}

static bool is_zero(const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (words[i])
            return false;
    return true;
}

void bit_integer_add(struct buffer *out, const char *spelling, const void *address)
{
    uint32_t words[WORDS_MAX] = {0}, chunks[CHUNKS_MAX];
    unsigned long bits = bits_of(spelling);
    uint64_t size = bit_integer_size(spelling);
    size_t n = (size_t)(size + 3) / 4, n_chunks = 0;
    memcpy(words, address, size);
    bool is_negative =
        !strstr(spelling, "unsigned ") && words[(bits - 1) / 32] >> ((bits - 1) % 32) & 1;
    extend(words, n, bits, is_negative);
    if (is_negative)
        negate(words, n);
    do
        chunks[n_chunks++] = divide(words, n);
    while (!is_zero(words, n));
    buffer_format(out, "%s%" PRIu32, is_negative ? "-" : "", chunks[n_chunks - 1]);
    while (--n_chunks)
        buffer_format(out, "%09" PRIu32, chunks[n_chunks - 1]);
}
