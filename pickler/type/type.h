/* SPDX-License-Identifier: BSD-3-Clause
 *
 * C types as data: what a value is made of. A `struct types` is an append-only table, a
 * type's id is its index, and id 0 is void. The analyser fills one from libclang; the
 * session, the workers and payloads hold copies. Sizes and offsets are *not* taken from
 * libclang: they are asked of the compiler that compiles the definitions (layout.h). */
#ifndef ACHAR_TYPE_TYPE_H
#define ACHAR_TYPE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/pack.h"

enum type_kind {
    TYPE_VOID,
    TYPE_BOOL,
    TYPE_CHAR, /* plain char */
    TYPE_SCHAR,
    TYPE_UCHAR,
    TYPE_SHORT,
    TYPE_USHORT,
    TYPE_INT,
    TYPE_UINT,
    TYPE_LONG,
    TYPE_ULONG,
    TYPE_LLONG,
    TYPE_ULLONG,
    TYPE_INT128,
    TYPE_UINT128,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_LDOUBLE,
    TYPE_COMPLEX, /* target: the element */
    TYPE_ENUM,    /* target: the underlying integer */
    TYPE_POINTER, /* target: what it points to */
    TYPE_ARRAY,   /* target: the element; count 0 and is_incomplete for [] */
    TYPE_STRUCT,
    TYPE_UNION,
    TYPE_FUNCTION, /* target: the result; fields: the parameters */
    TYPE_OTHER, /* anything that is shown and pickled by name only (vectors, VLAs, ...) */
    TYPE_KIND_COUNT
};

struct type_field {
    char *name;       /* member or parameter name; "" for an unnamed one */
    uint32_t type;    /* type id */
    int32_t bits;     /* width of a bit-field, -1 for an ordinary member */
    uint32_t overlay; /* members of one anonymous union share a number > 0; else 0 */
};

struct type_enumerator {
    char *name;
    int64_t value;
};

/* Where the bytes are; filled in a process that has compiled the layout table. */
struct type_layout {
    bool is_known;
    uint64_t size, alignment;
    uint64_t
        *offsets; /* one a field; of a bit-field: 0, it is reached by the accessors */
    int64_t (*get_bits)(const void *object, unsigned field);
    void (*set_bits)(void *object, unsigned field, int64_t value);
};

struct type {
    enum type_kind kind;
    char *spelling; /* C text T such that __typeof__(T) names this type where it is
                       visible */
    bool is_const;
    bool is_incomplete;        /* a tag without a body, an array without a length */
    bool is_variadic;          /* functions */
    uint32_t target;           /* type id */
    uint64_t count;            /* array length */
    struct type_field *fields; /* anonymous members are flattened into their parent */
    size_t n_fields;
    struct type_enumerator *enumerators;
    size_t n_enumerators;
    uint32_t
        definition; /* id of the session definition of a record or enum; 0: a header's */
    struct type_layout layout;
};

struct types {
    struct type **at; /* owned; at[0] is void */
    size_t n, capacity;
    size_t n_empty;            /* see types_empty() */
    struct types_index *index; /* what lookups have remembered; owned, filled on demand */
};

#define TYPES_MAX 1000000    /* entries a table may have; readers refuse more */
#define TYPES_DEPTH_MAX 1000 /* records and arrays inside each other, for readers */
#define TYPE_BITS_MAX 128    /* width of a bit-field, for readers */

void types_init(struct types *types);
void types_clear(struct types *types);
const struct type *types_get(const struct types *types,
                             uint32_t id); /* never NULL: void */
/* To complete an entry: its kind and spelling stay. */
struct type *types_edit(struct types *types, uint32_t id);

/* Drops every entry from `n` on; nothing below may refer to them. */
void types_truncate(struct types *types, size_t n);

/* Entries that no longer serve make room, ids stay what they are: an entry that is
 * emptied is void without a spelling, and no lookup finds it. is_kept[id] says which
 * serve, one for each entry; types_reach() adds all that these lead to. */
void types_reach(const struct types *types, bool *is_kept);
void types_empty(struct types *types, const bool *is_kept);
/* Entries that are not empty. */
size_t types_count(const struct types *types);
/* {u entries, n u}: which are kept, as steps from one id to the next. The reader's table
 * may be longer: its further entries are kept, too. False when the bytes are no such
 * list. */
void types_pack_kept(const struct types *types, const bool *is_kept, struct buffer *out);
bool types_unpack_kept(struct unpack *in, const struct types *types, bool *ret_is_kept);

/* Appends and returns the id. Takes every pointer inside `type`. */
uint32_t types_add(struct types *types, struct type *type);

/* The id of an equal type (same kind, spelling, structure), appended if there is none;
 * `id` is an id of `from`. Used to bring a payload's types into a session and back. */
uint32_t types_import(struct types *types, const struct types *from, uint32_t id);

/* The lowest id of an equal type; false when there is none. */
bool types_find(const struct types *types, const struct types *from, uint32_t id,
                uint32_t *ret);
/* The lowest id after `*ret` (0 starts) of a type of this kind with this spelling. */
bool types_find_next(const struct types *types, enum type_kind kind, const char *spelling,
                     uint32_t *ret);

/* True when both describe the same C type; *ret_why (if not NULL) gets an owned text that
 * names the first difference, such as "field 'x' is 'int' here and 'long' there". */
bool types_equal(const struct types *a, uint32_t a_id, const struct types *b,
                 uint32_t b_id, char **ret_why);

/* The same, but in `b` a tag without a body and a function without parameters stand for
 * any record or function with that spelling; `there` is what `b` is called ("in the
 * data"). */
bool types_match(const struct types *a, uint32_t a_id, const struct types *b,
                 uint32_t b_id, const char *there, char **ret_why);

/* Writes entries [from, n) of the table; reading appends them at the same ids, so the
 * reader must hold exactly `from` entries. -EBADMSG when the bytes are not a table. */
void types_pack(const struct types *types, size_t from, struct buffer *out);
int types_unpack(struct types *types, struct unpack *in, struct error *err) MUST_USE;

const char *type_kind_name(enum type_kind kind);  /* "int", "struct", "pointer", ... */
bool type_is_record(const struct type *type);     /* struct or union */
bool type_is_integer(const struct type *type);    /* enums and bool too */
bool type_is_arithmetic(const struct type *type); /* a real number, enums too */
bool type_is_scalar(const struct type *type);

/* Bytes of an object of this type on this machine; 0 when unknown. Scalars, pointers and
 * arrays are computed, records come from their layout. */
uint64_t types_size(const struct types *types, uint32_t id);
/* True when no pointer can be found inside a value of this type. */
bool types_is_flat(const struct types *types, uint32_t id);

#endif
