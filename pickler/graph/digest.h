/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SHA-256 of bytes. */
#ifndef ACHAR_GRAPH_DIGEST_H
#define ACHAR_GRAPH_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

void digest(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);

#endif
