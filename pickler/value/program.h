/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A type as a program: the flat list of what is to be read or written in one object of
 * it, in order, nested records inlined. Made once a type; dump and load run it for each
 * element, so that types are not walked again for every value. Arrays, of arrays too, are
 * seen as a count of elements whose type is no array. */
#ifndef ACHAR_VALUE_PROGRAM_H
#define ACHAR_VALUE_PROGRAM_H

#include "pickler/type/type.h"

enum op_kind {
    OP_INTEGER, /* size bytes, as a varint; signed ones zigzagged */
    OP_BYTE,    /* one byte as it is: the char types */
    OP_BOOL,
    OP_FIXED, /* size bytes, little-endian: float, double, __int128 */
    OP_LDOUBLE,
    OP_POINTER,  /* to data or, when the target is a function, to code */
    OP_STREAM,   /* FILE * */
    OP_BITS,     /* a bit-field, by the record's accessors */
    OP_BYTES,    /* a union: the bytes in which any member has data */
    OP_ELEMENTS, /* an array inside a record */
};

struct program;

struct op {
    uint8_t kind; /* enum op_kind */
    uint8_t size;
    bool is_signed;
    bool is_flat_target; /* OP_POINTER: what it points to holds no pointers */
    bool is_code;        /* OP_POINTER to a function */
    uint32_t target;     /* OP_POINTER: type id of what it points to */
    uint64_t offset;     /* in the element; OP_BITS: of the record that has the field */
    uint64_t count;      /* OP_ELEMENTS, OP_BYTES: size of the union */
    struct program *elements;  /* OP_ELEMENTS, borrowed */
    const struct type *record; /* OP_BITS, OP_BYTES */
    uint32_t field;            /* OP_BITS */
    const uint8_t *mask;       /* OP_BYTES: 0xff where there is data */
    bool has_pointers;         /* OP_BYTES: then it must be zero */
    bool has_ldouble; /* OP_BYTES: they mean that where long double is the same only */
};

struct program {
    uint32_t type;  /* id of the element's type, never an array */
    uint64_t size;  /* of one element */
    uint8_t width;  /* > 0: arrays of it are written in bulk, in units of this size */
    bool is_byte;   /* char, signed char or unsigned char */
    bool is_long;   /* its size differs from machine to machine */
    bool is_signed; /* of an integer */
    bool is_integer;
    bool is_flat;  /* no pointers */
    bool is_dense; /* no padding: zero bytes mean zero and the other way round */
    bool has_tail; /* a struct that ends with a flexible array member ... */
    uint64_t tail_offset, tail_field;
    struct program *tail; /* ... of these */
    char *refusal;        /* why objects of this type cannot travel, or NULL; owned */
    struct op *ops;
    size_t n_ops, ops_capacity;
    size_t
        encoded_max; /* bytes of one element without arrays, unions and block headers */
    bool is_being_made;
    uint8_t **masks; /* owned, of OP_BYTES */
    size_t n_masks, masks_capacity;
};

struct programs {
    const struct types *types;
    struct program **at; /* by type id; owned */
    size_t n;
    uint32_t *plain;           /* by type id: cache of programs_plain() plus one */
    struct program **elements; /* by type id: cache of programs_elements() */
};

#define PROGRAM_OPS_MAX 1000000 /* of one type */
#define PROGRAM_DEPTH_MAX 200   /* records inside each other */
#define MASK_MAX (16u << 20)    /* bytes of a union */

void programs_init(struct programs *programs, const struct types *types);
void programs_clear(struct programs *programs);

/* Takes arrays apart: *type becomes the element's and *count is multiplied. False when
 * the length is not known or the product too large. */
bool programs_flatten(const struct types *types, uint32_t *type, uint64_t *count);

/* `type` is no array. Never NULL: look at `refusal`. */
struct program *programs_get(struct programs *programs, uint32_t type);

/* The same type without const, where the table has it, and the lowest of equal ids: what
 * two pointers must agree on. */
uint32_t programs_plain(struct programs *programs, uint32_t type);

/* The program for the elements of a block of that type, arrays taken apart, without
 * const. NULL when the type tells nothing: void, a tag without a body, an unknown length.
 */
struct program *programs_elements(struct programs *programs, uint32_t type);

bool program_is_stream(const struct type *type); /* FILE */

/* Elements in a block of `size` bytes; with a tail also its length. False when the block
 * holds no whole number of them. */
bool program_fits(const struct program *program, uint64_t size, uint64_t *ret_count,
                  uint64_t *ret_tail);
/* Bytes of so many elements; false on overflow. */
bool program_size(const struct program *program, uint64_t count, uint64_t tail,
                  uint64_t *ret);

/* True when every value in the element is zero, whatever its padding holds. */
bool program_is_zero(const struct program *program, const char *element);

#endif
