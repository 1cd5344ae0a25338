/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A plan in the making, and the parts of the analysis that work on it in this order:
 * conditionals (settled), pieces (the cell cut up), sheet (laid out as ordinary C),
 * parse, diagnose, entities (definitions found in the tree), refer (what they refer to),
 * compose (the unit). */
#ifndef ACHAR_UNIT_DRAFT_H
#define ACHAR_UNIT_DRAFT_H

#include <clang-c/Index.h>

#include "kernel/cell/cell.h"
#include "kernel/plan/plan.h"
#include "kernel/unit/declaration.h"
#include "kernel/unit/headers.h"
#include "kernel/unit/library.h"
#include "kernel/unit/typing.h"
#include "pickler/graph/graph.h"
#include "pickler/graph/name_ids.h"

#define CELL_SIZE_MAX (16u << 20) /* bytes of one cell */
#define CELL_DIAGNOSTICS_MAX 40   /* reported for one cell */
#define NESTING_MAX 1500          /* levels of a tree: every compiler must survive them */

/* What stands above a definition in its cell, for inspection. Not part of the session:
 * a new analyser does without. */
struct comment {
    uint32_t definition;
    char *text; /* owned */
};

#define COMMENTS_MAX 10000

struct analysis {
    struct comment *comments; /* in order of definitions */
    size_t n_comments, comments_capacity;
    struct graph *graph;
    struct types types;
    struct headers *headers;
    struct library *library; /* headers that are not included */
    char **flags;            /* -I, -D, ... of the session */
    size_t n_flags;
    char *options; /* of what is defined from now on (cc.h); NULL: none were chosen */
    char *macros;  /* lines that make libclang's own macros that compiler's, or NULL */
    char **language_flags; /* those of the options that libclang must see */
    size_t n_language_flags;
    char **forgotten; /* -fno-builtin-... flags; owned */
    size_t n_forgotten;
    CXIndex index;
    /* Long-lived, parsed again for every sheet: without predefined macros and include
     * folders, which costs half, and with them. */
    CXTranslationUnit units[2];
    CXTranslationUnit c23_units[2]; /* the same for cells that are C23 by what they use */
    CXTranslationUnit unit;         /* borrowed: the one that was parsed last */
    struct early_parse *early;      /* parse.c; owned; NULL: none was begun yet */
    bool is_early;                  /* the unit's text came after its parse had begun */
};

/* Where a part of the text that is cut into pieces comes from. */
struct region {
    size_t start;          /* in the text; it starts a line */
    char *file;            /* a header of the user's; owned; NULL: the cell */
    uint32_t line;         /* of its first line, in the file or cell */
    uint32_t include_line; /* line of the cell that includes the file */
    bool is_conditional;   /* that line, or one on the way to it, stands in an #if */
};

/* One item of the cell, or the source of an earlier definition that is compiled again. */
struct piece {
    enum item_kind kind;
    char *text; /* owned; all offsets into a piece are into this */
    size_t size;
    uint32_t cell, line, column;
    char *file; /* of a header of the user's: line is the file's; owned; or NULL */
    uint32_t include_line; /* then: line of the cell that includes it */
    uint32_t origin;  /* id of the definition that is compiled again; 0: of the cell */
    uint32_t same_as; /* a type that is defined as it was: the definition that stays */
    size_t *forward;  /* functions defined further on that it calls: their pieces */
    size_t n_forward;
    char *before, *after; /* lines that bring macros to the origin's version and back */
    bool is_broken;       /* the origin no longer compiles */
    char *why_broken;     /* owned first message */
    struct declaration declaration;
    size_t sheet_start; /* where the text stands in the sheet */
    size_t run;         /* statements: which wrapper function they are in */
    unsigned pack;      /* #pragma pack in force, 0: none */
    bool is_ms_struct;  /* #pragma ms_struct on */
    bool is_include;    /* a directive that the prologue has taken over */
    size_t text_start;  /* of the cell's: where it stands in the draft's text */
    size_t text_size;
    bool has_lengths; /* of arrays, that only the running cell knows */
    bool is_opaque;   /* a function whose body is C that only gcc reads */
    char *prototypes; /* owned print of those that a macro makes, or NULL */
};

enum entity_role {
    ENTITY_INCLUDE,
    ENTITY_PRAGMA,
    ENTITY_MACRO,
    ENTITY_TYPE,
    ENTITY_PROTOTYPE, /* a function that is declared only */
    ENTITY_EXTERN,    /* a variable that is declared only */
    ENTITY_VARIABLE,
    ENTITY_FUNCTION,
    ENTITY_STALE, /* an earlier definition that could not follow a change */
};

