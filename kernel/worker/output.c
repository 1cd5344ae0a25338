/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HIGH_FD 200 /* or above: cells have the low descriptors to themselves */

/* Global, as the descriptors of a process are. */
static int kept[2] = {-1, -1};

void output_init(void)
{
    for (int i = 0; i < 2; i++)
        kept[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, HIGH_FD);
}

static FILE *reopened(FILE *stream, int fd, int mode)
{
    if (fileno(stream) >= 0)
        return stream;
    FILE *fresh = fdopen(fd, "w");
    if (!fresh)
        return stream;
    setvbuf(fresh, NULL, mode, BUFSIZ);
    return fresh;
}

void output_restore(void)
{
    for (int i = 0; i < 2; i++)
        if (kept[i] >= 0 && fcntl(i + 1, F_GETFD) < 0)
            dup2(kept[i], i + 1);
    stdout = reopened(stdout, 1, _IOLBF);
    stderr = reopened(stderr, 2, _IONBF);
}
