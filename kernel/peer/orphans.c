/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pickler/base/memory.h"

#define ROUNDS_MAX 100 /* each finds what has been started since the last */

/* "pid (name) state parent group session ..."; what has ended already does not count. */
static bool is_member(int proc, const char *pid, pid_t session)
{
    char path[64], text[512], state;
    int parent, group, its;
    snprintf(path, sizeof(path), "%.20s/stat", pid);
    CLEANUP(closep) int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end && sscanf(end, ") %c %d %d %d", &state, &parent, &group, &its) == 4 &&
           its == session && state != 'Z' && state != 'X';
}

static bool end_members(pid_t session)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    bool is_any = false;
    while (proc && (entry = readdir(proc))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1 && pid != getpid() && is_member(dirfd(proc), entry->d_name, session))
            is_any |= kill(pid, SIGKILL) == 0;
    }
    if (proc)
        closedir(proc);
    return is_any;
}

void orphans_end(pid_t session)
{
    for (int i = 0; session > 1 && i < ROUNDS_MAX && end_members(session); i++)
        ;
}
