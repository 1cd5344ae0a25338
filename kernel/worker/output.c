/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/output.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

#define HIGH_FD 200 /* or above: cells have the low descriptors to themselves */

/* Global, as the descriptors of a process are. */
static int kept[3] = {-1, -1, -1};

void output_init(void)
{
    for (int i = 0; i < 3; i++)
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, HIGH_FD);
}

static FILE *reopened(FILE *stream, int fd, int mode)
{
    if (fileno(stream) >= 0)
        return stream;
    FILE *fresh = fdopen(fd, fd ? "w" : "r");
    if (!fresh)
        return stream;
    setvbuf(fresh, NULL, mode, BUFSIZ);
    return fresh;
}

/* What one cell was told is not the next one's to read. A file that a cell reads from
 * stays where it is. */
static void forget_input(void)
{
    bool has_ended = feof(stdin) || ferror(stdin);
    if (!has_ended && stdin->_IO_read_ptr == stdin->_IO_read_end)
        return;
    if (!isatty(fileno(stdin)))
        return;
    __fpurge(stdin);
    clearerr(stdin);
}

void output_restore(void)
{
    for (int i = 0; i < 3; i++)
        if (kept[i] >= 0 && fcntl(i, F_GETFD) < 0)
            dup2(kept[i], i);
    stdin = reopened(stdin, 0, _IOLBF);
    stdout = reopened(stdout, 1, _IOLBF);
    stderr = reopened(stderr, 2, _IONBF);
    forget_input();
}
