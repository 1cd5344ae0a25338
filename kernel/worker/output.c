/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/output.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/worker/obstacle.h"

#define PIPES_MAX 64
#define HIGH_FD 200 /* or above: cells have the low descriptors to themselves */

/* Global, as the descriptors of a process are. */
static int kept[3] = {-1, -1, -1};

static bool has_program;
static struct stat pipes[PIPES_MAX]; /* the last ones, ours, as a ring */
static size_t n_pipes;

static void remember(int fd)
{
    if (fstat(fd, &pipes[n_pipes % PIPES_MAX]) == 0)
        n_pipes++;
}

void output_init(void)
{
    for (int i = 0; i < 3; i++)
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, HIGH_FD);
    remember(STDOUT_FILENO);
    remember(STDERR_FILENO);
    pthread_atfork(NULL, output_note_program, NULL);
}

void output_note_program(void)
{
    has_program = true;
}

static bool is_ours(int fd)
{
    struct stat stat_;
    if (fstat(fd, &stat_) < 0)
        return false;
    for (size_t i = 0; i < PIPES_MAX && i < n_pipes; i++)
        if (pipes[i].st_ino == stat_.st_ino && pipes[i].st_dev == stat_.st_dev)
            return true;
    return false;
}

/* A cell has put back what it had kept aside, and there are new pipes since. */
static bool is_outdated(int i)
{
    struct stat now, current;
    return i != STDIN_FILENO && fstat(i, &now) == 0 && fstat(kept[i], &current) == 0 &&
           (now.st_ino != current.st_ino || now.st_dev != current.st_dev) && is_ours(i);
}

void output_check(uint64_t inode)
{
    struct stat current;
    if (fstat(kept[STDOUT_FILENO], &current) < 0 || current.st_ino != inode)
        has_program = true;
}

static void lead_to(int i, int end)
{
    if (is_ours(i))
        dup2(end, i);
    if (kept[i] >= 0)
        dup3(end, kept[i], O_CLOEXEC);
    obstacle_own(kept[i]);
    remember(end);
    close(end);
}

bool output_renew(int ret[2])
{
    int out[2], errors[2];
    if (!has_program || pipe2(out, O_CLOEXEC) < 0)
        return false;
    if (pipe2(errors, O_CLOEXEC) < 0) {
        close(out[0]);
        close(out[1]);
        return false;
    }
    has_program = false;
    lead_to(STDOUT_FILENO, out[1]);
    lead_to(STDERR_FILENO, errors[1]);
    ret[0] = out[0];
    ret[1] = errors[0];
    return true;
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
        if (kept[i] >= 0 && (fcntl(i, F_GETFD) < 0 || is_outdated(i)))
            dup2(kept[i], i);
    stdin = reopened(stdin, 0, _IOLBF);
    stdout = reopened(stdout, 1, _IOLBF);
    stderr = reopened(stderr, 2, _IONBF);
    forget_input();
}
