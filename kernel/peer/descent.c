/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/descent.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

bool descent_is_known(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0;
}

static size_t read_children(pid_t pid, const char *thread, pid_t *ret, size_t max)
{
    char path[320];
    size_t n = 0;
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, thread);
    FILE *file = fopen(path, "re");
    while (file && n < max && fscanf(file, "%d", &child) == 1)
        ret[n++] = child;
    if (file)
        fclose(file);
    return n;
}

size_t descent_children(pid_t pid, pid_t *ret, size_t max)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (*entry->d_name != '.')
            n += read_children(pid, entry->d_name, ret + n, max - n);
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
