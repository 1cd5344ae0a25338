/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The index of a session's headers: their text, preprocessed once by libtcc, cut into
 * chunks, each with the names it declares and mentions, so that a unit holds only what a
 * cell reaches. Key: the ordered #include lines and every macro defined before them. A
 * header outside /usr is also parsed by libclang once, for its errors. */
#ifndef ACHAR_UNIT_HEADERS_H
#define ACHAR_UNIT_HEADERS_H

#include "pickler/base/error.h"
#include "pickler/graph/emit.h"
#include "pickler/graph/name_ids.h"

struct headers;

struct headers *headers_new(void) MUST_USE;
void headers_free(struct headers *headers);
DEFINE_FREEP(struct headers, headers_free)

/* -I, -D, -isystem flags for every later update. */
void headers_set_flags(struct headers *headers, const char *const *flags, size_t n);

struct include_line {
    uint32_t definition; /* id of the DEFINITION_INCLUDE it stands for */
    const char *text;    /* "#include <math.h>" */
    const char
        *before; /* "#define _GNU_SOURCE\n" ...: macros defined since the last one */
};

/* Indexes this ordered set; nothing is done when it is the one indexed already. -ENOENT
 * with the header's name when a file is missing; -EINVAL when a header does not compile.
 */
int headers_update(struct headers *headers, const struct include_line *includes, size_t n,
                   struct error *err) MUST_USE;

bool headers_is_type(const struct headers *headers, const char *name, size_t size);
bool headers_is_visible(const struct headers *headers, const char *name, size_t size);
const char *headers_macro(const struct headers *headers, const char *name, size_t size);
/* Names that start with a prefix, for completion; the callback gets each once. */
void headers_each(const struct headers *headers, const char *prefix,
                  void (*each)(void *context, const char *name, bool is_macro),
                  void *context);
/* The chunk that declares a name, borrowed, for inspection; NULL. */
const char *headers_declaration(const struct headers *headers, const char *name);
/* The id of the DEFINITION_INCLUDE by which the name came, 0: none. */
uint32_t headers_include_of(const struct headers *headers, const char *name);

/* The part of a unit that stands before a cell: header declarations, session declarations
 * of `graph`, macros, all that `text` can reach and nothing more. Names in `hidden` (what
 * the cell itself defines: those with an id; may be NULL) are not declared from the
 * session. Every session definition used is added to *used (ids), includes too, so that
 * references need no second search. Returns 1 instead of 0 when a reached macro pastes
 * names, so that the text is the full includes instead. */
int headers_prologue(struct headers *headers, const struct graph *graph, const char *text,
                     size_t size, const struct name_ids *hidden, const uint32_t *also,
                     size_t n_also, struct buffer *out, uint32_t **used, size_t *n_used,
                     struct error *err) MUST_USE;

#endif
