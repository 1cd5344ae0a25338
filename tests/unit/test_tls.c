/* SPDX-License-Identifier: BSD-3-Clause
 *
 * TLS ends that know each other, do not, or whose bytes were changed on their way. */
#include "kernel/peer/tls.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/check.h"

struct end {
    struct tls_key *key;
    uint8_t hash[TLS_HASH_SIZE];
    struct tls *tls;
    struct buffer got;
};

static void make_key(struct end *end)
{
    struct error err = {0};
    CHECK_OK(tls_key_new(&end->key, &err), err);
    tls_key_hash(end->key, end->hash);
}

static void clear(struct end *end)
{
    tls_free(end->tls);
    tls_key_free(end->key);
    buffer_clear(&end->got);
}

static void feed(struct end *to, const void *data, size_t size)
{
    memcpy(tls_room(to->tls, size), data, size);
    tls_fed(to->tls, size);
}

/* All that there is, in small helpings: 0, or why there will be no more. */
static int open_all(struct end *end)
{
    char some[5000];
    size_t n;
    int r;
    while ((r = tls_open(end->tls, some, sizeof(some), &n, NULL)) == 1)
        buffer_add(&end->got, some, n);
    CHECK(r < 0 || !tls_has_more(end->tls));
    return r;
}

/* Moves what one end has to say to the other, at most `piece` bytes at a time. */
static bool carry(struct end *from, struct end *to, size_t piece)
{
    size_t size;
    const char *data = tls_unsent(from->tls, &size);
    if (!size)
        return false;
    size = size < piece ? size : piece;
    feed(to, data, size);
    tls_sent(from->tls, size);
    return true;
}

/* The results of both ends' handshakes: until one fails, or nobody has more to say. */
static void shake(struct end *client, struct end *server, size_t piece, int results[2])
{
    bool is_moving = true;
    results[0] = results[1] = 0;
    while (is_moving && results[0] >= 0 && results[1] >= 0) {
        if (results[0] == 0)
            results[0] = tls_shake(client->tls, NULL);
        is_moving = carry(client, server, piece);
        if (results[1] == 0)
            results[1] = tls_shake(server->tls, NULL);
        is_moving |= carry(server, client, piece);
    }
}

static void connect_ends(struct end *client, struct end *server, size_t piece)
{
    struct error err = {0};
    int results[2];
    make_key(client);
    make_key(server);
    CHECK_OK(tls_new(client->key, server->hash, true, &client->tls, &err), err);
    CHECK_OK(tls_new(server->key, client->hash, false, &server->tls, &err), err);
    shake(client, server, piece, results);
    CHECK_INT(results[0], 1);
    CHECK_INT(results[1], 1);
}

static void send(struct end *from, struct end *to, const char *data, size_t size,
                 size_t piece)
{
    struct error err = {0};
    CHECK_OK(tls_seal(from->tls, data, size, &err), err);
    while (carry(from, to, piece))
        CHECK_INT(open_all(to), 0);
}

static void ends_that_know_each_other_talk(void)
{
    static const size_t pieces[] = {1, 1000, 1u << 20};
    for (size_t i = 0; i < 3; i++) {
        struct end client = {0}, server = {0};
        connect_ends(&client, &server, pieces[i]);
        send(&client, &server, "hello", 5, pieces[i]);
        CHECK(server.got.size == 5 && !memcmp(server.got.data, "hello", 5));
        send(&server, &client, "there", 5, pieces[i]);
        CHECK(client.got.size == 5 && !memcmp(client.got.data, "there", 5));
        clear(&client);
        clear(&server);
    }
}

static void much_arrives_whole(void)
{
    struct end client = {0}, server = {0};
    size_t size = 3000001;
    char *data = must_alloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    connect_ends(&client, &server, 1u << 20);
    send(&client, &server, data, size, 70001);
    CHECK(server.got.size == size && !memcmp(server.got.data, data, size));
    free(data);
    clear(&client);
    clear(&server);
}

static void what_is_sent_cannot_be_seen(void)
{
    struct end client = {0}, server = {0};
    size_t size;
    connect_ends(&client, &server, 1u << 20);
    CHECK_INT(tls_seal(client.tls, "a plain secret", 14, NULL), 0);
    const char *data = tls_unsent(client.tls, &size);
    CHECK(size > 14 && !memmem(data, size, "secret", 6));
    clear(&client);
    clear(&server);
}

static void a_stranger_is_refused(void)
{
    for (int client_is_stranger = 0; client_is_stranger < 2; client_is_stranger++) {
        struct end client = {0}, server = {0}, other = {0};
        int results[2];
        make_key(&client);
        make_key(&server);
        make_key(&other);
        const uint8_t *expected_server = client_is_stranger ? server.hash : other.hash;
        const uint8_t *expected_client = client_is_stranger ? other.hash : client.hash;
        CHECK_INT(tls_new(client.key, expected_server, true, &client.tls, NULL), 0);
        CHECK_INT(tls_new(server.key, expected_client, false, &server.tls, NULL), 0);
        shake(&client, &server, 1u << 20, results);
        CHECK_INT(results[client_is_stranger ? 1 : 0], -EACCES);
        if (!client_is_stranger) /* a client is done before the server has judged it */
            CHECK(results[1] != 1);
        clear(&client);
        clear(&server);
        clear(&other);
    }
}

static void what_is_not_tls_is_refused(void)
{
    struct end client = {0}, server = {0};
    struct error err = {0};
    make_key(&client);
    make_key(&server);
    CHECK_INT(tls_new(server.key, client.hash, false, &server.tls, NULL), 0);
    feed(&server, "GET / HTTP/1.1\r\nHost: here\r\n\r\n", 31);
    CHECK_INT(tls_shake(server.tls, &err), -EBADMSG);
    CHECK(strstr(err.text, "handshake"));
    clear(&client);
    clear(&server);
}

static void a_changed_byte_is_noticed(void)
{
    struct end client = {0}, server = {0};
    size_t size;
    connect_ends(&client, &server, 1u << 20);
    CHECK_INT(tls_seal(client.tls, "hello", 5, NULL), 0);
    const char *data = tls_unsent(client.tls, &size);
    char *changed = must_alloc(size);
    memcpy(changed, data, size);
    changed[size - 3] ^= 1;
    feed(&server, changed, size);
    CHECK_INT(open_all(&server), -EBADMSG);
    CHECK_INT(server.got.size, 0);
    free(changed);
    clear(&client);
    clear(&server);
}

static void a_goodbye_is_told_from_a_cut(void)
{
    struct end client = {0}, server = {0};
    connect_ends(&client, &server, 1u << 20);
    CHECK_INT(open_all(&server), 0);
    tls_close(client.tls);
    while (carry(&client, &server, 1u << 20))
        ;
    CHECK_INT(open_all(&server), -EPIPE);
    clear(&client);
    clear(&server);
}

int main(void)
{
    ends_that_know_each_other_talk();
    much_arrives_whole();
    what_is_sent_cannot_be_seen();
    a_stranger_is_refused();
    what_is_not_tls_is_refused();
    a_changed_byte_is_noticed();
    a_goodbye_is_told_from_a_cut();
    return check_status();
}
