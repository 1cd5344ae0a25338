/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection file in which a Jupyter client says where the kernel shall listen.
 * https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files */
#ifndef ACHAR_WIRE_CONNECTION_H
#define ACHAR_WIRE_CONNECTION_H

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

#define CONNECTION_FILE_MAX (64 * 1024) /* bytes */

enum wire_channel { WIRE_SHELL, WIRE_CONTROL, WIRE_STDIN, WIRE_IOPUB, WIRE_HEARTBEAT };
#define WIRE_CHANNEL_COUNT 5

struct connection {
    char *endpoints[WIRE_CHANNEL_COUNT]; /* for zmq_bind(), by enum wire_channel */
    char *key;                           /* "" when messages are not signed */
};

/* Reads and checks the file; the error says which field is wrong and what it should be.
 */
int connection_read(const char *path, struct connection *ret, struct error *err) MUST_USE;
void connection_clear(struct connection *connection);

#endif
