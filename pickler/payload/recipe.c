/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/recipe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pickler/base/file.h"

#define RECIPE_VERSION 0
#define PAGE ((uint64_t)4096)

void recipe_add(struct recipe_stream *stream, struct recipe_piece piece)
{
    GROW(stream->pieces, stream->n, stream->capacity);
    stream->pieces[stream->n++] = piece;
    stream->size += piece.size;
}

void recipe_clear(struct recipe *recipe)
{
    free(recipe->values.pieces);
    for (size_t i = 0; i < recipe->n_files; i++)
        free(recipe->files[i].pieces);
    free(recipe->files);
    *recipe = (struct recipe){0};
}

/* ---- as bytes ---- */

static void write_stream(const struct recipe_stream *stream, struct buffer *out)
{
    pack_u64(out, stream->n);
    for (size_t i = 0; i < stream->n; i++) {
        const struct recipe_piece *piece = &stream->pieces[i];
        pack_u64(out, piece->hash ? piece->size : 0);
        if (piece->hash)
            pack_bytes(out, piece->hash, PAYLOAD_HASH_SIZE);
        else
            pack_bytes(out, piece->data, (size_t)piece->size);
    }
}

void recipe_write(const struct recipe *recipe, struct buffer *out)
{
    buffer_add(out, RECIPE_MAGIC, RECIPE_MAGIC_SIZE);
    pack_u64(out, RECIPE_VERSION);
    pack_bytes(out, recipe->payload, recipe->payload_size);
    pack_u64(out, recipe->nonce);
    write_stream(&recipe->values, out);
    pack_u64(out, recipe->n_files);
    for (size_t i = 0; i < recipe->n_files; i++)
        write_stream(&recipe->files[i], out);
}

static struct recipe_piece read_piece(struct unpack *in)
{
    struct recipe_piece piece = {.size = unpack_max(in, RECIPE_PIECE_MAX)};
    size_t size;
    const void *data = unpack_bytes(in, &size);
    if (!piece.size)
        return (struct recipe_piece){.size = size, .data = data};
    in->failed |= size != PAYLOAD_HASH_SIZE;
    piece.hash = data;
    return piece;
}

static void read_stream(struct unpack *in, struct recipe *recipe,
                        struct recipe_stream *ret, size_t *left, uint64_t *bytes_left)
{
    size_t n = unpack_count(in);
    ret->first = recipe->n_hashed;
    in->failed |= n > *left;
    *left -= in->failed ? 0 : n;
    for (size_t i = 0; i < n && !in->failed; i++) {
        struct recipe_piece piece = read_piece(in);
        in->failed |= !piece.size || piece.size > *bytes_left;
        if (in->failed)
            return;
        *bytes_left -= piece.size;
        recipe->n_hashed += piece.hash != NULL;
        recipe_add(ret, piece);
    }
}

int recipe_read(const void *data, size_t size, struct recipe *ret, struct error *err)
{
    *ret = (struct recipe){0};
    struct unpack in = unpack_init(data, size);
    size_t left = RECIPE_PIECES_MAX;
    uint64_t bytes_left = RECIPE_BYTES_MAX;
    if (!recipe_is(data, size))
        return error_set(err, -EBADMSG, "it is no payload in pieces");
    in.at += RECIPE_MAGIC_SIZE;
    in.failed |= unpack_u64(&in) != RECIPE_VERSION;
    ret->payload = unpack_bytes(&in, &ret->payload_size);
    ret->nonce = unpack_u64(&in);
    read_stream(&in, ret, &ret->values, &left, &bytes_left);
    size_t n_files = unpack_count(&in);
    in.failed |= n_files > SURROUNDINGS_FILES_MAX;
    if (!in.failed)
        ret->files = must_alloc((n_files + 1) * sizeof(*ret->files));
    for (; ret->n_files < n_files && !in.failed; ret->n_files++)
        read_stream(&in, ret, &ret->files[ret->n_files], &left, &bytes_left);
    if (unpack_done(&in))
        return 0;
    recipe_clear(ret);
    return error_set(err, -EBADMSG, "the payload is damaged: its pieces");
}

static void visit(const struct recipe_stream *stream, bool is_file,
                  const struct recipe_user *user)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < stream->n; i++) {
        if (stream->pieces[i].hash)
            user->use(user->context, &stream->pieces[i], offset, is_file);
        offset += stream->pieces[i].size;
    }
}

void recipe_visit(const struct recipe *recipe, const struct recipe_user *user)
{
    visit(&recipe->values, false, user);
    for (size_t i = 0; i < recipe->n_files; i++)
        visit(&recipe->files[i], true, user);
}

/* ---- the payload ---- */

struct view {
    char *start;
    size_t size;
};

static void view_release(void *owner)
{
    struct view *view = owner;
    munmap(view->start, view->size);
    free(view);
}

/* Where the whole stream would begin in the file that has all of its pieces, one behind
 * the other as they are in the stream; -1: there is no such file. */
