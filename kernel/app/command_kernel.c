/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar kernel`: what Jupyter starts. */
#include <stdio.h>
#include <string.h>

#include "kernel/app/command.h"
#include "kernel/handlers/kernel.h"

static int complain(const char *text)
{
    fprintf(stderr, "achar kernel: %s\n", text);
    return 1;
}

static int run(int argc, char **argv)
{
    CLEANUP(connection_clear) struct connection connection = {0};
    struct error err = {0};
    if (argc != 3 || (strcmp(argv[1], "-f") != 0 && strcmp(argv[1], "--file") != 0)) {
        complain("one connection file is needed: -f CONNECTION_FILE");
        return COMMAND_USAGE;
    }
    if (connection_read(argv[2], &connection, &err) < 0 ||
        kernel_run(&connection, &err) < 0)
        return complain(err.text);
    return 0;
}

const struct command command_kernel = {
    .name = "kernel",
    .summary = "serve a notebook: what Jupyter starts",
    .usage = "-f CONNECTION_FILE\n"
             "  -f, --file FILE  says where to listen, and the key of the messages",
    .run = run,
};
