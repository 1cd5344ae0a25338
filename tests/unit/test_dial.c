/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool that calls its front back: who gets through, who does not, and what flows. */
#include "kernel/pool/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/peer/callback.h"
#include "kernel/peer/protocol.h"
#include "kernel/peer/tls_channel.h"
#include "pickler/base/pack.h"
#include "tests/unit/check.h"

#define PATIENCE_MS 20000

struct pool {
    struct channel *stdio, *far;
    int result;
    struct error err;
};

static void *run_dial(void *argument)
{
    struct pool *pool = argument;
    pool->result = dial(pool->stdio, &pool->far, &pool->err);
    return NULL;
}

struct scene {
    struct channel *stdio; /* the front's end */
    struct pool pool;
    pthread_t thread;
    uint8_t pool_hash[TLS_HASH_SIZE];
};

static void begin(struct scene *scene)
{
    int fds[2];
    struct frame frame;
    memset(scene, 0, sizeof(*scene));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    scene->stdio = channel_new(fds[0], fds[0]);
    scene->pool.stdio = channel_new(fds[1], fds[1]);
    pthread_create(&scene->thread, NULL, run_dial, &scene->pool);
    CHECK_INT(channel_receive(scene->stdio, PATIENCE_MS, &frame, NULL), 1);
    CHECK_INT(frame.kind, POOL_KEY);
    struct unpack in = unpack_init(frame.data, frame.size);
    size_t size;
    const void *hash = unpack_bytes(&in, &size);
    CHECK(unpack_done(&in) && size == TLS_HASH_SIZE);
    memcpy(scene->pool_hash, hash, TLS_HASH_SIZE);
}

static void offer(struct scene *scene, const struct callback *callback)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    callback_offer(callback, &body);
    CHECK_INT(channel_send(scene->stdio, POOL_DIAL, 0, 0, body.data, body.size, NULL), 0);
}

static struct channel *wait_for(struct callback *callback)
{
    struct channel *channel = NULL;
    struct pollfd fd = {.fd = callback_fd(callback), .events = POLLIN};
    while (!channel && poll(&fd, 1, PATIENCE_MS) == 1)
        channel = callback_accept(callback);
    return channel;
}

/* What the pool has said of its dialling: the address, or NULL. */
static char *end(struct scene *scene, char **ret_why)
{
    struct frame frame;
    CHECK_INT(channel_receive(scene->stdio, PATIENCE_MS, &frame, NULL), 1);
    CHECK_INT(frame.kind, POOL_DIALLED);
    struct unpack in = unpack_init(frame.data, frame.size);
    char *address = unpack_string(&in);
    *ret_why = unpack_string(&in);
    CHECK(unpack_done(&in));
    pthread_join(scene->thread, NULL);
    CHECK_OK(scene->pool.result, scene->pool.err);
    return address;
}

static void clear(struct scene *scene)
{
    channel_free(scene->stdio);
    channel_free(scene->pool.stdio);
    channel_free(scene->pool.far);
}

#define BIG (20u << 20)

static void *send_big(void *channel)
{
    char *data = must_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 2654435761u >> 11);
    CHECK_INT(channel_send(channel, 9, 0, 1, data, BIG, NULL), 0);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_INT(channel_send(channel, 10, 0, i, &i, sizeof(i), NULL), 0);
    free(data);
    return NULL;
}

static void receive_big(struct channel *channel)
{
    struct frame frame;
    CHECK_INT(channel_receive(channel, PATIENCE_MS, &frame, NULL), 1);
    CHECK_INT(frame.size, BIG);
    size_t wrong = 0;
    for (size_t i = 0; i < frame.size; i++)
        wrong += frame.data[i] != (char)(i * 2654435761u >> 11);
    CHECK_INT(wrong, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_INT(channel_receive(channel, PATIENCE_MS, &frame, NULL), 1);
        CHECK_INT(frame.id, i);
    }
}

static void *receive_then_send(void *channel)
{
    receive_big(channel);
    return send_big(channel);
}

