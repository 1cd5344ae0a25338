/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What goes to the pool: payloads, their pieces, tasks. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "magics/executors/pool_client_inside.h"

#define FILES_MAX 32 /* on their way: a socket holds few descriptors */

/* A frame {b hash, b bytes}, either `data` or what is in the blob. 0 or its id. */
static int post(struct pool_client *client, uint16_t kind, const uint8_t hash[32],
                const void *data, size_t size, struct blob *blob, uint32_t *ret_id,
                struct error *err)
{
    struct buffer *head = &client->head;
    if (!pool_client_is_alive(client))
        return pool_client_lost(client, err);
    head->size = 0;
    pack_bytes(head, hash, HASH_SIZE);
    pack_u64(head, blob ? blob->size : size);
    if (!blob)
        buffer_add(head, data, size);
    uint32_t id = ++client->last_id;
    int r = blob ? line_send_blob(client->line, kind, id, head, blob, err)
                 : line_send(client->line, kind, id, head->data, head->size, err);
    client->is_broken |= r == -EPIPE;
    if (r == 0)
        *ret_id = id;
    return r;
}

int pool_client_post_payload(struct pool_client *client, const uint8_t hash[32],
                             struct blob *payload, uint32_t *ret_id, struct error *err)
{
    int r = post(client, POOL_PAYLOAD, hash, NULL, 0, payload, ret_id, err);
    if (r < 0)
        return r;
    GROW(client->requests, client->n_requests, client->requests_capacity);
    struct request *request = &client->requests[client->n_requests++];
    request->id = *ret_id;
    memcpy(request->hash, hash, HASH_SIZE);
    return 0;
}

/* All that are in this file, where the pool is on this machine. False: they must go as
 * bytes. */
static bool post_piece_file(struct pool_client *client, const struct blob *base,
                            const struct buffer *places, size_t n)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, n);
    buffer_add(&body, places->data, places->size);
    return line_send_file(client->line, POOL_PIECE_FILE, 0, &body, base->file) == 0;
}

/* Those of the asked ones that are in one file with the first, from `in` on. */
static bool post_near(struct pool_client *client, const struct parcel *parcel,
                      struct unpack in, size_t n, size_t *ret_n)
{
    CLEANUP(buffer_clear) struct buffer places = {0};
    const struct blob *base = NULL;
    uint64_t used = 0;
    size_t at = 0;
    for (*ret_n = 0; *ret_n < n; ++*ret_n) {
        size_t size;
        const void *hash = unpack_bytes(&in, &size);
        const struct blob *piece =
            size == HASH_SIZE ? parcel_find(parcel, hash, &at) : NULL;
        if (!piece || !piece->base || piece->base->file < 0 ||
            (base && piece->base != base))
            break;
        base = piece->base;
        used += piece->size;
        pack_bytes(&places, hash, HASH_SIZE);
        pack_u64(&places, (uint64_t)(piece->data - base->data));
    }
    /* The pool keeps all that is in the file. */
    return base && client->type->is_near && used >= base->size / 2 &&
           post_piece_file(client, base, &places, *ret_n);
}

static int post_piece(struct pool_client *client, const void *hash, struct blob *piece,
                      struct error *err)
{
    uint32_t id;
    uint32_t last = client->last_id; /* it is no request */
    int r = post(client, POOL_PIECE, hash, "", 0, piece, &id, err);
    client->last_id = last;
    return r;
}

int pool_client_post_pieces(struct pool_client *client, const struct parcel *parcel,
                            const void *asked, size_t size, uint64_t *ret_size,
                            struct error *err)
{
    struct unpack in = unpack_init(asked, size);
    size_t n = unpack_count(&in), n_near = 0, at = 0;
    bool is_near = post_near(client, parcel, in, n, &n_near);
    int r = 0;
    *ret_size = 0;
    for (size_t i = 0; i < n && r == 0 && !in.failed; i++) {
        size_t hash_size;
        const void *hash = unpack_bytes(&in, &hash_size);
        if (hash_size != HASH_SIZE)
            break;
        struct blob *piece = parcel_find(parcel, hash, &at);
        *ret_size += piece ? piece->size : 0;
        if (!is_near || i >= n_near)
            r = post_piece(client, hash, piece, err);
    }
    return r;
}

int pool_client_post_task(struct pool_client *client, const uint8_t hash[32],
                          const void *argument, size_t size, uint32_t *ret_id,
                          struct error *err)
{
    if (size > POOL_CLIENT_LARGE) {
        CLEANUP(blob_unrefp) struct blob *blob = blob_new(argument, size);
        return pool_client_post_large(client, hash, blob, ret_id, err);
    }
    int r = post(client, POOL_TASK, hash, argument, size, NULL, ret_id, err);
    if (r == 0)
        open_tasks_add(&client->open, *ret_id);
    return r;
}

/* True: the argument has gone in a file. */
static bool post_file(struct pool_client *client, const uint8_t hash[32],
                      const struct blob *argument, uint32_t *ret_id)
{
    if (!client->type->is_near || argument->size < MEMORY_FILE_MIN ||
        client->n_files >= FILES_MAX || !pool_client_is_alive(client))
        return false;
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, argument->size);
    struct iovec parts[] = {{body.data, body.size}, {argument->data, argument->size}};
    size_t size = body.size + argument->size;
    int fd = memory_file_make(parts, 2);
    if (fd < 0)
        return false;
    body.size = 0;
    pack_bytes(&body, hash, HASH_SIZE);
    pack_u64(&body, size);
    uint32_t id = client->last_id + 1;
    int r = line_send_file(client->line, POOL_TASK_FILE, id, &body, fd);
    close(fd);
    if (r < 0)
        return false;
    client->last_id = *ret_id = id;
    open_tasks_add(&client->open, id)->has_file = true;
    client->n_files++;
    return true;
}

int pool_client_post_large(struct pool_client *client, const uint8_t hash[32],
                           struct blob *argument, uint32_t *ret_id, struct error *err)
{
    if (post_file(client, hash, argument, ret_id))
        return 0;
    int r = post(client, POOL_TASK, hash, NULL, 0, argument, ret_id, err);
    if (r == 0)
        open_tasks_add(&client->open, *ret_id);
    return r;
}

int pool_client_cancel(struct pool_client *client, uint32_t id, struct error *err)
{
    if (client->is_dead)
        return 0; /* its end is an event already */
    int r = line_send(client->line, POOL_CANCEL, id, NULL, 0, err);
    if (r == 0)
        r = line_uncork(client->line, err);
    client->is_broken |= r == -EPIPE;
    return r == -EPIPE ? 0 : r;
}
