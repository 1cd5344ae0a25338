/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading memory that may not be there, without faulting. */
#ifndef ACHAR_DISPLAY_PROBE_H
#define ACHAR_DISPLAY_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* Copies up to `size` bytes; returns how many could be read before the first that cannot.
 */
size_t probe_copy(const void *address, void *to, size_t size);
/* True when every byte of the range can be read. */
bool probe_is_readable(const void *address, size_t size);

#endif
