/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/parcel.h"

#include <errno.h>
#include <string.h>

void parcel_clear(struct parcel *parcel)
{
    blob_unref(parcel->bytes);
    for (size_t i = 0; i < parcel->n_pieces; i++)
        blob_unref(parcel->pieces[i].blob);
    free(parcel->pieces);
    *parcel = (struct parcel){0};
}

struct parcel parcel_of(const uint8_t hash[PAYLOAD_HASH_SIZE], const void *data,
                        size_t size)
{
    struct parcel parcel = {.bytes = blob_new(data, size), .size = size};
    memcpy(parcel.hash, hash, PAYLOAD_HASH_SIZE);
    return parcel;
}

struct parcel parcel_copy(const struct parcel *parcel)
{
    struct parcel copy = *parcel;
    copy.bytes = blob_ref(parcel->bytes);
    copy.capacity = parcel->n_pieces;
    copy.pieces = must_alloc((parcel->n_pieces + 1) * sizeof(*copy.pieces));
    for (size_t i = 0; i < parcel->n_pieces; i++) {
        copy.pieces[i] = parcel->pieces[i];
        copy.pieces[i].blob = blob_ref(copy.pieces[i].blob);
    }
    return copy;
}

struct blob *parcel_find(const struct parcel *parcel, const void *hash, size_t *at)
{
    for (size_t i = 0; i < parcel->n_pieces; i++) {
        const struct parcel_piece *piece = &parcel->pieces[(*at + i) % parcel->n_pieces];
        if (memcmp(piece->hash, hash, PAYLOAD_HASH_SIZE) != 0)
            continue;
        *at = (*at + i + 1) % parcel->n_pieces;
        return piece->blob;
    }
    return NULL;
}

/* ---- making one ---- */

static void add_hashed(struct parcel *parcel, struct recipe_stream *stream,
                       struct blob *base, const char *data, uint64_t size)
{
    while (size) {
        size_t part = size < RECIPE_PIECE_MAX ? (size_t)size : RECIPE_PIECE_MAX;
        GROW(parcel->pieces, parcel->n_pieces, parcel->capacity);
        struct parcel_piece *piece = &parcel->pieces[parcel->n_pieces++];
        piece->blob = blob_slice(base, data, part);
        payload_hash(data, part, piece->hash);
        recipe_add(stream, (struct recipe_piece){.size = part});
        parcel->size += part;
        data += part;
        size -= part;
    }
}

static void add_run(struct parcel *parcel, struct recipe_stream *stream,
                    struct blob *base, const char *data, uint64_t size, bool is_large)
{
    if (!size)
        return;
    if (is_large && base)
        add_hashed(parcel, stream, base, data, size);
    else
        recipe_add(stream, (struct recipe_piece){.size = size, .data = data});
}

/* Cut where large values begin and end. The head and the index behind the content are
 * read by who does not have the rest. */
static void add_values(const struct payload *payload, struct blob *base,
                       struct recipe *recipe, struct parcel *parcel)
{
    uint64_t at = 0;
    for (size_t i = 0; i <= payload->n_cuts; i++) {
        bool is_edge = i == 0 || i == payload->n_cuts;
        uint64_t end = i < payload->n_cuts ? payload->cuts[i] : payload->values_size;
        add_run(parcel, &recipe->values, base, payload->values + at, end - at,
                !is_edge && end - at >= PARCEL_VALUE_MIN);
        at = end;
    }
}

static void add_files(const struct surroundings *surroundings, struct blob *base,
                      struct recipe *recipe, struct parcel *parcel)
{
    recipe->files = must_alloc((surroundings->n_files + 1) * sizeof(*recipe->files));
    for (; recipe->n_files < surroundings->n_files; recipe->n_files++) {
        const struct staged_file *file = &surroundings->files[recipe->n_files];
        add_run(parcel, &recipe->files[recipe->n_files], base, file->data, file->size,
                file->size >= PARCEL_FILE_MIN);
    }
}

/* Only now all pieces stay where they are. */
static void set_hashes(struct recipe_stream *stream, const struct parcel *parcel,
                       size_t *at)
{
    for (size_t i = 0; i < stream->n; i++)
        if (!stream->pieces[i].data)
            stream->pieces[i].hash = parcel->pieces[(*at)++].hash;
}

static int write_recipe(const struct payload *payload, struct blob *values,
                        struct blob *files, uint64_t nonce, struct parcel *parcel,
                        struct buffer *out, struct error *err)
{
    CLEANUP(recipe_clear) struct recipe recipe = {.nonce = nonce};
    CLEANUP(buffer_clear) struct buffer bare = {0};
    int r = payload_pack_bare(payload, &bare, err);
    if (r < 0)
        return r;
    recipe.payload = bare.data;
    recipe.payload_size = bare.size;
    add_values(payload, values, &recipe, parcel);
    add_files(&payload->surroundings, files, &recipe, parcel);
    size_t at = 0, n = recipe.values.n;
    set_hashes(&recipe.values, parcel, &at);
    for (size_t i = 0; i < recipe.n_files; i++) {
        set_hashes(&recipe.files[i], parcel, &at);
        n += recipe.files[i].n;
    }
    recipe_write(&recipe, out);
    return n <= RECIPE_PIECES_MAX && out->size <= PAYLOAD_SIZE_MAX
               ? 0
               : error_set(err, -EFBIG,
                           "the payload has %zu pieces and %zu other bytes, more than %d "
                           "or %zu",
                           n, out->size, RECIPE_PIECES_MAX, PAYLOAD_SIZE_MAX);
}

int parcel_make(const struct payload *payload, struct blob *values, struct blob *files,
                uint64_t nonce, struct parcel *ret, struct error *err)
{
    CLEANUP(parcel_clear) struct parcel parcel = {0};
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    bool is_plain = !values && !payload->surroundings.n_files;
    int r = is_plain ? payload_pack(payload, &bytes, err)
                     : write_recipe(payload, values, files, nonce, &parcel, &bytes, err);
    if (r < 0)
        return r;
    payload_hash(bytes.data, bytes.size, parcel.hash);
    parcel.size += bytes.size;
    parcel.bytes = blob_take(&bytes);
    *ret = parcel;
    parcel = (struct parcel){0};
    return 0;
}
