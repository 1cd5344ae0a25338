/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/descent.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "pickler/base/memory.h"

bool descent_is_known(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0;
}

/* Nothing is allocated: see descent_own(). */
static size_t read_children(pid_t pid, int thread, pid_t *ret, size_t max)
{
    char path[64], text[4096];
    ssize_t size;
    size_t n = 0;
    pid_t child = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, thread);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n < max && (size = read(fd, text, sizeof(text))) > 0)
        for (ssize_t i = 0; i < size && n < max; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                child = child * 10 + (text[i] - '0');
            } else if (child) {
                ret[n++] = child;
                child = 0;
            }
        }
    return n;
}

size_t descent_own(pid_t *ret, size_t max)
{
    return read_children(getpid(), gettid(), ret, max);
}

size_t descent_children(pid_t pid, pid_t *ret, size_t max)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (*entry->d_name != '.')
            n += read_children(pid, (int)strtol(entry->d_name, NULL, 10), ret + n,
                               max - n);
    if (folder)
        closedir(folder);
    return n;
}

size_t descent_all(pid_t pid, pid_t *ret)
{
    size_t n = 1;
    ret[0] = pid;
    for (size_t i = 0; i < n && n < DESCENT_MAX; i++)
        n += descent_children(ret[i], ret + n, DESCENT_MAX - n);
    return n;
}