/* A change of a piece's text. */
struct edit {
    size_t start, size; /* what is replaced, in the piece */
    char *text;         /* by what; owned */
};

struct entity {
    enum entity_role role;
    struct definition *definition; /* owned */
    size_t piece;
    /* The text it is cut from: the piece's, or libclang's print of what a macro made. */
    const char *text;
    const struct declaration *declaration;
    const struct declarator *declarator; /* NULL for types */
    char *printed;                       /* owned; NULL when the piece's text serves */
    struct declaration printed_declaration;
    CXCursor cursor;
    bool is_early; /* an include, or a macro in front of one: numbered before all else */
    bool is_dynamic;    /* its initialiser must run */
    char *type_text;    /* T in __typeof__(T) name; owned */
    char *initialiser;  /* owned C text, NULL when there is none */
    char *symbol;       /* "f__achar12"; owned, NULL: it has none */
    struct edit *edits; /* functions: static locals moved out */
    size_t n_edits, edits_capacity;
    const struct entity *owner; /* hoisted static locals: the function they were in */
    size_t index;               /* in the draft */
};

/* Which entities have a name (names.c). {0} is empty. */
struct entity_names {
    struct name_ids last; /* of a name: where its newest item stands, + 1 */
    struct entity_name {
        struct entity *entity;
        uint32_t earlier; /* of the same name: + 1; 0: none */
    } *items;
    size_t n, capacity;
};

/* A definition whose later version is not compatible. */
struct change {
    uint32_t id;
    size_t piece; /* what depends on it follows this piece */
};

/* Macros of the cell that stand for `static` (storage.c). */
struct storage_macros {
    struct storage_macro {
        char *name, *body; /* owned */
    } *items;
    size_t n, capacity;
};

struct draft {
    struct analysis *analysis;
    uint32_t cell;
    int mode;           /* enum plan_mode */
    const char *source; /* as typed */
    size_t size;
    struct buffer text; /* with headers of the user's put in */
    struct region *regions;
    size_t n_regions, regions_capacity, n_headers;
    bool keeps_includes; /* no header is put in */
    struct piece *pieces;
    size_t n_pieces, pieces_capacity;
    char **hidden; /* names that the prologue must not declare */
    size_t n_hidden, hidden_capacity;
    struct name_ids is_hidden; /* 1: the name is among them */
    char **uses; /* taken from `hidden`: macros that the cell uses, as it seems */
    size_t n_uses;
    bool has_tried_uses;
    bool is_full; /* the prologue is the real #include lines */
    struct buffer prologue, sheet;
    size_t items_start; /* offset of the first piece's wrapping in the sheet */
    size_t n_wrappers;
    struct change *changes; /* earlier definitions that the cell makes obsolete */
    size_t n_changes, changes_capacity;
    uint32_t *stale; /* ids of those that could not follow */
    size_t n_stale, stale_capacity;
    uint32_t *used; /* session definitions that the prologue declares */
    size_t n_used;
    struct entity **entities; /* owned, each at a place that stays */
    size_t n_entities, entities_capacity;
    struct entity_names names;
    struct storage_macros storage;
    size_t counted_to; /* lines were counted up to this offset of the text */
    uint32_t counted_line;
    uint32_t first_id, next_id;
    struct diagnostic *diagnostics;
    size_t n_diagnostics, diagnostics_capacity;
    bool has_errors;
    size_t
        *dynamic_offsets; /* in the sheet: where clang met initialisers that must run */
    size_t n_dynamic, dynamic_capacity;
    CXCursor *runs; /* the functions round statements, by number */
    CXCursor value; /* the value's expression in its parentheses */
    size_t value_piece;
    bool has_value;
    bool joins_runs; /* a goto leads from one run of statements to another */
    size_t n_length_errors;
    /* The -std= word of C23 that definitions of the prologue were written in, when the
     * cell is read as C23 for their sake; owned; NULL: it is not. */
    char *standard;
    bool has_new_opaque; /* the last parse has found opaque pieces */
    struct plan *plan;
};

/* splice.c */
void splice(struct draft *draft); /* fills draft->text */
const struct region *region_at(const struct draft *draft, size_t offset);
void splice_clear(struct draft *draft);

