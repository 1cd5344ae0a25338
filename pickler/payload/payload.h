/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload: a function, expression, variable or cell with everything it reaches, code as
 * source and state as a value graph. FORMAT.md specifies the bytes. */
#ifndef ACHAR_PAYLOAD_PAYLOAD_H
#define ACHAR_PAYLOAD_PAYLOAD_H

#include "pickler/graph/graph.h"
#include "pickler/payload/surroundings.h"
#include "pickler/type/type.h"

#define PAYLOAD_VERSION 0
#define PAYLOAD_HASH_SIZE 32

/* What a payload may hold; packing and unpacking refuse more. */
#define PAYLOAD_SIZE_MAX ((size_t)0x7fff0000) /* it travels in one frame */
#define PAYLOAD_NAMES_MAX 10000
#define PAYLOAD_DEFINITIONS_MAX 200000
#define PAYLOAD_LIBRARIES_MAX 1000

enum payload_entry {
    PAYLOAD_NONE,  /* names only: %pickle of functions and variables */
    PAYLOAD_CALL,  /* entry_text defines void achar_entry(void); the value, if value_type
                      is not void, is in the object achar_value */
    PAYLOAD_MAP,   /* entry_text defines IN *achar_in; unsigned long achar_count;
                      OUT *achar_out; void achar_entry(void); a task's argument has the root
                      achar_in, its result the root achar_out. The argument is
                      {u skip, u count, b values}: which of the elements are meant.
                      It may define void (*achar_step)(void *), *achar_ledger: unless
                      null, the one is to be called with the other after each element */
    PAYLOAD_RANGE, /* entry_text defines long achar_from, achar_to; and void
                      achar_entry(void), which writes elements [achar_from, achar_to) of
                      the arrays (or pointers) in `outs`; achar_step as above. Argument {i
                      from, u count}; result {n b values of those elements of an array, as
                      the root achar_out, n names of variables that changed elsewhere} */
};

/* A variable that comes home. */
struct payload_out {
    char *name;
    uint32_t type; /* RANGE: of an element; else 0 */
};

struct payload {
    enum payload_entry entry;
    char *entry_text;   /* NULL for PAYLOAD_NONE */
    bool returns_state; /* result values hold the variables that the run changed */
    bool needs_cc;
    bool is_heavy; /* cc is worth its time, where there is one */
    bool is_plain; /* it runs as libtcc compiles it: not even later by cc */
    char **names;  /* what was asked for: roots, in order */
    size_t n_names;
    struct definition **definitions; /* renumbered 1..n in order; owned */
    size_t n_definitions;
    struct types types;       /* ids in definitions and below are of this table */
    uint32_t value_type;      /* CALL: of the value; MAP: of an output element */
    uint32_t in_type;         /* MAP: of an input element */
    struct payload_out *outs; /* RANGE: arrays; where state is returned: only these, none
                                 means all that changed */
    size_t n_outs;
    struct surroundings surroundings; /* of its tasks */
    char **libraries;                 /* sonames to be opened first */
    size_t n_libraries;
    char *values; /* value graph of the variables in the closure; owned, unless ... */
    size_t values_size;
    void *values_owner; /* ... there is one, which is released in its way */
    void (*values_release)(void *owner);
    uint64_t *cuts; /* where large values begin and end in them, in order; may be NULL */
    size_t n_cuts;
    uint32_t cell;                 /* that the entry belongs to */
    struct allocation_site *sites; /* of the entry */
    size_t n_sites;
};

void payload_free(struct payload *payload);
DEFINE_FREEP(struct payload, payload_free)

/* A payload with the closure of `roots` (ids in `graph`; functions and variables follow
 * their name to the current version), definitions copied, renumbered, their types
 * imported. Values, entry and libraries are the caller's to fill. Fails with -EINVAL when
 * something in the closure cannot travel: a function that is declared but not defined, a
 * stale definition, two versions of one type; `err` names it and the way to it. */
int payload_new(const struct graph *graph, const struct types *types,
                const uint32_t *roots, size_t n_roots, struct payload **ret,
                struct error *err) MUST_USE;

/* As payload_new(), for a program that is linked with libraries: functions that are only
 * declared may be theirs. */
int payload_new_program(const struct graph *graph, const struct types *types,
                        const uint32_t *roots, size_t n_roots, struct payload **ret,
                        struct error *err) MUST_USE;

/* The id, among the payload's types, of a session's type: that of a value or an element.
 * Tags name the payload's definitions from then on. */
uint32_t payload_import_type(struct payload *payload, const struct graph *graph,
                             const struct types *types, uint32_t id);

void payload_add_out(struct payload *payload, const char *name, uint32_t type);
bool payload_has_variable(const struct payload *payload, const char *name);

/* Replaces the names that were asked for. */
void payload_set_names(struct payload *payload, const char *const *names, size_t n);

/* Names of the variables among the definitions, owned array of borrowed names, sorted. */
void payload_variables(const struct payload *payload, const char ***ret, size_t *ret_n);

int payload_pack(const struct payload *payload, struct buffer *out,
                 struct error *err) MUST_USE;
/* The same without values and the contents of files, which go beside it (recipe.h). */
int payload_pack_bare(const struct payload *payload, struct buffer *out,
                      struct error *err) MUST_USE;
/* Frees the values, but not what is known of them. */
void payload_drop_values(struct payload *payload);
/* Total and bounded: any bytes give a payload or -EBADMSG with a text. Runs nothing. */
int payload_unpack(const void *data, size_t size, struct payload **ret,
                   struct error *err) MUST_USE;
/* SHA-256 (in the library that signs, not in that of the workers). */
void payload_hash(const void *data, size_t size, uint8_t ret[PAYLOAD_HASH_SIZE]);

/* The C text of the whole payload as one translation unit: includes, macros, types and
 * declarations in order; then variables and functions under their public names, each with
 * #line "In[cell]" and the macro versions of its own time; then the entry, under the
 * newest macros; then, without the payload's macros, layout functions for every complete
 * record type in `layouts` (symbol ids: the index there). `layouts` is payload->types, or
 * a table that holds those of the value graph too (value_types(), then types_import()).
 */
int payload_unit(const struct payload *payload, const struct types *layouts,
                 struct buffer *out, struct error *err) MUST_USE;

/* cc may compile its functions again, while tasks run (redirect.h). */
bool payload_is_improvable(const struct payload *payload);
/* The C text for that: the functions that may have a second body, everything else that
 * they need declared only. With them the entry, with its own variables, where it is a
 * loop over elements; that of a call is new with every argument, and is left out, so that
 * the text is the same for all calls of a function. */
int payload_functions(const struct payload *payload, struct buffer *out,
                      struct error *err) MUST_USE;
bool payload_has_loop(const struct payload *payload); /* such an entry */
/* One of its functions calls itself, by whatever way. */
bool payload_is_recursive(const struct payload *payload);

/* Ids of the newest version of every macro, in order: what an entry was written under.
 * Owned. */
void payload_newest_macros(const struct payload *payload, uint32_t **ret, size_t *ret_n);

/* The definitions as an ordinary C program, then `rest` under the newest macros. With
 * places, everything stands behind its #line "In[cell]". */
void payload_program(const struct payload *payload, bool has_places, const char *rest,
                     struct buffer *out);
/* Prototypes and variables as a person would write them; constants without an
 * initialiser, which code has to set, are no longer const. */
void payload_make_program(struct payload *payload);

#endif
