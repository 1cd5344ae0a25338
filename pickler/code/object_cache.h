/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Objects that cc has made, on disk: $XDG_CACHE_HOME/achar/objects, else below ~/.cache.
 * It is machine code that will run: folder and files must be the user's own and writable
 * by nobody else, and every file ends with a digest of what stands before it. Several
 * kernels may use it at once: a file appears whole or not at all. Nothing here is an
 * error: what cannot be had from the cache is compiled. */
#ifndef ACHAR_CODE_OBJECT_CACHE_H
#define ACHAR_CODE_OBJECT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"

#define OBJECT_CACHE_MAX (256u << 20)     /* bytes of all files; oldest used go first */
#define OBJECT_CACHE_FILE_MAX (32u << 20) /* a larger object is not kept */
#define OBJECT_CACHE_HEADERS_MAX 2000     /* files that one object was made from */

/* The key: text, compiler (its path, size and time stand for its version), arguments that
 * matter and this machine's processor. Owned, hexadecimal. */
char *object_cache_key(const char *text, const char *compiler, const char *const *argv,
                       size_t n) MUST_USE;

/* True when the object is there and no header that it was made from has changed. */
bool object_cache_get(const char *key, struct buffer *ret_object);
/* `rule` is the compiler's list of headers (-MD), in the language of make. */
void object_cache_put(const char *key, const char *rule, const struct buffer *object);

/* Bytes and files in the cache; the folder's path, owned. NULL: there can be none, or it
 * is not safe. */
char *object_cache_describe(uint64_t *ret_size, size_t *ret_n) MUST_USE;

#endif
