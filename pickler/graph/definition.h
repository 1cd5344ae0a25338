/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One top-level definition of the session: a node of the definition graph. Its id is its
 * version: a redefinition is a new node with a new id and the same name. */
#ifndef ACHAR_GRAPH_DEFINITION_H
#define ACHAR_GRAPH_DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/pack.h"

#define DEFINITION_HASH_SIZE 32

enum definition_kind {
    DEFINITION_INCLUDE, /* name "<math.h>" or "\"mine.h\""; source the directive's line */
    DEFINITION_MACRO,   /* name; source "#define NAME(args) body" or "#undef NAME" */
    DEFINITION_PRAGMA,  /* source the line */
    DEFINITION_TYPE,    /* tag, enum or typedef */
    DEFINITION_VARIABLE,
    DEFINITION_FUNCTION, /* source NULL: only declared so far */
    DEFINITION_LINK,     /* name: what the loader is asked to open, such as "libz.so.1" */
    DEFINITION_KIND_COUNT
};

/* Where a definition allocates memory and of what: `line` is the cell's line of the call,
 * `type` the element type that the pointer there is given. Two sites of different types
 * on one line are both left out. */
struct allocation_site {
    uint32_t line, type;
};

/* display(text) on a line is a site too: of what is shown there. The `line` that it has,
 * above all real ones; blanks in the text do not matter. */
uint32_t display_site(uint32_t line, const char *text);
bool display_site_is(uint32_t line);

struct definition {
    uint32_t id; /* > 0, unique in the session, grows with time */
    enum definition_kind kind;
    char *name; /* "f", "counter", "SQUARE", "struct point", "point_t", "<math.h>" */
    /* Every other name that becomes visible: tags as "struct x", enumerators. */
    char **names;
    size_t n_names;
    /* C text at file scope under the public name, static and inline stripped, static
     * locals hoisted into variables of their own, dynamic initialisers dropped. */
    char *source;
    /* What others need to use it: prototype, extern declaration; NULL: the source. */
    char *declaration;
    uint32_t cell, line, column; /* where the name stands, or its file is included */
    char *file;         /* owned; where it stands instead, without folders; or NULL */
    uint32_t file_line; /* there */
    uint32_t type;  /* variables and functions: type id of the session table */
    bool needs_cc;  /* libtcc must not compile what touches it */
    bool is_heavy;  /* its loops are worth the time that cc takes to compile it */
    bool is_opaque; /* its body is C of gcc only, and was not read: it cannot be sent */
    /* How it is compiled where that was chosen, "gcc -std=gnu23 -O3" (cc.h); or NULL. */
    char *options;
    bool is_local_static; /* a hoisted static local; name "f.n" is shown as such */
    bool is_stale;        /* depends on something redefined and could not follow */
    uint32_t *refs;       /* ids it refers to, sorted, unique, without itself */
    size_t n_refs;
    struct allocation_site *sites;
    size_t n_sites;
    uint8_t hash[DEFINITION_HASH_SIZE]; /* set by graph_add() */
};

void definition_free(struct definition *definition);
DEFINE_FREEP(struct definition, definition_free)

/* A variable of which every thread has its own copy. */
bool definition_is_thread_local(const struct definition *definition);

/* A constexpr object: what declares it defines it, for each unit anew. */
bool definition_is_constant(const struct definition *definition);

/* A function that may be compiled a second time, to take the place of its first body. */
bool definition_is_copyable(const struct definition *definition);
/* Its references do not tell. */
bool definition_mentions_itself(const struct definition *function);

/* Of a macro: what stands behind #define, "MAX(a, b) ..."; NULL when it is undefined. */
const char *definition_macro_text(const struct definition *definition);

/* Where its text starts in the cell, from where the name in the text stands; `indent` is
 * the columns before it. Without a name in the text: the definition's own line. */
void definition_start(const struct definition *definition, const char *text, size_t size,
                      uint32_t *ret_line, uint32_t *ret_indent);

void definition_add_name(struct definition *definition, const char *name);
void definition_add_ref(struct definition *definition,
                        uint32_t id); /* keeps them sorted */

/* The hash is not packed: the reader computes it. */
void definition_pack(const struct definition *definition, struct buffer *out);
int definition_unpack(struct unpack *in, struct definition **ret,
                      struct error *err) MUST_USE;

const char *definition_kind_name(enum definition_kind kind); /* "function", ... */

/* Owned, with the id of the original and without its hash. */
struct definition *definition_copy(const struct definition *definition);

#endif
