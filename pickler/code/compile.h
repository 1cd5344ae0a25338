/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a compiler made of a text: an ELF object, or why there is none. */
#ifndef ACHAR_CODE_COMPILE_H
#define ACHAR_CODE_COMPILE_H

#include <stdbool.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define COMPILE_MESSAGES_MAX                                                             \
    ((size_t)64 << 10) /* bytes kept of a compiler's messages                            \
                        */

struct compiled {
    bool is_ok;
    struct buffer object;   /* the ELF object when is_ok */
    struct buffer messages; /* the compiler's own words, one a line */
};

static inline void compiled_clear(struct compiled *compiled)
{
    buffer_clear(&compiled->object);
    buffer_clear(&compiled->messages);
    compiled->is_ok = false;
}

#endif
