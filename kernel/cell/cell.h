/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell's text cut into top-level items by its tokens, with the help of names: which
 * identifiers are types and which are macros. */
#ifndef ACHAR_CELL_CELL_H
#define ACHAR_CELL_CELL_H

#include "pickler/base/lex.h"
#include "pickler/base/memory.h"

enum item_kind {
    ITEM_DIRECTIVE,   /* #include, #define, #if ... to the end of its logical line */
    ITEM_DECLARATION, /* ends with ; (prototypes, types, variables, _Static_assert) */
    ITEM_FUNCTION,    /* a definition with a body */
    ITEM_STATEMENT,   /* expression statements too */
    ITEM_VALUE,       /* a last expression without ; */
};

struct item {
    enum item_kind kind;
    size_t start, size; /* bytes of the cell */
    uint32_t line, column;
};

/* What is known about identifiers outside the cell; either may be NULL. */
struct cell_names {
    bool (*is_type)(void *context, const char *name, size_t size);
    /* The macro's definition without "#define " ("MAX(a, b) ..."), or NULL. */
    const char *(*macro)(void *context, const char *name, size_t size);
    /* Anything at all that C text may mention: for `!word`. */
    bool (*is_visible)(void *context, const char *name, size_t size);
    void *context;
};

enum cell_status { CELL_COMPLETE, CELL_INCOMPLETE, CELL_INVALID };

struct cell {
    struct item *items;
    size_t n_items;
    enum cell_status status;
    char *problem; /* why incomplete or invalid: "'{' is not closed"; owned */
    uint32_t problem_line, problem_column;
};

/* Cuts everything it can; status says whether the text is whole. Branches of #if that are
 * left out must be blanks already: only that each #if has its #endif is looked at. */
void cell_split(const char *text, size_t size, const struct cell_names *names,
                struct cell *ret);
void cell_clear(struct cell *cell);

/* Status for is_complete_request, and the indent of the next line (owned): stricter than
 * cell_split() about trailing operators and the like. */
enum cell_status cell_is_complete(const char *text, size_t size,
                                  const struct cell_names *names, char **ret_indent);

struct cell_segment {
    int kind; /* enum segment_kind of kernel/peer/protocol.h */
    uint32_t line, column;
    size_t start, size;
};

/* A line comment that starts with it and goes on with `%name` or `%%name` is that magic,
 * where a statement may start: to other tools the cell is C. */
#define MAGIC_MARK "//achar:"

/* Cuts a cell into C and magics. `%name` and `!` count only at the start of a line where
 * a statement may start; `%name` only when `name` looks like a magic: it is in `magics`,
 * or it cannot be C there (so a mistyped magic is reported as one). `!word` is C when
 * `word` is visible. Owned array. */
void cell_segments(const char *text, size_t size, const struct cell_names *names,
                   const char *const *magics, size_t n_magics, struct cell_segment **ret,
                   size_t *ret_n);

#endif
