/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growing run of bytes, always followed by a NUL that is not counted, so that text can
 * be built in place. {0} is an empty buffer. */
#ifndef ACHAR_BASE_BUFFER_H
#define ACHAR_BASE_BUFFER_H

#include <stddef.h>

#include "pickler/base/memory.h"

struct buffer {
    char *data; /* owned; NULL while nothing was added */
    size_t size;
    size_t capacity;
};

void buffer_clear(struct buffer *buffer); /* frees; the buffer can be used again */
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_add_string(struct buffer *buffer, const char *text);
void buffer_add_char(struct buffer *buffer, char c);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *buffer_string(const struct buffer *buffer); /* borrowed, "" when empty */
char *buffer_take(struct buffer *buffer) MUST_USE;      /* owned NUL-terminated text */

#endif
