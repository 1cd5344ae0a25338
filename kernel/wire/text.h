/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text on Jupyter's wire is valid UTF-8, and positions in it count code points; what
 * cells print is any bytes, and our own positions count bytes. */
#ifndef ACHAR_WIRE_TEXT_H
#define ACHAR_WIRE_TEXT_H

#include <stddef.h>

#include "pickler/base/buffer.h"

/* Makes bytes that arrive in pieces valid: what is not UTF-8 becomes U+FFFD, and a
 * character that is cut by the end of a piece waits for the next one. {0} to start. */
struct text_cleaner {
    unsigned char waiting[4];
    size_t n_waiting;
};

void text_cleaner_add(struct text_cleaner *cleaner, const char *text, size_t size,
                      struct buffer *out);
void text_cleaner_end(struct text_cleaner *cleaner, struct buffer *out);

char *text_valid(const char *text) MUST_USE; /* owned copy, valid UTF-8; NULL gives "" */

/* Code points in the first `size` bytes of valid UTF-8. */
size_t text_count_points(const char *text, size_t size);
/* Offset in bytes of code point number `points`, at most `size`. */
size_t text_offset(const char *text, size_t size, size_t points);

#endif
