/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell with all it reaches as a C program of its own. */
#ifndef ACHAR_MAGICS_CLOSURE_H
#define ACHAR_MAGICS_CLOSURE_H

#include "magics/context.h"

struct closure {
    struct buffer text;
    char *options; /* what the cell's compiler was chosen to be (cc.h), or NULL */
};

void closure_clear(struct closure *closure);

/* The program of the cell's C text: its definitions and those that it reaches, its
 * statements, and the values that variables of the session have now, as far as they hold
 * no pointers; the others are named in the cell's output. The session stays as it is. */
int closure_make(struct magic_context *context, uint32_t line, const char *text,
                 struct closure *ret, struct result *result, struct error *err) MUST_USE;

#endif
