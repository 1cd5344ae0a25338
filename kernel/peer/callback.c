/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several callers may shake hands at once, so that one that says nothing does not keep
 * the pool out. */
#include "kernel/peer/callback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kernel/peer/protocol.h"
#include "kernel/peer/tls_channel.h"
#include "pickler/base/pack.h"

#define CALLERS_OF_ONE 16 /* the oldest is hung up on to make room */
#define BACKLOG 64

struct caller {
    int fd;
    struct tls *tls; /* NULL: it is not known yet who it is, or not pinned */
    uint8_t hash[TLS_HASH_SIZE];
    size_t n_hash;   /* bytes of it that have come */
    bool is_waiting; /* until its key is pinned: not watched */
};

struct callback {
    struct tls_key *key;
    bool is_for_many;
    uint8_t (*pins)[TLS_HASH_SIZE];
    size_t n_pins, pins_capacity;
    int listener, epoll;
    uint16_t port;
    char *addresses[DIAL_ADDRESSES_MAX];
    size_t n_addresses;
    struct caller *callers; /* the oldest first */
    size_t n_callers, callers_max;
};

/* ---- our addresses ---- */

/* The address as text; false for what nobody can use from elsewhere. */
static bool to_text(const struct ifaddrs *entry, char ret[NI_MAXHOST])
{
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP))
        return false;
    int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6)
        return false;
    const struct sockaddr_in6 *six = (const void *)entry->ifa_addr;
    if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
        return false;
    socklen_t size =
        family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    return getnameinfo(entry->ifa_addr, size, ret, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) ==
           0;
}

/* Those of the interface; loopback last, for pools on this machine. */
static size_t find_addresses(const char *interface, char **ret, size_t max)
{
    struct ifaddrs *list = NULL;
    char text[NI_MAXHOST];
    size_t n = 0;
    if (getifaddrs(&list) < 0)
        return 0;
    for (int is_loopback = 0; is_loopback < 2; is_loopback++)
        for (struct ifaddrs *entry = list; entry && n < max; entry = entry->ifa_next) {
            if (!to_text(entry, text) ||
                !!(entry->ifa_flags & IFF_LOOPBACK) != is_loopback)
                continue;
            if (!interface || strcmp(interface, entry->ifa_name) == 0 ||
                strcmp(interface, text) == 0)
                ret[n++] = must_strdup(text);
        }
    freeifaddrs(list);
    return n;
}

int callback_check(const char *interface, struct error *err)
{
    char *addresses[DIAL_ADDRESSES_MAX];
    size_t n = find_addresses(interface, addresses, DIAL_ADDRESSES_MAX);
    for (size_t i = 0; i < n; i++)
        free(addresses[i]);
    if (n || !interface)
        return 0;
    return error_set(err, -EINVAL,
                     "'--interface=%s' is no interface or address of this machine that "
                     "is up: `ip address` lists them",
                     interface);
}

/* ---- listening ---- */

static int watch(struct callback *callback, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(callback->epoll, EPOLL_CTL_ADD, fd, &event);
}

static bool listen_at(struct callback *callback, const struct sockaddr *address,
                      socklen_t size)
{
    int off = 0;
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof(bound);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_size) < 0) {
        close(fd);
        return false;
    }
    /* The port is at the same place in both. */
    callback->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    callback->listener = fd;
    return true;
}

/* At one address, when an interface was named that has one; else at all. */
static bool start_listening(struct callback *callback, bool is_named)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (is_named && callback->n_addresses == 1 &&
        inet_pton(AF_INET, callback->addresses[0], &four.sin_addr) == 1)
        return listen_at(callback, (struct sockaddr *)&four, sizeof(four));
    if (is_named && callback->n_addresses == 1)
        inet_pton(AF_INET6, callback->addresses[0], &six.sin6_addr);
    return listen_at(callback, (struct sockaddr *)&six, sizeof(six)) ||
           listen_at(callback, (struct sockaddr *)&four, sizeof(four));
}

static int open_callback(const char *interface, size_t n_callers, struct callback **ret,
                         struct error *err)
{
    CLEANUP(callback_freep) struct callback *callback = must_alloc(sizeof(*callback));
    callback->listener = -1;
    callback->callers = must_alloc(n_callers * sizeof(*callback->callers));
    callback->callers_max = n_callers;
    callback->epoll = epoll_create1(EPOLL_CLOEXEC);
    int r = tls_key_new(&callback->key, err);
    if (r < 0)
        return r;
    callback->n_addresses =
        find_addresses(interface, callback->addresses, DIAL_ADDRESSES_MAX);
    if (callback->epoll < 0 || !start_listening(callback, interface != NULL) ||
        watch(callback, callback->listener) < 0)
        return error_errno(err, -errno, "cannot listen for a pool's connection");
    *ret = TAKE(callback);
    return 0;
}

int callback_new(const char *interface, const uint8_t peer[TLS_HASH_SIZE],
                 struct callback **ret, struct error *err)
{
    int r = open_callback(interface, CALLERS_OF_ONE, ret, err);
    if (r == 0)
        callback_pin(*ret, peer);
    return r;
}

