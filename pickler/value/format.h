/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The numbers of the format (FORMAT.md, "Values"), and the parts of a value graph that
 * can be read without loading it. */
#ifndef ACHAR_VALUE_FORMAT_H
#define ACHAR_VALUE_FORMAT_H

#include "pickler/value/value.h"

#define VALUE_MAGIC "AVAL"
#define VALUE_VERSION 0
#define VALUE_HEADER_SIZE 16

/* What a pointer's number means. */
enum {
    CODE_NULL = 0,
    CODE_NEW_SAME = 1, /* start of a new heap block like the one that holds the pointer */
    CODE_NEW = 2,      /* start of a new block, whose description follows */
    CODE_NEW_PATH = 3, /* the same, then the path inside it */
    CODE_FIRST_REF = 4 /* from here on: a block that is known, see FORMAT.md */
};

#define GROUPED_MIN 8 /* so many elements are written in groups, with runs of zeros */
#define BULK_MIN 16   /* so many scalars are written as they are, with runs of zeros */
#define BULK_LINE 64  /* bytes; runs of zeros are whole lines ... */
#define BULK_ZERO_LINES 4 /* ... and at least so many */

/* The formats of the machine that wrote the graph. */
enum { LDOUBLE_X87, LDOUBLE_BINARY128, LDOUBLE_DOUBLE };
struct value_machine {
    uint8_t long_size, pointer_size;
    bool is_char_signed;
    uint8_t ldouble; /* LDOUBLE_* */
};
#define MACHINE_CHAR_SIGNED 1 /* the byte of the last two: this, and the rest above it   \
                               */
#define MACHINE_LDOUBLE_SHIFT 1

struct value_machine value_machine_here(void);

struct value_index {
    const uint8_t *content, *content_end; /* borrowed */
    struct value_machine machine;
    struct types types;
    struct value_root_info *roots;
    size_t n_roots;
};

int value_index_read(const void *data, size_t size, struct value_index *ret,
                     struct error *err) MUST_USE;
void value_index_clear(struct value_index *index);

#endif
