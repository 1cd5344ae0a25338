/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the pieces of payloads come from the front, and go to who loads them. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/pool/pool.h"

static struct outcome refusal(const struct error *err)
{
    bool is_room = err->code == -ENOSPC || err->code == -EDQUOT || err->code == -ENOMEM;
    return (struct outcome){.kind = OUTCOME_REFUSED,
                            .name = (char *)(is_room ? "NoRoom" : "BadPayload"),
                            .message = (char *)err->text};
}

/* Nobody waits for it any more. */
static void give_up(struct pool *pool, struct family *family, const struct error *err)
{
    struct outcome outcome = refusal(err);
    struct buffer body = {0};
    outcome_pack(&outcome, &body);
    pool_say(pool, POOL_PAYLOAD, family->request, &body);
    buffer_clear(&body);
    tasks_fail_waiting(pool, family, &outcome);
    family->request = 0;
    family->is_removed = true;
}

static bool look_for_pieces(struct family *family)
{
    while (!family_has_pieces(family) && family->pieces[family->n_here]->is_here)
        family->n_here++;
    return family_has_pieces(family);
}

/* What another payload has asked for comes once. */
static void ask(struct pool *pool, struct family *family)
{
    struct buffer hashes = {0}, body = {0};
    size_t n = 0;
    for (size_t i = 0; i < family->n_pieces; i++) {
        struct piece *piece = family->pieces[i];
        if (piece->is_here || piece->is_asked)
            continue;
        piece->is_asked = true;
        pack_bytes(&hashes, piece->hash, sizeof(piece->hash));
        n++;
    }
    pack_u64(&body, n);
    buffer_add(&body, hashes.data, hashes.size);
    if (n)
        pool_say(pool, POOL_PIECES, family->request, &body);
    buffer_clear(&hashes);
    buffer_clear(&body);
}

void supply_begin(struct pool *pool, struct family *family)
{
    CLEANUP(recipe_clear) struct recipe recipe = {0};
    struct error err = {0};
    int r = 0;
    if (recipe_is(family->payload.data, family->payload.size)) {
        r = recipe_read(family->payload.data, family->payload.size, &recipe, &err);
        if (r == 0 && recipe.n_hashed)
            r = pieces_take(&pool->pieces, &recipe, &family->pieces, &err);
        if (r == 0)
            family->n_pieces = recipe.n_hashed;
    }
    family->store = &pool->pieces;
    if (r < 0)
        give_up(pool, family, &err);
    else if (look_for_pieces(family))
        zygotes_wake(pool, family);
    else
        ask(pool, family);
}

static bool needs(const struct family *family, const struct piece *piece)
{
    for (size_t i = 0; i < family->n_pieces; i++)
        if (family->pieces[i] == piece)
            return true;
    return false;
}

/* Whoever has all now begins; a piece that cannot be had (NULL: all can) ends those that
 * need it. */
static void tell(struct pool *pool, const struct piece *lost, const struct error *err)
{
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family->is_removed || family_has_pieces(family))
            continue;
        if (look_for_pieces(family))
            zygotes_wake(pool, family);
        else if (lost && needs(family, lost))
            give_up(pool, family, err);
    }
}

bool supply_take_piece(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t hash_size, size;
    uint8_t right[PAYLOAD_HASH_SIZE];
    const void *hash = unpack_bytes(&in, &hash_size);
    const void *data = unpack_bytes(&in, &size);
    if (!unpack_done(&in) || hash_size != PAYLOAD_HASH_SIZE)
        return false;
    struct error err = {0};
    struct piece *piece = pieces_find(&pool->pieces, hash);
    if (!piece)
        return true; /* who wanted it is gone */
    payload_hash(data, size, right);
    int r = memcmp(hash, right, sizeof(right)) == 0
                ? pieces_fill(&pool->pieces, piece, data, size, &err)
                : error_set(&err, -EBADMSG, "a piece of the payload is not there");
    piece->is_asked = false;
    tell(pool, r < 0 ? piece : NULL, &err);
    return true;
}

/* Of a front on this machine, which has hashed what is there. */
bool supply_take_file(struct pool *pool, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct error err = {0};
    if (frame->n_fds != 1)
        return false;
    struct piece_file *file = pieces_foreign(&pool->pieces, frame->fds[0]);
    for (size_t n = unpack_count(&in); n && !in.failed; n--) {
        size_t size;
        const void *hash = unpack_bytes(&in, &size);
        uint64_t offset = unpack_u64(&in);
        in.failed |= size != PAYLOAD_HASH_SIZE;
        struct piece *piece = in.failed ? NULL : pieces_find(&pool->pieces, hash);
        if (!piece)
            continue;
        piece->is_asked = false;
        if (pieces_fill_from(&pool->pieces, piece, file, offset, &err) < 0)
            tell(pool, piece, &err);
    }
    pieces_foreign_done(&pool->pieces, file);
    tell(pool, NULL, NULL);
    return !in.failed;
}

/* All pieces of the family that are in the file. */
static int send_file(struct family *family, const struct piece_file *file,
                     struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    CLEANUP(buffer_clear) struct buffer places = {0};
    CLEANUP(closep) int fd = piece_file_open(file);
    size_t n = 0;
    if (fd < 0)
        return error_errno(err, fd, "cannot open the payload's pieces");
    for (size_t i = 0; i < family->n_pieces; i++) {
        if (family->pieces[i]->file != file)
            continue;
        pack_u64(&places, i);
        pack_u64(&places, family->pieces[i]->offset);
        n++;
    }
    pack_u64(&body, n);
    buffer_add(&body, places.data, places.size);
    return channel_send_fds(family->zygote.channel, ZYGOTE_PIECES, 0, 0, body.data,
                            body.size, &fd, 1, err);
}

int supply_zygote(struct family *family, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < family->n_pieces && r == 0; i++) {
        const struct piece_file *file = family->pieces[i]->file;
        size_t k = 0;
        while (family->pieces[k]->file != file)
            k++;
        if (k == i) /* the first that is in it */
            r = send_file(family, file, err);
    }
    return r;
}
