/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text behind a magic's name, as options and words. Options start with "--" and a
 * letter, stand outside quotes and brackets, and take their value after "=" or as the
 * next word; those of one letter ("-n 10", "-n10") stand before everything else. C text
 * keeps its blanks; a // comment at the end is left out. */
#ifndef ACHAR_MAGICS_ARGUMENTS_H
#define ACHAR_MAGICS_ARGUMENTS_H

#include "magics/magic.h"

/* The words of a text: split at blanks outside quotes and brackets. Owned array of owned
 * words. */
void words_split(const char *text, char ***ret, size_t *ret_n);
void words_free(char **words, size_t n);

/* Cuts "EXPR -> LVALUE" at the last "->" that stands between blanks outside quotes and
 * brackets; *ret_target is NULL when there is none. Both owned, trimmed. */
void arrow_split(const char *text, char **ret_expression, char **ret_target);

/* Parses and checks against the table; a mistake goes into the result. ret->column is how
 * many columns of `text` stand before what is no option. */
void arguments_parse(const struct magic *magic, const char *text, const char *body,
                     uint32_t body_line, struct magic_arguments *ret,
                     struct result *result);
void arguments_clear(const struct magic *magic, struct magic_arguments *arguments);

#endif