int callback_new_for_many(const char *interface, size_t n_callers, struct callback **ret,
                          struct error *err)
{
    int r = open_callback(interface, n_callers, ret, err);
    if (r == 0)
        (*ret)->is_for_many = true;
    return r;
}

static void hang_up(struct callback *callback, size_t i)
{
    struct caller *caller = &callback->callers[i];
    tls_free(caller->tls);
    close(caller->fd);
    memmove(caller, caller + 1, (--callback->n_callers - i) * sizeof(*caller));
}

void callback_free(struct callback *callback)
{
    if (!callback)
        return;
    while (callback->n_callers)
        hang_up(callback, 0);
    for (size_t i = 0; i < callback->n_addresses; i++)
        free(callback->addresses[i]);
    closep(&callback->listener);
    closep(&callback->epoll);
    free(callback->callers);
    free(callback->pins);
    tls_key_free(callback->key);
    free(callback);
}

void callback_offer(const struct callback *callback, struct buffer *out)
{
    uint8_t hash[TLS_HASH_SIZE];
    tls_key_hash(callback->key, hash);
    pack_bytes(out, hash, sizeof(hash));
    pack_u64(out, callback->n_addresses);
    for (size_t i = 0; i < callback->n_addresses; i++) {
        pack_string(out, callback->addresses[i]);
        pack_u64(out, callback->port);
    }
}

void callback_describe(const struct callback *callback, struct buffer *out)
{
    uint8_t hash[TLS_HASH_SIZE];
    tls_key_hash(callback->key, hash);
    tls_hash_write(hash, out);
    buffer_format(out, ",%u", callback->port);
    for (size_t i = 0; i < callback->n_addresses; i++)
        buffer_format(out, ",%s", callback->addresses[i]);
}

int callback_fd(const struct callback *callback)
{
    return callback->epoll;
}

/* ---- who may ---- */

void callback_pin(struct callback *callback, const uint8_t peer[TLS_HASH_SIZE])
{
    GROW(callback->pins, callback->n_pins, callback->pins_capacity);
    memcpy(callback->pins[callback->n_pins++], peer, TLS_HASH_SIZE);
    for (size_t i = 0; i < callback->n_callers; i++) {
        struct caller *caller = &callback->callers[i];
        if (caller->is_waiting && !memcmp(caller->hash, peer, TLS_HASH_SIZE))
            caller->is_waiting = watch(callback, caller->fd) < 0;
    }
}

void callback_unpin_all(struct callback *callback)
{
    while (callback->n_callers)
        hang_up(callback, 0);
    callback->n_pins = 0;
}

static const uint8_t *find_pin(const struct callback *callback, const uint8_t *hash)
{
    for (size_t i = 0; i < callback->n_pins; i++)
        if (!memcmp(callback->pins[i], hash, TLS_HASH_SIZE))
            return callback->pins[i];
    return NULL;
}

static void unpin(struct callback *callback, const uint8_t *hash)
{
    const uint8_t *pin = find_pin(callback, hash);
    if (pin)
        memmove((void *)pin, callback->pins[--callback->n_pins], TLS_HASH_SIZE);
}

static void take_callers(struct callback *callback)
{
    int fd;
    while ((fd = accept4(callback->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        if (watch(callback, fd) < 0) {
            close(fd);
            continue;
        }
        if (callback->n_callers == callback->callers_max)
            hang_up(callback, 0);
        struct caller *caller = &callback->callers[callback->n_callers++];
        *caller = (struct caller){.fd = fd};
        if (callback->is_for_many)
            continue;
        memcpy(caller->hash, callback->pins[0], TLS_HASH_SIZE);
        caller->n_hash = TLS_HASH_SIZE;
    }
}

/* Whose key it claims to hold. 1: somebody's who is pinned; 0: not yet; -1: gone. */
static int greet(struct callback *callback, struct caller *caller)
{
    while (caller->n_hash < TLS_HASH_SIZE) {
        ssize_t n = read(caller->fd, caller->hash + caller->n_hash,
                         TLS_HASH_SIZE - caller->n_hash);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        caller->n_hash += (size_t)n;
    }
    const uint8_t *pin = find_pin(callback, caller->hash);
    if (pin)
        return tls_new(callback->key, pin, false, &caller->tls, NULL) < 0 ? -1 : 1;
    if (!caller->is_waiting)
        epoll_ctl(callback->epoll, EPOLL_CTL_DEL, caller->fd, NULL);
    caller->is_waiting = true;
    return 0;
}

struct channel *callback_accept(struct callback *callback)
{
    take_callers(callback);
    for (size_t i = 0; i < callback->n_callers;) {
        struct caller *caller = &callback->callers[i];
        int r = caller->tls ? 1 : greet(callback, caller);
        if (r == 1)
            r = tls_channel_shake(caller->tls, caller->fd, NULL);
        if (r < 0) {
            hang_up(callback, i);
        } else if (r == 0) {
            i++;
        } else {
            epoll_ctl(callback->epoll, EPOLL_CTL_DEL, caller->fd, NULL);
            if (callback->is_for_many)
                unpin(callback, caller->hash);
            struct channel *channel = tls_channel_new(caller->tls, caller->fd);
            memmove(caller, caller + 1, (--callback->n_callers - i) * sizeof(*caller));
            return channel;
        }
    }
    return NULL;
}
