/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an unknown name was probably meant to be. */
#ifndef ACHAR_UNIT_SUGGEST_H
#define ACHAR_UNIT_SUGGEST_H

#include "kernel/unit/draft.h"

/* When the diagnostic is about an unknown name: adds the header it is declared in, or the
 * nearest known name with a fix-it, to the message. */
void suggest(struct draft *draft, struct diagnostic *diagnostic);

/* Owned name that the message says is unknown; NULL. */
char *unknown_name(const char *message) MUST_USE;

#endif
