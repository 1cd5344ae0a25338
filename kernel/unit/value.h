/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The value of a cell's last expression: its type, and the C text that stores it. */
#ifndef ACHAR_UNIT_VALUE_H
#define ACHAR_UNIT_VALUE_H

#include "kernel/unit/draft.h"

enum value_kind {
    VALUE_NONE,   /* void: it is only run */
    VALUE_SCALAR, /* stored by assignment */
    VALUE_RECORD, /* through a local, because members may be const */
    VALUE_ARRAY,  /* byte by byte from where it decays to */
};

struct value {
    enum value_kind kind;
    uint32_t type;
    char *type_text; /* T in __typeof__(T), without const; owned */
};

/* False when it has no value that can be kept: a diagnostic says why. */
bool value_describe(struct draft *draft, struct value *ret);
/* The type that a value is shown as: a function and an array of unknown length are
 * pointers. `ret_text` (owned, NULL: not asked for) is the T of struct value. */
uint32_t value_type(struct draft *draft, CXType type, char **ret_text);
/* That of the value of an expression of this type: a wide string literal has characters
 * of a type by name. */
uint32_t value_literal_type(struct draft *draft, CXCursor expression, uint32_t type);
void value_assign(struct buffer *out, const struct value *value,
                  const struct piece *piece, const char *to);
/* Copies the bytes of the object `from` into the object `to`. */
void value_copy(struct buffer *out, const char *to, const char *from);

#endif
