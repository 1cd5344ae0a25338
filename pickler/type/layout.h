/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layouts are asked of the compiler. For a record type the unit that defines or first
 * uses it carries a generated function
 *
 *     void achar_layout_ID(unsigned long long *table);
 *     long long achar_get_ID(const void *object, unsigned field);          bit-fields
 * only void achar_set_ID(void *object, unsigned field, long long value);
 *
 * that writes sizeof, alignof and one offsetof a field into `table`; where the types were
 * told by another machine, also sizeof each field, which may not be the same there. */
#ifndef ACHAR_TYPE_LAYOUT_H
#define ACHAR_TYPE_LAYOUT_H

#include "pickler/type/type.h"

/* The symbols' ID is `symbol_id`: the session's type id, or the payload's. */
void layout_emit(const struct types *types, uint32_t id, uint32_t symbol_id,
                 struct buffer *out);
void layout_emit_with_sizes(const struct types *types, uint32_t id, uint32_t symbol_id,
                            struct buffer *out);

/* All record types reachable from `id`, nested first, each once, appended to *list. */
void layout_needed(const struct types *types, uint32_t id, uint32_t **list, size_t *n,
                   size_t *capacity);

/* Fills the type's layout by calling the compiled functions; `symbol` finds an address by
 * name and returns NULL where there is none. Fails when the table cannot be right. */
int layout_read(struct types *types, uint32_t id, uint32_t symbol_id,
                void *(*symbol)(void *context, const char *name), void *context,
                struct error *err) MUST_USE;

#endif
