/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the analyser makes of a cell, and all that a worker needs to run it: the
 * definitions, one translation unit, how its symbols are bound, what runs in which order,
 * and the type of the value. Plain data; it travels analyser -> front -> worker.
 *
 * Symbols of a unit. A cell function f with definition id 12 is compiled as f__achar12;
 * every mention of f, in its own body too, is an undefined symbol that the loader
 * resolves to f's trampoline. A variable likewise: x__achar12 is the initialised image,
 * x the storage that keeps its address as long as its type stays. */
#ifndef ACHAR_PLAN_PLAN_H
#define ACHAR_PLAN_PLAN_H

#include "pickler/graph/definition.h"
#include "pickler/type/type.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

struct diagnostic {
    enum severity severity;
    uint32_t cell;         /* 0: not in a cell */
    char *file;            /* where it is not in a cell: a header; else NULL */
    uint32_t line, column; /* 1-based; columns count bytes; 0 when unknown */
    uint32_t end_column; /* of the marked range on that line, exclusive; 0: one column */
    char *message;
    char *line_text; /* the source line without its newline; NULL when unknown */
    char *fixit;     /* text to be inserted or put in the place of the range; or NULL */
};

enum binding_kind {
    BINDING_FUNCTION, /* `name`'s trampoline jumps to `symbol` from now on */
    BINDING_VARIABLE, /* `symbol` is the initial image of `name` */
    BINDING_DECLARED, /* a function that is only declared: calls of it are an error */
    BINDING_EXTERN,   /* a variable that is only declared: `symbol` is what it is while
                         neither the session nor a library defines it */
    BINDING_STALE, /* a function that could not follow a change: calls of it are an error,
                      and `symbol` says which */
};

struct binding {
    enum binding_kind kind;
    char *name, *symbol; /* symbol NULL for BINDING_DECLARED */
    uint32_t type, definition;
    /* What the name held before goes on: a variable of a type that has changed keeps what
     * the new type still has; stored pointers to a function call the new one although its
     * type, spelled as before, is another. */
    bool is_carried;
};

/* A length of an array that only the running cell knows: "n + 1" in "int a[n + 1];". */
struct plan_length {
    size_t start, size; /* of the expression in the cell's text */
};

struct plan {
    uint32_t cell;
    uint32_t line; /* of the cell where its text starts; set by the session */
    struct diagnostic *diagnostics;
    size_t n_diagnostics;
    bool has_errors; /* then nothing below is filled */
    /* Nothing else is wrong with the cell: once these lengths have been put in the place
     * of their expressions it can be planned. They are those of one declaration, which
     * starts at `lengths_start` of the text. */
    struct plan_length *lengths;
    size_t n_lengths, lengths_start;
    struct definition *
        *definitions; /* new ones and recompiled dependents, in order of id */
    size_t n_definitions;
    size_t types_from; /* the session table's length before this cell ... */
    char *types;       /* ... and types_pack() of what the cell appends */
    size_t types_size;
    char *text;      /* the translation unit, NULL when there is nothing to compile */
    char *cc_reason; /* why libtcc must not compile it ("_Complex"), NULL: it may */
    char *options;   /* for cc: the options of all that is compiled; NULL: as usual */
    struct binding *bindings;
    size_t n_bindings;
    uint32_t *layouts; /* session type ids whose layout functions are in the unit */
    size_t n_layouts;
    char **runs; /* void (*)(void) symbols, to be called in this order */
    size_t n_runs;
    /* The value of the last expression: it is in the unit's object `value_symbol` after
     * the last run, and has type `value_type`. NULL when the cell has no value. */
    char *value_symbol;
    uint32_t value_type;
    char *main_symbol; /* the cell defines main: called after the runs; else NULL */
    bool main_has_arguments;
    bool is_heavy;    /* statements or main() nest loops: cc is worth its time */
    char **arguments; /* of main, behind its name; set by the session */
    size_t n_arguments;
    struct allocation_site *sites; /* of the cell's statements */
    size_t n_sites;
    uint32_t *refs; /* ids that the statements and the value refer to (%call's roots) */
    size_t n_refs;
    /* The statements under public names, for a payload: void achar_entry(void) { ... }
     * and the object achar_value; needs the closure of `refs` and `definitions`. */
    char *entry_text;
    /* The same for people, as lines of a function's body: no #line, the value is not
     * kept, macros are redefined where the cell does. NULL for PLAN_EXPRESSION. */
    char *body_text;
};

void diagnostic_clear(struct diagnostic *diagnostic);
void plan_free(struct plan *plan);
DEFINE_FREEP(struct plan, plan_free)

/* Its text can be handed to libtcc where the session's folder is not known: it includes
 * nothing, and cc would not be asked first. */
bool plan_suits_tcc(const struct plan *plan);

void plan_pack(const struct plan *plan, struct buffer *out);
/* What ANALYSER_DEFINE carries when the plan becomes part of a session: its types and
 * definitions, no forgotten names. */
void plan_pack_definitions(const struct plan *plan, struct buffer *out);
int plan_unpack(struct unpack *in, struct plan **ret, struct error *err) MUST_USE;

#endif
