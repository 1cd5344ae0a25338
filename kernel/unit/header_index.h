/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What header_text() yields, cut up: chunks of declarations that partition the text, the
 * macros that are live at its end, and for each the names it declares and mentions. The
 * text is free of macros, so that one pass over its tokens is enough to parse it. */
#ifndef ACHAR_UNIT_HEADER_INDEX_H
#define ACHAR_UNIT_HEADER_INDEX_H

#include "kernel/unit/header_names.h"
#include "pickler/base/buffer.h"

/* Defined as the number of the #include line that comes next. */
#define HEADER_MARK "__achar_include__"

/* A mentioned name's number, doubled; odd when it is mentioned as a tag. */
struct mentions {
    uint32_t *items;
    size_t n, capacity;
};

struct header_chunk {
    size_t start, size; /* in the index's flat text */
    uint32_t include;   /* the number of the #include line it came by */
    uint32_t pack;      /* alignment of #pragma pack, 0: none */
    size_t mentions, n_mentions;
};

struct header_macro {
    char *text; /* "NAME(a, b) body"; owned */
    uint32_t name, include;
    bool pastes;        /* has ## */
    bool is_predefined; /* by the compiler: others have their own */
    size_t mentions, n_mentions;
};

struct header_index {
    struct header_names names;
    struct buffer flat;
    struct header_chunk *chunks;
    size_t n_chunks, chunks_capacity;
    struct header_macro *macros;
    size_t n_macros, macros_capacity;
    struct mentions mentions;
    bool has_user_files; /* other than those below /usr */
};

/* `text` is what header_text() gave for lines with HEADER_MARKs between them. */
void header_index_build(struct header_index *index, const char *text, size_t size);
void header_index_clear(struct header_index *index);

void header_index_mention(struct header_index *index, uint32_t name, bool is_tag);

/* Cuts index->flat into chunks; include and pack are filled by header_index_build(). */
void header_chunks_read(struct header_index *index);

/* Turns "NAME(a,b) body" as libtcc prints it back into C; owned. */
char *header_macro_text(const char *text, size_t size, bool is_named_variadic);
/* Whether the file defines `name` with a last parameter of the form `args...`, whose dots
 * libtcc does not print. `name` NULL: any macro. */
bool header_file_has_named_variadic(const char *path, const char *name, size_t size);

#endif
