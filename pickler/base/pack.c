/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/pack.h"

#include <string.h>

void pack_u64(struct buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n] = value & 0x7f;
        value >>= 7;
        if (value)
            bytes[n] |= 0x80;
        n++;
    } while (value);
    buffer_add(out, bytes, n);
}

void pack_i64(struct buffer *out, int64_t value)
{
    pack_u64(out, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void pack_f64(struct buffer *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    buffer_add(out, bytes, sizeof(bytes));
}

void pack_bytes(struct buffer *out, const void *data, size_t size)
{
    pack_u64(out, size);
    buffer_add(out, data, size);
}

void pack_string(struct buffer *out, const char *text)
{
    if (!text) {
        pack_u64(out, 0);
        return;
    }
    size_t size = strlen(text);
    pack_u64(out, size + 1);
    buffer_add(out, text, size);
}

struct unpack unpack_init(const void *data, size_t size)
{
    const uint8_t *at = data;
    return (struct unpack){.at = at, .end = at + size};
}

/* The one check before every read. */
static const uint8_t *need(struct unpack *in, uint64_t size)
{
    if (in->failed || size > (uint64_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const uint8_t *at = in->at;
    in->at += size;
    return at;
}

uint64_t unpack_u64(struct unpack *in)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t *byte = need(in, 1);
        if (!byte)
            return 0;
        uint64_t part = *byte & 0x7f;
        if (shift == 63 && part > 1)
            break;
        value |= part << shift;
        if (!(*byte & 0x80)) {
            if (shift && !part) /* not the shortest form: one value, one encoding */
                break;
            return value;
        }
    }
    in->failed = true;
    return 0;
}

uint64_t unpack_max(struct unpack *in, uint64_t max)
{
    uint64_t value = unpack_u64(in);
    if (value > max) {
        in->failed = true;
        return 0;
    }
    return value;
}

size_t unpack_count(struct unpack *in)
{
    return (size_t)unpack_max(in, (uint64_t)(in->end - in->at));
}

int64_t unpack_i64(struct unpack *in)
{
    uint64_t value = unpack_u64(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

double unpack_f64(struct unpack *in)
{
    const uint8_t *bytes = need(in, 8);
    if (!bytes)
        return 0;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool unpack_bool(struct unpack *in)
{
    return unpack_max(in, 1) == 1;
}

const void *unpack_bytes(struct unpack *in, size_t *size)
{
    uint64_t n = unpack_u64(in);
    const uint8_t *at = need(in, n);
    *size = at ? (size_t)n : 0;
    return at;
}

char *unpack_string(struct unpack *in)
{
    uint64_t n = unpack_u64(in);
    if (in->failed || n == 0)
        return NULL;
    const uint8_t *at = need(in, n - 1);
    if (!at || memchr(at, 0, (size_t)n - 1)) {
        in->failed = true;
        return NULL;
    }
    return must_strndup((const char *)at, (size_t)n - 1);
}

bool unpack_done(const struct unpack *in)
{
    return !in->failed && in->at == in->end;
}
