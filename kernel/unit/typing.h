/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libclang's types as entries of a `struct types`. Equal types get one entry; a record is
 * identified by its name and by the session definition it comes from, so that two
 * versions of a struct are two types. Sizes are not asked of libclang. */
#ifndef ACHAR_UNIT_TYPING_H
#define ACHAR_UNIT_TYPING_H

#include <clang-c/Index.h>

#include "pickler/base/memory.h"
#include "pickler/type/type.h"

struct typing {
    struct types *types; /* borrowed; entries are appended */
    /* The session definition that declares a record or enum, 0: none. */
    uint32_t (*definition_of)(void *context, CXCursor declaration);
    void *context;
};

uint32_t typing_id(const struct typing *typing, CXType type);
/* Owned T such that __typeof__(T) is this type at file scope. */
char *typing_spelling(const struct typing *typing, CXType type) MUST_USE;
/* True when the type is declared inside a function and cannot be named at file scope. */
bool typing_is_local(CXType type);

char *take_string(CXString string) MUST_USE; /* owned; "" for none */

#endif