static int64_t find_start(const struct recipe_stream *stream,
                          const struct recipe_place *places)
{
    int64_t start = -1;
    uint64_t offset = 0;
    const struct recipe_place *first = &places[stream->first], *place = first;
    for (size_t i = 0; i < stream->n; i++) {
        const struct recipe_piece *piece = &stream->pieces[i];
        if (piece->hash) {
            if (place->offset < offset || place->fd != first->fd || place->fd < 0 ||
                (start >= 0 && place->offset - offset != (uint64_t)start))
                return -1;
            start = (int64_t)(place->offset - offset);
            place++;
        }
        offset += piece->size;
    }
    struct stat about;
    return start >= 0 && fstat(first->fd, &about) == 0 &&
                   (uint64_t)about.st_size >= (uint64_t)start + stream->size
               ? start
               : -1;
}

/* What stands in the recipe, and what is elsewhere unless `is_there`. */
static int fill(const struct recipe_stream *stream, const struct recipe_place *places,
                bool is_there, char *to)
{
    size_t at = stream->first;
    for (size_t i = 0; i < stream->n; i++) {
        const struct recipe_piece *piece = &stream->pieces[i];
        const struct recipe_place *place = piece->hash && places ? &places[at++] : NULL;
        int r = 0;
        if (!piece->hash)
            memcpy(to, piece->data, (size_t)piece->size);
        else if (place && !is_there)
            r = read_all_at(place->fd, to, (size_t)piece->size, place->offset);
        if (r < 0)
            return r;
        to += piece->size;
    }
    return 0;
}

/* Values are read by who wants them in one run: where the pieces lie so, that is a
 * mapping. */
static int open_values(const struct recipe *recipe, const struct recipe_place *places,
                       struct payload *payload, struct error *err)
{
    const struct recipe_stream *stream = &recipe->values;
    if (!stream->size)
        return 0;
    int64_t start = places ? find_start(stream, places) : -1;
    uint64_t skip = start < 0 ? 0 : (uint64_t)start % PAGE;
    struct view view = {.size = (size_t)(stream->size + skip)};
    int flags = MAP_PRIVATE | (start < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);
    view.start = mmap(NULL, view.size, PROT_READ | PROT_WRITE, flags,
                      start < 0 ? -1 : places[stream->first].fd,
                      start < 0 ? 0 : (off_t)((uint64_t)start - skip));
    if (view.start == MAP_FAILED)
        return error_set(err, -ENOMEM, "there is no memory for %llu bytes of values",
                         (unsigned long long)stream->size);
    if (start < 0 && places)
        memory_prefer_huge(view.start, view.size);
    struct view *owner = must_alloc(sizeof(*owner));
    *owner = view;
    payload->values_owner = owner;
    payload->values_release = view_release;
    payload->values = view.start + skip;
    payload->values_size = (size_t)stream->size;
    int r = fill(stream, places, start >= 0, payload->values);
    return r < 0 ? error_errno(err, r, "cannot read the payload's values") : 0;
}

static void open_file(const struct recipe_stream *stream,
                      const struct recipe_place *places, struct staged_file *file)
{
    size_t at = stream->first;
    file->size = stream->size;
    file->pieces = must_alloc((stream->n + 1) * sizeof(*file->pieces));
    for (size_t i = 0; i < stream->n; i++) {
        const struct recipe_piece *piece = &stream->pieces[i];
        struct staged_piece *staged = &file->pieces[file->n_pieces++];
        *staged =
            (struct staged_piece){.data = piece->data, .fd = -1, .size = piece->size};
        if (!piece->hash || !places)
            continue;
        staged->fd = places[at].fd;
        staged->offset = places[at++].offset;
    }
}

int recipe_open(const struct recipe *recipe, const struct recipe_place *places,
                struct payload **ret, struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    int r = payload_unpack(recipe->payload, recipe->payload_size, &payload, err);
    if (r < 0)
        return r;
    if (payload->values_size || payload->surroundings.n_files != recipe->n_files)
        return error_set(err, -EBADMSG,
                         "the payload is damaged: its pieces do not fit it");
    r = open_values(recipe, places, payload, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < recipe->n_files; i++)
        open_file(&recipe->files[i], places, &payload->surroundings.files[i]);
    *ret = TAKE(payload);
    return 0;
}

int recipe_open_any(const void *data, size_t size, const struct recipe_place *places,
                    size_t n_places, struct payload **ret, struct error *err)
{
    CLEANUP(recipe_clear) struct recipe recipe = {0};
    if (!recipe_is(data, size))
        return payload_unpack(data, size, ret, err);
    int r = recipe_read(data, size, &recipe, err);
    if (r == 0 && places && n_places != recipe.n_hashed)
        r = error_set(err, -EBADMSG, "the payload is damaged: some pieces are missing");
    return r < 0 ? r : recipe_open(&recipe, places, ret, err);
}
