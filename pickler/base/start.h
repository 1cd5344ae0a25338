/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs started with nothing of our signals: none blocked, none handled or ignored. */
#ifndef ACHAR_BASE_START_H
#define ACHAR_BASE_START_H

#include <spawn.h>
#include <sys/types.h>

enum start_place {
    START_GROUP,  /* a process group of its own: a terminal's Ctrl-C is not for it */
    START_SESSION /* a session of its own: no terminal either */
};

/* As posix_spawnp() of a program (a path, or a name that PATH leads to) in an environment
 * (NULL: ours); destroys the actions. Returns 0 or -errno. */
int start_program(const char *program, const char *const *argv, char *const *environment,
                  posix_spawn_file_actions_t *actions, enum start_place place,
                  pid_t *ret);

#endif