static void frames_flow_both_ways_over_the_connection(void)
{
    struct scene scene;
    char *why;
    pthread_t thread;
    begin(&scene);
    CLEANUP(callback_freep) struct callback *callback = NULL;
    CHECK_INT(callback_new(NULL, scene.pool_hash, &callback, NULL), 0);
    offer(&scene, callback);
    struct channel *channel = wait_for(callback);
    char *address = end(&scene, &why);
    CHECK(channel && scene.pool.far && address && !why);
    pthread_create(&thread, NULL, receive_then_send, scene.pool.far);
    send_big(channel);
    receive_big(channel);
    pthread_join(thread, NULL);
    struct frame frame;
    channel_free(TAKE(scene.pool.far));
    CHECK_INT(channel_receive(channel, PATIENCE_MS, &frame, NULL), -EPIPE);
    channel_free(channel);
    free(address);
    clear(&scene);
}

static void who_cannot_connect_stays_with_stdio(void)
{
    struct scene scene;
    char *why;
    begin(&scene);
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_bytes(&body, scene.pool_hash, TLS_HASH_SIZE);
    pack_u64(&body, 2);
    pack_string(&body, "127.0.0.1");
    pack_u64(&body, 1); /* nobody listens there */
    pack_string(&body, "no address at all");
    pack_u64(&body, 80);
    CHECK_INT(channel_send(scene.stdio, POOL_DIAL, 0, 0, body.data, body.size, NULL), 0);
    char *address = end(&scene, &why);
    CHECK(!address && why && !scene.pool.far);
    free(why);
    clear(&scene);
}

static int connect_to(const struct callback *callback)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    callback_offer(callback, &body);
    struct unpack in = unpack_init(body.data, body.size);
    size_t size;
    unpack_bytes(&in, &size);
    unpack_u64(&in);
    free(unpack_string(&in));
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)unpack_u64(&in)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

/* A stranger who knows the front's key, but is not the pool. */
static void *knock(void *argument)
{
    struct channel *stdio = ((struct pool *)argument)->stdio;
    return (void *)(intptr_t)dial(stdio, &((struct pool *)argument)->far, NULL);
}

