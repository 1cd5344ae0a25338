/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar kernel`: what Jupyter starts. */
#include <stdio.h>
#include <string.h>

#include "kernel/app/command.h"
#include "kernel/handlers/kernel.h"
#include "pickler/base/folder.h"

static int complain(const char *text)
{
    fprintf(stderr, "achar kernel: %s\n", text);
    return 1;
}

/* `jupyter run` and `jupyter console` hand their own arguments on to the kernel; they
 * mean nothing here. */
static const char *find_file(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--file") == 0)
            return argv[i + 1];
    return NULL;
}

static int run(int argc, char **argv)
{
    CLEANUP(connection_clear) struct connection connection = {0};
    struct error err = {0};
    const char *file = find_file(argc, argv);
    if (!file) {
        complain("a connection file is needed: -f CONNECTION_FILE");
        return COMMAND_USAGE;
    }
    folder_sweep();
    if (connection_read(file, &connection, &err) < 0 || kernel_run(&connection, &err) < 0)
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
