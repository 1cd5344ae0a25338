/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The value graph: what variables hold and everything their pointers reach, as bytes, and
 * back. Runs in the process that holds the values. Bytes are deterministic: the same
 * state gives the same bytes, in any process (FORMAT.md, "values"). */
#ifndef ACHAR_VALUE_VALUE_H
#define ACHAR_VALUE_VALUE_H

#include <sys/uio.h>

#include "pickler/type/type.h"

/* A block of the heap. */
struct value_block {
    char *start;
    size_t size;
    bool is_freed; /* it was freed and the range has not been reused */
    uint32_t type; /* element type of its allocation site, 0: unknown */
};

struct value_variable {
    const char *name; /* borrowed */
    char *start;
    size_t size;
    uint32_t type;
    bool is_literal; /* a string literal or other constant data of the code: by value */
    bool is_text;    /* and known up to its '\0' only: for pointers to characters */
};

/* What dump and load ask of the process they run in. Callbacks get `context`. */
struct value_world {
    struct types *types; /* with layouts */
    /* A load that fails is the end of the process: large values need not be built beside
     * the variables that get them. */
    bool is_disposable;
    void *context;
    bool (*find_block)(void *context, const void *address, struct value_block *ret);
    bool (*find_variable)(void *context, const void *address, struct value_variable *ret);
    /* Name of the cell function or library symbol at this exact address, borrowed, or
     * NULL. */
    const char *(*find_function)(void *context, const void *address,
                                 bool *ret_is_library);
    bool (*is_stack)(void *context, const void *address);
    /* The way back. `variable` yields false for an unknown name. */
    bool (*variable)(void *context, const char *name, struct value_variable *ret);
    void *(*function)(void *context, const char *name, bool is_library);
    /* As malloc, remembering the element type; NULL when there is no memory. */
    void *(*allocate)(void *context, size_t size, uint32_t type);
    void (*release)(void *context, void *block);
    /* "SIGINT": a long dump or load asks now and then; NULL: never stop. */
    bool (*should_stop)(void *context);
};

struct value_root {
    const char *name; /* the variable's, and the start of access paths */
    void *address;
    uint32_t type;  /* of one element */
    uint64_t count; /* 1, or the number of elements of an array */
};

/* Why something cannot travel; all are found, not the first only. */
struct value_blocker {
    char *path;   /* "f -> cfg.log[3]" style: "cfg.log[3]" here */
    char *reason; /* "points to freed memory", "has type 'FILE *', which is open ..." */
    char *hint;   /* what to do, or NULL */
};

struct value_dump {
    struct buffer bytes;
    char **functions; /* cell functions met in values, sorted, unique */
    size_t n_functions;
    char **variables; /* variables met that were not roots: they are in the bytes too */
    size_t n_variables;
    struct value_blocker *blockers; /* when there are any, bytes is empty */
    size_t n_blockers, n_blockers_capacity;
    /* Offsets in `bytes`, in order: where the content begins, where it ends, and between
     * them where blocks of at least VALUE_CUT_MIN bytes begin and end. A block that has
     * not changed is the same bytes there, whatever stands around it. */
    uint64_t *cuts;
    size_t n_cuts, cuts_capacity;
    /* Of value_dump_shared(): what stands in the values' own memory, in order. `size`
     * bytes from there belong before byte `at` of `bytes`; cuts count them too. */
    struct value_share {
        size_t at;
        const char *from;
        size_t size;
    } *shares;
    size_t n_shares, shares_capacity;
    size_t size; /* of `bytes` and shares */
};

#define VALUE_CUT_MIN ((uint64_t)256 << 10)

#define VALUE_BLOCKERS_MAX 20 /* reported at most */

void value_dump_clear(struct value_dump *dump);

/* A blocker is not an error: the call succeeds and ret->n_blockers > 0. */
int value_dump(const struct value_world *world, const struct value_root *roots,
               size_t n_roots, struct value_dump *ret, struct error *err) MUST_USE;

/* As value_dump(), but large runs of numbers are not copied: they are in their variables,
 * which must not change before they are used. */
int value_dump_shared(const struct value_world *world, const struct value_root *roots,
                      size_t n_roots, struct value_dump *ret, struct error *err) MUST_USE;

/* All of it in order, owned array; *ret_n parts. */
struct iovec *value_dump_parts(const struct value_dump *dump, size_t *ret_n) MUST_USE;

/* Reads the types of a value graph into *ret, which it initialises, without loading it
 * (layout functions are made from these before anything is loaded). */
int value_types(const void *data, size_t size, struct types *ret,
                struct error *err) MUST_USE;

/* Names, types and counts of the roots; owned array with owned names. Types refer to the
 * table of value_types(). */
struct value_root_info {
    char *name;
    uint32_t type;
    uint64_t count, bytes; /* bytes: encoded size of what it adds */
};
int value_roots(const void *data, size_t size, struct value_root_info **ret,
                size_t *ret_n, struct error *err) MUST_USE;
void value_roots_free(struct value_root_info *roots, size_t n);

/* Loads into the variables named by the roots; `at` (if not NULL) is the place of the
 * only root instead. Nothing is changed when it fails: everything is checked and every
 * block built first. -EBADMSG: not a value graph; -EINVAL: it does not fit (`err` names
 * the path). */
int value_load(const struct value_world *world, const void *data, size_t size,
               const struct value_root *at, struct error *err) MUST_USE;

#endif