/* conditionals.c */
/* Blanks what branches of #if leave out. Mistakes in conditions are reported when the
 * text is the draft's. */
int conditionals_settle(struct draft *draft, char *text, size_t size,
                        struct error *err) MUST_USE;

/* pieces.c */
bool pieces_cut(struct draft *draft); /* false: diagnostics say why */
void pieces_find_directives(struct draft *draft);
void pieces_clear(struct draft *draft);
struct piece *piece_add(struct draft *draft, enum item_kind kind, const char *text,
                        size_t size);
struct typing draft_typing(struct draft *draft);
bool piece_is_directive(const struct piece *piece, const char *word);
/* Of #define and #undef. */
struct span piece_macro_name(const struct piece *piece);
void draft_hide(struct draft *draft, const char *name);
bool draft_hides(const struct draft *draft, const char *name);
/* `COUNTER(x)` at file scope reads like a function named COUNTER: what is a macro comes
 * back into sight. False when there is no such name, or they were tried before. */
bool draft_use_macros(struct draft *draft);
/* Hides them again: they are defined anew, after all. */
void draft_drop_uses(struct draft *draft);
struct cell_names draft_names(struct analysis *analysis);

/* storage.c */
/* Before a declaration is read: "local int f;" becomes "static int f;", when `local` is a
 * macro that says so. Pieces are shown in the order of the cell, directives too. */
void storage_spell_out(struct draft *draft, struct piece *piece);
void storage_clear(struct draft *draft);

/* pushed.c */
void pieces_pop_macros(struct draft *draft);

/* builtins.c */
/* After a parse: true when there are new names that libclang will not know by itself. */
bool builtins_give_way(struct draft *draft);
void builtins_clear(struct analysis *analysis);

/* forward.c */
/* After a parse: calls of functions that the cell defines further on get a prototype.
 * True when there is a new one. */
bool forward_declare(struct draft *draft);
/* The same for what is compiled again and did not compile for that reason. */
bool forward_declare_again(struct draft *draft);
/* The prototypes before a piece; with `static` where the definition has it, or without.
 */
void forward_text(const struct draft *draft, const struct piece *piece, bool with_static,
                  struct buffer *out);

/* dependents.c */
/* Finds types that the cell changes, and adds what must be compiled again. */
void dependents_add(struct draft *draft);
/* After a parse: variables and functions with another type than before. True when there
 * is more to compile again, which has been added. */
bool dependents_grow(struct draft *draft);
/* Takes out those that do not compile; true when there were any. */
bool dependents_drop_broken(struct draft *draft);
/* Definitions that could not follow: copies that say so, and warnings. */
void dependents_report(struct draft *draft);
/* New code must not use stale definitions. */
void dependents_hide_stale(struct draft *draft);

/* includes.c */
int includes_index(struct draft *draft, struct error *err) MUST_USE;
void includes_report(struct draft *draft, const struct error *why);

/* inspect.c */
void comments_keep(struct draft *draft);        /* of a plan's definitions */
void comments_prune(struct analysis *analysis); /* those of definitions that are gone */
void comments_clear(struct analysis *analysis);

/* parse.c */
/* With the real #include lines in the text it is_full. */
int analysis_parse(struct analysis *analysis, const char *text, size_t size, bool is_full,
                   struct error *err) MUST_USE;
/* The same, read as C23 whatever was chosen. */
int analysis_parse_c23(struct analysis *analysis, const char *text, size_t size,
                       bool is_full, struct error *err) MUST_USE;
void analysis_forget_units(struct analysis *analysis);
/* Before a unit is used otherwise than by analysis_parse(): ends what waits for a text.
 */
void analysis_drop_early(struct analysis *analysis);
void analysis_forget_early(struct analysis *analysis);
/* Tells the header index of flags, also those among the options. */
void analysis_index_flags(struct analysis *analysis);
const char *analysis_sheet_file(void);
/* The same, or what it includes where the parse was begun before the text was there. */
bool analysis_is_sheet_file(const char *name);
size_t location_offset(CXSourceLocation location); /* SIZE_MAX: not in the sheet */
size_t
cursor_offset(CXCursor cursor); /* of its name; SIZE_MAX when it is not in the sheet */
bool cursor_extent(CXCursor cursor, size_t *ret_start, size_t *ret_end);
char *cursor_name(CXCursor cursor) MUST_USE;

