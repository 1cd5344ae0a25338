/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of struct headers: the index of one set of #include lines, and the scratch space
 * of prologues, which belongs to the index because it is numbered by it. */
#ifndef ACHAR_UNIT_HEADER_SET_H
#define ACHAR_UNIT_HEADER_SET_H

#include "kernel/unit/header_index.h"
#include "kernel/unit/headers.h"
#include "pickler/graph/name_ids.h"

/* A number here equal to `generation` means: reached by the prologue being made. */
struct header_marks {
    uint32_t generation;
    uint32_t *words; /* by name, looked at as code: session, macros, chunks */
    uint32_t *tag_words;
    uint32_t *ordinary; /* by name, its chunks */
    uint32_t *tags;
    uint32_t *chunks, *macros;
};

struct headers {
    char **flags;
    size_t n_flags;
    char *compiler_folder; /* or NULL */
    char *key;             /* what is indexed: flags and lines; NULL: nothing */
    struct buffer source;  /* the #include lines with what stands before them */
    uint32_t *definitions; /* by #include line, from 0 */
    size_t n_includes;
    struct header_index index;
    struct header_marks marks;
    struct buffer declaration; /* the last answer of headers_declaration() */
    /* #undef of the session, by macro: the id of the definition that it is */
    struct name_ids undefined;
    const struct graph *undefined_graph;
    uint32_t undefined_up_to; /* all ids below are in it */
};

/* Checks by libclang that what the user's own headers hold is C; `text` is what
 * header_text() gave. -EINVAL with header, line and message. */
int header_check(const char *text, size_t size, struct error *err) MUST_USE;

/* The folder of headers that a real compiler brings (iso646.h, stdatomic.h), for those
 * that libtcc lacks; owned, NULL when none is found beside libclang. */
char *header_compiler_folder(void) MUST_USE;

/* The #include lines alone. */
void headers_add_includes(const struct headers *headers, struct buffer *out);

#endif
