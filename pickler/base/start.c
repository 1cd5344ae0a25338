/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/start.h"

#include <signal.h>

extern char **environ;

int start_program(const char *program, const char *const *argv, char *const *environment,
                  posix_spawn_file_actions_t *actions, enum start_place place, pid_t *ret)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes,
        (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                (place == START_SESSION ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
    int r = posix_spawnp(ret, program, actions, &attributes, (char *const *)argv,
                         environment ? environment : environ);
    posix_spawn_file_actions_destroy(actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}
