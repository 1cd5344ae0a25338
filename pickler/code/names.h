/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The public names of a process that runs cells, and the images behind them. A function's
 * address is its trampoline, which jumps to the newest body of its type; a variable's is
 * its storage. Both stay while the type stays. So redefinition reaches earlier callers
 * and stored pointers, and all names of a unit change together or not at all. */
#ifndef ACHAR_CODE_NAMES_H
#define ACHAR_CODE_NAMES_H

#include "pickler/code/lines.h"

#define NAMES_MAX ((size_t)1 << 18)

enum name_kind {
    NAME_FUNCTION,
    NAME_VARIABLE,
    NAME_DECLARED, /* a function without a body: calling it calls `undefined` */
    NAME_THREAD, /* a thread-local variable; no binding says so: the unit's symbol does */
    NAME_STALE,  /* of bindings only: calling the function calls `undefined` with "!" and
                    the binding's symbol, until it is bound again */
};

/* How a unit's symbol becomes a name. When `symbol` is the name itself (code of a
 * payload, which refers to its own functions directly) a function gets no trampoline. */
struct name_binding {
    enum name_kind kind;
    const char *name, *symbol; /* symbol NULL for NAME_DECLARED */
    uint32_t type;
    /* It goes on: a variable keeps what it holds while its type stays; a function keeps
     * its trampoline although its type is another one, of the same words. */
    bool is_carried;
    uint32_t version; /* which definition of the name it is; 0: not known */
    bool is_weak;     /* only when the name means nothing so far */
};

struct name {
    char *text;
    enum name_kind kind;
    char *trampoline; /* NULL while it never was a function */
    char *body;       /* what it jumps to: `bound`, or an optimised one (swap.h) */
    char *bound;      /* the body that its definition came with */
    char *storage;    /* of a variable */
    struct thread_index thread; /* of a thread-local variable */
    uint64_t size;
    uint32_t type, version;
};

struct unit_site { /* memory allocated on this line is of this element type */
    uint32_t cell, line, type;
};

struct unit { /* a loaded image with its line table */
    struct image *image;
    struct lines lines;
    struct unit_site *sites; /* added by who knows them */
    size_t n_sites, sites_capacity;
    bool is_gone; /* it is about to be freed */
};

struct swapped; /* swap.h */

/* Memory of the arena that belongs to no unit and no longer to a name, but to which
 * something may lead. */
struct left_memory {
    enum arena_part part;
    char *start;
    size_t size;
};

struct library_symbol {
    char *address;
    char *name;
};

/* A library's thread-local variable. */
struct library_thread {
    char *name;
    struct thread_index index;
};

struct names_hooks {
    /* What stands in for a library's function ("exit"), NULL: nothing. */
    void *(*replacement)(const char *name);
    /* Called by cell code that calls a function without a body; does not return. */
    void (*undefined)(const char *name);
};

struct names {
    struct arena *arena;
    struct names_hooks hooks;
    char *trampolines, *slots; /* NAMES_MAX of each */
    size_t n_trampolines;
    struct name **owners; /* of each trampoline; NULL: what had it has another one now */
    uint32_t *free_trampolines; /* numbers below n_trampolines that nothing leads to */
    size_t n_free_trampolines, free_trampolines_capacity;
    struct left_memory *left; /* collect.h gives it back */
    size_t n_left, left_capacity;
    struct name **all;
    size_t n, capacity;
    uint32_t *index; /* hash table: position in `all` + 1 */
    size_t index_size;
    struct name **variables; /* sorted by storage */
    size_t n_variables, variables_capacity;
    struct unit **by_code, **by_data; /* sorted by address */
    size_t n_units, by_code_capacity, by_data_capacity;
    struct library_symbol *library; /* every one that code refers to, sorted by address */
    size_t n_library, library_capacity;
    void **files; /* libraries opened by their path, in order: of dlopen() */
    size_t n_files, files_capacity;
    struct library_thread **library_threads; /* each at a place that stays */
    size_t n_library_threads, library_threads_capacity;
    struct swapped **swapped; /* optimised units in use */
    size_t n_swapped, swapped_capacity;
    size_t n_in_images; /* variables whose storage is part of their unit */
    size_t collect_at;  /* number of units at which unneeded ones are looked for */
};

int names_init(struct names *names, struct arena *arena, const struct names_hooks *hooks,
               struct error *err) MUST_USE;
void names_clear(struct names *names);

/* Opens a library ("libz.so.1" or a path) for all code, also that which is there: its
 * functions are called from now on. NULL, or why not (borrowed, of dlerror()). */
const char *names_open_library(struct names *names, const char *file) MUST_USE;

/* Loads an object and binds its symbols; initialisers are the caller's to run. Errors as
 * image_open() and image_relocate(), and -EINVAL for a symbol that the unit lacks. The
 * unit is borrowed. */
int names_load(struct names *names, const void *object, size_t size,
               const struct name_binding *bindings, size_t n, struct unit **ret,
               struct error *err) MUST_USE;

/* The name is no longer anything: a variable's storage is given back, a function's
 * callers call `undefined`. A later function of the same type is again where callers
 * look. */
void names_forget(struct names *names, const char *text);

/* For files of this folder: a relocated image becomes a unit (takes it); where a name's
 * trampoline jumps to. */
struct unit *names_keep(struct names *names, struct image *image);
void names_set_body(const struct names *names, struct name *name, char *body);

void unit_add_site(struct unit *unit, uint32_t cell, uint32_t line, uint32_t type);
/* The element type of what the call before `return_address` allocates, 0: not known. */
uint32_t names_site_type(const struct names *names, const void *return_address);

const struct name *names_find(const struct names *names, const char *text);
/* The type that was added for this site (a cell's line or another mark) of the unit that
 * the call is in, else of any: code that was compiled again may have none; 0: none. */
uint32_t names_marked_type(const struct names *names, const void *return_address,
                           uint32_t mark);
/* The address that code refers to a name by: of the session, a replacement, a library. */
void *names_resolve(struct names *names, const char *text);
/* Declared functions that a library opened meanwhile defines are bound to it. */
void names_rebind(struct names *names);

/* The rest allocates nothing and may be asked by a signal handler. */

/* Name of the function at exactly this address; NULL: none. */
const char *names_function(const struct names *names, const void *address,
                           bool *ret_is_library);
/* The variable that an address lies in, or (failing that) ends at. */
const struct name *names_variable(const struct names *names, const void *address);
/* Constant data without a name (a string literal) around an address. */
bool names_literal(const struct names *names, const void *address, char **ret_start,
                   size_t *ret_size);
/* The unit whose code an address is in; NULL. */
const struct unit *names_unit(const struct names *names, const void *address);
/* The function an address is in, without the suffix of its version; false: none. */
bool names_code(const struct names *names, const void *address, char *text, size_t size);
void names_plain(const char *symbol, char *text, size_t size); /* the same of any name */
/* The library function that the call before `return_address` called; NULL: not known. */
const char *names_called(const struct names *names, const char *return_address);

#endif
