/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every field is checked before anything is bound. */
#include "kernel/wire/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static const char *const port_names[WIRE_CHANNEL_COUNT] = {
    [WIRE_SHELL] = "shell_port",  [WIRE_CONTROL] = "control_port",
    [WIRE_STDIN] = "stdin_port",  [WIRE_IOPUB] = "iopub_port",
    [WIRE_HEARTBEAT] = "hb_port",
};

static int read_file(const char *path, char text[static CONNECTION_FILE_MAX + 1],
                     size_t *ret_size, struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, "cannot open connection file '%s'", path);
    size_t size = 0;
    while (size <= CONNECTION_FILE_MAX) {
        ssize_t n = read(fd, text + size, CONNECTION_FILE_MAX + 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, -errno, "cannot read connection file '%s'", path);
        if (n == 0)
            break;
        size += (size_t)n;
    }
    if (size > CONNECTION_FILE_MAX)
        return error_set(err, -EFBIG, "connection file '%s' is larger than %d bytes",
                         path, CONNECTION_FILE_MAX);
    *ret_size = size;
    return 0;
}

/* A text field; `otherwise` when it is missing, which is an error when that is NULL. */
static int read_text(const json_t *file, const char *path, const char *name,
                     const char *otherwise, const char **ret, struct error *err)
{
    const json_t *value = json_object_get(file, name);
    if (!value && otherwise) {
        *ret = otherwise;
        return 0;
    }
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "connection file '%s': '%s' %s", path, name,
                         value ? "is not a string" : "is missing");
    *ret = json_string_value(value);
    return 0;
}

static int read_port(const json_t *file, const char *path, const char *name, int *ret,
                     struct error *err)
{
    const json_t *value = json_object_get(file, name);
    if (!value)
        return error_set(err, -EINVAL, "connection file '%s': '%s' is missing", path,
                         name);
    json_int_t port = json_is_integer(value) ? json_integer_value(value) : 0;
    if (port < 1 || port > 65535)
        return error_set(err, -EINVAL,
                         "connection file '%s': '%s' is not a number from 1 to 65535",
                         path, name);
    *ret = (int)port;
    return 0;
}

static char *make_endpoint(bool is_tcp, const char *ip, int port)
{
    if (!is_tcp)
        return must_format("ipc://%s-%d", ip, port);
    if (strcmp(ip, "localhost") == 0) /* zmq binds to addresses and interfaces only */
        ip = "127.0.0.1";
    if (strchr(ip, ':') && ip[0] != '[')
        return must_format("tcp://[%s]:%d", ip, port);
    return must_format("tcp://%s:%d", ip, port);
}

static int check_text(const char *path, const char *name, const char *value,
                      const char *allowed, struct error *err)
{
    if (strcmp(value, allowed) == 0)
        return 0;
    return error_set(err, -EINVAL,
                     "connection file '%s': '%s' is '%s', supported is '%s'", path, name,
                     value, allowed);
}

static int read_fields(const json_t *file, const char *path, struct connection *ret,
                       struct error *err)
{
    const char *transport, *ip, *key, *scheme;
    int r;
    if ((r = read_text(file, path, "transport", "tcp", &transport, err)) < 0 ||
        (r = read_text(file, path, "ip", NULL, &ip, err)) < 0 ||
        (r = read_text(file, path, "key", NULL, &key, err)) < 0 ||
        (r = read_text(file, path, "signature_scheme", "hmac-sha256", &scheme, err)) < 0)
        return r;
    bool is_tcp = strcmp(transport, "tcp") == 0;
    if (!is_tcp && strcmp(transport, "ipc") != 0)
        return error_set(err, -EINVAL,
                         "connection file '%s': 'transport' is '%s', supported are 'tcp' "
                         "and 'ipc'",
                         path, transport);
    if (*key &&
        (r = check_text(path, "signature_scheme", scheme, "hmac-sha256", err)) < 0)
        return r;
    if (!*ip)
        return error_set(err, -EINVAL, "connection file '%s': 'ip' is empty", path);
    for (int i = 0; i < WIRE_CHANNEL_COUNT; i++) {
        int port = 0;
        if ((r = read_port(file, path, port_names[i], &port, err)) < 0)
            return r;
        ret->endpoints[i] = make_endpoint(is_tcp, ip, port);
    }
    ret->key = must_strdup(key);
    return 0;
}

int connection_read(const char *path, struct connection *ret, struct error *err)
{
    CLEANUP(freep) char *text = must_alloc(CONNECTION_FILE_MAX + 1);
    size_t size = 0;
    int r = read_file(path, text, &size, err);
    if (r < 0)
        return r;
    json_error_t where;
    json_auto_t *file = json_loadb(text, size, 0, &where);
    if (!file)
        return error_set(err, -EINVAL, "connection file '%s' is not JSON: line %d: %s",
                         path, where.line, where.text);
    if (!json_is_object(file))
        return error_set(err, -EINVAL, "connection file '%s' is not a JSON object", path);
    struct connection connection = {0};
    r = read_fields(file, path, &connection, err);
    if (r < 0)
        connection_clear(&connection);
    else
        *ret = connection;
    return r;
}

void connection_clear(struct connection *connection)
{
    for (int i = 0; i < WIRE_CHANNEL_COUNT; i++)
        free(connection->endpoints[i]);
    free(connection->key);
    *connection = (struct connection){0};
}
