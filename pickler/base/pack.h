/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one encoding of numbers and strings in payloads and between our own processes:
 * unsigned numbers as LEB128, signed ones zigzagged, bytes and text behind their length.
 * A reader remembers that it failed: read everything, then check `failed` once. */
#ifndef ACHAR_BASE_PACK_H
#define ACHAR_BASE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/buffer.h"

void pack_u64(struct buffer *out, uint64_t value);
void pack_i64(struct buffer *out, int64_t value);
void pack_f64(struct buffer *out, double value); /* 8 bytes, little-endian IEEE 754 */
void pack_bytes(struct buffer *out, const void *data, size_t size);
void pack_string(struct buffer *out, const char *text); /* NULL is told apart from "" */

struct unpack {
    const uint8_t *at; /* next unread byte, borrowed */
    const uint8_t *end;
    bool failed; /* sticky: something was cut short or out of range */
};

struct unpack unpack_init(const void *data, size_t size);
uint64_t unpack_u64(struct unpack *in);
uint64_t unpack_max(struct unpack *in, uint64_t max); /* fails above max */
/* A count of things that take at least one byte each: fails above the bytes left. */
size_t unpack_count(struct unpack *in);
int64_t unpack_i64(struct unpack *in);
double unpack_f64(struct unpack *in);
bool unpack_bool(struct unpack *in);
const void *unpack_bytes(struct unpack *in, size_t *size); /* borrowed from the input */
char *unpack_string(struct unpack *in) MUST_USE; /* owned; NULL for NULL or on failure */
/* True when nothing failed and nothing is left. */
bool unpack_done(const struct unpack *in);

#endif
