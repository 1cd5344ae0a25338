/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which functions say how values of a type look:
 * void mime_TYPE(const TYPE *value, achar_bundle *out). The name only ranks them: one
 * with the type's own name goes first. */
#ifndef ACHAR_DISPLAY_MIME_FUNCTION_H
#define ACHAR_DISPLAY_MIME_FUNCTION_H

#include "pickler/type/type.h"

#define MIME_FUNCTION_PREFIX "mime_"

/* Records and enumerations have such functions. */
bool mime_function_suits(const struct types *types, uint32_t type);
/* "mime_vector" for struct vector; owned by the caller. */
char *mime_function_name(const struct types *types, uint32_t type);
bool mime_function_is_name(const char *name);
/* True for a pointer to the struct, such as "achar_display", whatever its qualifiers. */
bool mime_is_pointer_to(const struct types *types, uint32_t type, const char *tag);
/* True when a function of the type `function` takes values of the type `value`. */
bool mime_function_takes(const struct types *types, uint32_t function, uint32_t value);

#endif
