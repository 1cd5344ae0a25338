/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/format.h"

#include <errno.h>
#include <float.h>
#include <string.h>

struct value_machine value_machine_here(void)
{
    return (struct value_machine){sizeof(long), sizeof(void *), (char)-1 < 0,
                                  LDBL_MANT_DIG == 64    ? LDOUBLE_X87
                                  : LDBL_MANT_DIG == 113 ? LDOUBLE_BINARY128
                                                         : LDOUBLE_DOUBLE};
}

void value_roots_free(struct value_root_info *roots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(roots[i].name);
    free(roots);
}

void value_index_clear(struct value_index *index)
{
    types_clear(&index->types);
    value_roots_free(index->roots, index->n_roots);
    *index = (struct value_index){0};
}

#define ROOT_BYTES_MIN 4 /* of one root in the index */

static void read_roots(struct unpack *in, struct value_index *index)
{
    size_t n = (size_t)unpack_max(in, (uint64_t)(in->end - in->at) / ROOT_BYTES_MIN);
    uint64_t left = (uint64_t)(index->content_end - index->content);
    index->roots = must_alloc(n * sizeof(*index->roots));
    for (size_t i = 0; i < n && !in->failed; i++) {
        struct value_root_info *root = &index->roots[index->n_roots++];
        root->name = unpack_string(in);
        root->type = (uint32_t)unpack_max(in, index->types.n - 1);
        root->count = unpack_u64(in);
        root->bytes = unpack_max(in, left);
        left -= root->bytes;
        if (!root->name || !root->type)
            in->failed = true;
    }
    if (left)
        in->failed = true;
}

static int damaged(struct error *err)
{
    return error_set(err, -EBADMSG, "the values are damaged");
}

static int read_index(const uint8_t *bytes, size_t size, struct value_index *index,
                      struct error *err)
{
    uint64_t at = 0;
    for (int i = 0; i < 8; i++)
        at |= (uint64_t)bytes[8 + i] << (8 * i);
    index->machine =
        (struct value_machine){bytes[5], bytes[6], bytes[7] & MACHINE_CHAR_SIGNED,
                               bytes[7] >> MACHINE_LDOUBLE_SHIFT};
    bool is_known = (bytes[5] == 4 || bytes[5] == 8) && (bytes[6] == 4 || bytes[6] == 8);
    if (at < VALUE_HEADER_SIZE || at > size || !is_known ||
        index->machine.ldouble > LDOUBLE_DOUBLE)
        return damaged(err);
    index->content = bytes + VALUE_HEADER_SIZE;
    index->content_end = bytes + at;
    struct unpack in = unpack_init(bytes + at, size - at);
    int result = types_unpack(&index->types, &in, err);
    if (result < 0)
        return result;
    read_roots(&in, index);
    return unpack_done(&in) ? 0 : damaged(err);
}

int value_index_read(const void *data, size_t size, struct value_index *ret,
                     struct error *err)
{
    const uint8_t *bytes = data;
    if (size < VALUE_HEADER_SIZE || memcmp(bytes, VALUE_MAGIC, 4) != 0)
        return error_set(err, -EBADMSG, "these bytes are no values");
    if (bytes[4] != VALUE_VERSION)
        return error_set(err, -EBADMSG,
                         "the values have format %u, but %d is what is known", bytes[4],
                         VALUE_VERSION);
    struct value_index index = {0};
    types_init(&index.types);
    int result = read_index(bytes, size, &index, err);
    if (result < 0) {
        value_index_clear(&index);
        return result;
    }
    *ret = index;
    return 0;
}

int value_types(const void *data, size_t size, struct types *ret, struct error *err)
{
    struct value_index index;
    int result = value_index_read(data, size, &index, err);
    if (result < 0)
        return result;
    *ret = index.types;
    index.types = (struct types){0};
    value_index_clear(&index);
    return 0;
}

int value_roots(const void *data, size_t size, struct value_root_info **ret,
                size_t *ret_n, struct error *err)
{
    struct value_index index;
    int result = value_index_read(data, size, &index, err);
    if (result < 0)
        return result;
    *ret = TAKE(index.roots);
    *ret_n = index.n_roots;
    index.n_roots = 0;
    value_index_clear(&index);
    return 0;
}
