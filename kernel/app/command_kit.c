/* SPDX-License-Identifier: BSD-3-Clause
 *
 * achar kit FILE: what a machine of this kind needs to run pools without anything
 * being installed, for an achar on a machine of another kind (magics/executors/kit.h).
 * With MACHINE BUILD ROOT: what a machine of that kind needs, from a build folder for it
 * and a folder that has its libraries and headers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel/app/command.h"
#include "magics/executors/kit.h"

static int write_file(const char *path, const struct buffer *bytes, struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t done = 0;
    while (fd >= 0 && done < bytes->size) {
        ssize_t n = write(fd, bytes->data + done, bytes->size - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    return done == bytes->size && fd >= 0
               ? 0
               : error_errno(err, -errno, "cannot write '%s'", path);
}

static int run(int argc, char **argv)
{
    struct utsname system;
    struct kit kit = {0};
    struct error err = {0};
    if ((argc != 2 && argc != 5) || argv[1][0] == '-') {
        fprintf(stderr, "achar kit: which file? (or FILE MACHINE BUILD ROOT)\n");
        return COMMAND_USAGE;
    }
    uname(&system);
    struct kit_source source = {argv[argc > 2 ? 2 : 0], argv[argc > 2 ? 3 : 0],
                                argv[argc > 2 ? 4 : 0]};
    int r = argc == 2 ? kit_make(system.machine, &kit, &err)
                      : kit_make_of(&source, &kit, &err);
    if (r == 0)
        r = kit_pack(&kit, &err);
    if (r == 0)
        r = write_file(argv[1], &kit.packed, &err);
    kit_free(&kit);
    if (r < 0)
        fprintf(stderr, "achar kit: %s\n", err.text);
    return r < 0 ? 1 : 0;
}

const struct command command_kit = {
    .name = "kit",
    .usage = "FILE [MACHINE BUILD ROOT]",
    .summary = "write what a host of this kind needs for %executor ssh",
    .run = run,
};