static void strangers_are_hung_up_on(void)
{
    struct scene scene;
    char *why;
    int fds[2], silent[40];
    struct frame frame;
    begin(&scene);
    CLEANUP(callback_freep) struct callback *callback = NULL;
    CHECK_INT(callback_new("127.0.0.1", scene.pool_hash, &callback, NULL), 0);
    for (int i = 0; i < 40; i++) /* more than there is room for */
        silent[i] = connect_to(callback);
    CHECK(!callback_accept(callback));
    CHECK(send(silent[39], "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);

    pthread_t thread;
    struct pool stranger = {0};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    struct channel *other = channel_new(fds[0], fds[0]);
    stranger.stdio = channel_new(fds[1], fds[1]);
    pthread_create(&thread, NULL, knock, &stranger);
    CHECK_INT(channel_receive(other, PATIENCE_MS, &frame, NULL), 1);
    CLEANUP(buffer_clear) struct buffer body = {0};
    callback_offer(callback, &body);
    CHECK_INT(channel_send(other, POOL_DIAL, 0, 0, body.data, body.size, NULL), 0);
    /* A client may believe that it is through until it reads: it is not. */
    while (channel_receive(other, 10, &frame, NULL) == 0)
        CHECK(!callback_accept(callback));
    pthread_join(thread, NULL);
    CHECK(!callback_accept(callback));
    if (stranger.far)
        CHECK_INT(channel_receive(stranger.far, PATIENCE_MS, &frame, NULL), -EPIPE);
    channel_free(stranger.far);
    channel_free(stranger.stdio);
    channel_free(other);

    offer(&scene, callback);
    struct channel *channel = wait_for(callback);
    char *address = end(&scene, &why);
    CHECK(channel && scene.pool.far);
    CHECK_STRING(address, "127.0.0.1");
    channel_free(channel);
    free(address);
    for (int i = 0; i < 40; i++)
        close(silent[i]);
    clear(&scene);
}

static void an_interface_must_be_there(void)
{
    struct error err = {0};
    CHECK_INT(callback_check(NULL, NULL), 0);
    CHECK_INT(callback_check("lo", NULL), 0);
    CHECK_INT(callback_check("127.0.0.1", NULL), 0);
    CHECK_INT(callback_check("nonesuch0", &err), -EINVAL);
    CHECK(strstr(err.text, "nonesuch0"));
}

static void a_front_that_is_gone_is_noticed(void)
{
    struct scene scene;
    begin(&scene);
    channel_free(TAKE(scene.stdio));
    pthread_join(scene.thread, NULL);
    CHECK_INT(scene.pool.result, -EPIPE);
    clear(&scene);
}

/* ---- many, who say who they are ---- */

struct rank {
    pthread_t thread;
    char *where;
    int pipe[2];
    struct channel *far;
    struct error err;
    int result;
};

static void *run_rank(void *argument)
{
    struct rank *rank = argument;
    rank->result = dial_at(rank->where, "mark ", rank->pipe[1], &rank->far, &rank->err);
    return NULL;
}

static void read_key(const struct rank *rank, uint8_t ret[TLS_HASH_SIZE])
{
    char line[128] = "";
    CHECK_INT(read(rank->pipe[0], line, sizeof(line) - 1), 5 + 2 * TLS_HASH_SIZE + 1);
    CHECK(!strncmp(line, "mark ", 5) && strchr(line, '\n'));
    for (int i = 0; i < TLS_HASH_SIZE; i++) {
        char digits[3] = {line[5 + 2 * i], line[6 + 2 * i]};
        ret[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static void many_get_through_once_they_are_pinned(void)
{
    enum { N = 3 };
    struct rank ranks[N] = {0};
    struct frame frame;
    uint8_t hash[TLS_HASH_SIZE];
    CLEANUP(callback_freep) struct callback *callback = NULL;
    CLEANUP(buffer_clear) struct buffer where = {0};
    CHECK_INT(callback_new_for_many("127.0.0.1", 2 * N, &callback, NULL), 0);
    callback_describe(callback, &where);
    for (int i = 0; i < N; i++) {
        ranks[i].where = must_strdup(buffer_string(&where));
        CHECK(pipe(ranks[i].pipe) == 0);
        pthread_create(&ranks[i].thread, NULL, run_rank, &ranks[i]);
    }
    struct pollfd fd = {.fd = callback_fd(callback), .events = POLLIN};
    /* Nobody is known yet, and who waits does not keep us awake. */
    while (poll(&fd, 1, 100) == 1)
        CHECK(!callback_accept(callback));
    for (int i = N - 1; i >= 0; i--) {
        read_key(&ranks[i], hash);
        callback_pin(callback, hash);
        struct channel *channel = wait_for(callback);
        pthread_join(ranks[i].thread, NULL);
        CHECK(channel && ranks[i].far);
        CHECK_OK(ranks[i].result, ranks[i].err);
        CHECK_INT(channel_send(ranks[i].far, 7, 0, (uint32_t)i, "", 0, NULL), 0);
        CHECK_INT(channel_receive(channel, PATIENCE_MS, &frame, NULL), 1);
        CHECK_INT(frame.id, i);
        channel_free(channel);
        channel_free(ranks[i].far);
        close(ranks[i].pipe[0]);
        close(ranks[i].pipe[1]);
        free(ranks[i].where);
    }
}

static void who_is_told_nonsense_does_not_connect(void)
{
    static const char *const list[] = {"", "00,1,127.0.0.1", "zz,80,127.0.0.1"};
    int null = open("/dev/null", O_WRONLY);
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
        struct channel *channel = NULL;
        CHECK_INT(dial_at(list[i], "", null, &channel, NULL), -EINVAL);
        CHECK(!channel);
    }
    close(null);
}

int main(void)
{
    frames_flow_both_ways_over_the_connection();
    who_cannot_connect_stays_with_stdio();
    strangers_are_hung_up_on();
    an_interface_must_be_there();
    a_front_that_is_gone_is_noticed();
    many_get_through_once_they_are_pinned();
    who_is_told_nonsense_does_not_connect();
    return check_status();
}
