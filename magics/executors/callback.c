/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several callers may shake hands at once, so that one that says nothing does not keep
 * the pool out. */
#include "magics/executors/callback.h"

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

#define CALLERS_MAX 16 /* the oldest is hung up on to make room */
#define BACKLOG 64

struct caller {
    int fd;
    struct tls *tls;
};

struct callback {
    struct tls_key *key;
    uint8_t peer[TLS_HASH_SIZE];
    int listener, epoll;
    uint16_t port;
    char *addresses[DIAL_ADDRESSES_MAX];
    size_t n_addresses;
    struct caller callers[CALLERS_MAX];
    size_t n_callers;
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

int callback_new(const char *interface, const uint8_t peer[TLS_HASH_SIZE],
                 struct callback **ret, struct error *err)
{
    CLEANUP(callback_freep) struct callback *callback = must_alloc(sizeof(*callback));
    callback->listener = -1;
    memcpy(callback->peer, peer, TLS_HASH_SIZE);
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

int callback_fd(const struct callback *callback)
{
    return callback->epoll;
}

static void take_callers(struct callback *callback)
{
    int fd;
    while ((fd = accept4(callback->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct tls *tls = NULL;
        if (tls_new(callback->key, callback->peer, false, &tls, NULL) < 0 ||
            watch(callback, fd) < 0) {
            tls_free(tls);
            close(fd);
            continue;
        }
        if (callback->n_callers == CALLERS_MAX)
            hang_up(callback, 0);
        callback->callers[callback->n_callers++] = (struct caller){.fd = fd, .tls = tls};
    }
}

struct channel *callback_accept(struct callback *callback)
{
    take_callers(callback);
    for (size_t i = 0; i < callback->n_callers;) {
        struct caller *caller = &callback->callers[i];
        int r = tls_channel_shake(caller->tls, caller->fd, NULL);
        if (r < 0) {
            hang_up(callback, i);
        } else if (r == 0) {
            i++;
        } else {
            epoll_ctl(callback->epoll, EPOLL_CTL_DEL, caller->fd, NULL);
            struct channel *channel = tls_channel_new(caller->tls, caller->fd);
            memmove(caller, caller + 1, (--callback->n_callers - i) * sizeof(*caller));
            return channel;
        }
    }
    return NULL;
}