/* diagnose.c */
#define DYNAMIC_INITIALISER "initializer element is not a compile-time constant"
void diagnose(struct draft *draft);
struct diagnostic *diagnostic_add(struct draft *draft, enum severity severity,
                                  uint32_t cell, uint32_t line, uint32_t column,
                                  const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* At an offset of a piece. */
void diagnostic_in_piece(struct draft *draft, enum severity severity,
                         const struct piece *piece, size_t offset, const char *format,
                         ...) __attribute__((format(printf, 5, 6)));
/* At an offset of the draft's text. */
void diagnostic_in_text(struct draft *draft, enum severity severity, size_t offset,
                        const char *message);
/* Adds the source lines, and brings places behind the cell's end back into it. */
void diagnostics_finish(struct draft *draft);
void diagnostics_clear(struct draft *draft);

/* entities.c */
void entities_from_directives(
    struct draft *draft); /* before the parse: includes, macros */
void entities_from_tree(struct draft *draft);
/* "#line 3 "In[2]"" and a newline. */
void piece_line(struct buffer *out, const struct piece *piece, uint32_t line);
struct entity *entity_find(const struct draft *draft, const char *name);
void piece_place(const struct piece *piece, size_t offset, uint32_t *ret_line,
                 uint32_t *ret_column);

/* source.c */
void entity_source(struct draft *draft, struct entity *entity); /* type, source, ... */
/* Its definition under another name: "int f__achar3(int a) { ... }". */
char *entity_defined_as(const struct entity *entity, const char *name) MUST_USE;
/* The text of the types that a declaration defines. */
char *type_source(const struct piece *piece) MUST_USE;
/* What declares one declarator only, without its initialiser: "int *p;". */
void declarator_text(const char *text, const struct declaration *declaration,
                     const struct declarator *declarator, struct buffer *out);

/* edit.c */
void edit_add(struct edit **edits, size_t *n, size_t *capacity, size_t start, size_t size,
              const char *text);
/* text[start, start + size) with those edits that lie in it, in any order, not
 * overlapping. */
void edits_apply(const char *text, size_t start, size_t size, const struct edit *edits,
                 size_t n, struct buffer *out);

/* statics.c */
void hoist_statics(struct draft *draft, struct entity *function);
void entities_clear(struct draft *draft);
struct entity *entity_add(struct draft *draft, enum entity_role role,
                          enum definition_kind kind, size_t piece, const char *name);
/* Another name of what an entity defines; once. */
void entity_add_name(struct draft *draft, struct entity *entity, const char *name);

/* names.c */
void entity_names_add(struct entity_names *names, const char *name,
                      struct entity *entity);
void entity_names_clear(struct entity_names *names);
/* The definition that a name means at the end of this cell, macros: at a piece of it;
 * 0: none of the session. */
uint32_t draft_resolve(const struct draft *draft, const char *name, size_t piece);

/* refer.c */
void refer(struct draft *draft);

/* options.c */
bool options_are_c23(const char *options);
/* After a parse: the prologue has errors because it holds C23 and the cell is not. True
 * when that is new: the cell is C23 from now on. */
bool options_take_c23(struct draft *draft);
bool options_need_cc(const char *options);
void options_settle(struct draft *draft); /* of plan and definitions; after scan() */
void options_clear(struct analysis *analysis);

/* literals.c */
/* A statement, which stands below the cursor in the tree, or an initialiser, with storage
 * that stays for compound literals; owned. */
char *literals_kept(struct draft *draft, const struct piece *piece,
                    CXCursor cursor) MUST_USE;
char *literals_kept_in_text(const char *text) MUST_USE;

/* lengths.c */
#define LENGTH_ERROR                                                                     \
    "the length of an array is known only when the cell runs, which is too late here"
/* What must be known before the cell can be compiled, into the plan; only when nothing
 * else is wrong with the cell. */
void lengths_find(struct draft *draft);

/* loops.c */
void find_heavy(struct draft *draft); /* plan->is_heavy */

/* miscompiled.c */
/* Why libtcc would get what stands at the cursor silently wrong; NULL: it does not. */
const char *miscompiled_reason(CXCursor cursor, CXCursor parent);
bool has_float_parameter(CXCursor function);
/* Bit-fields in what is packed by an attribute, or by a pragma, as is_packed says: the
 * compilers lay them out differently. */
bool has_packed_bit_fields(CXCursor record, bool is_packed);

/* scan.c */
void scan(struct draft *draft); /* plan->cc_reason and needs_cc of definitions */

/* compose.c */
void compose(struct draft *draft);

#endif
