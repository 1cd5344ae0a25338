/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A subcommand of `achar`: one file command_NAME.c each, that defines `command_NAME` and
 * is declared here and listed in main.c's table. main() answers --help from the table. */
#ifndef ACHAR_APP_COMMAND_H
#define ACHAR_APP_COMMAND_H

struct command {
    const char *name;
    const char *summary; /* one line, for `achar --help` */
    /* What follows "usage: achar NAME" ("-f FILE"), then optionally a newline and lines
     * that explain the options. */
    const char *usage;
    /* argv[0] is the command's name, argv[argc] is NULL. Returns the exit status: 0, 1
     * when the work failed, COMMAND_USAGE when the arguments are wrong (main() then says
     * how to get help). Complaints go to stderr as "achar NAME: text". */
    int (*run)(int argc, char **argv);
};

#define COMMAND_USAGE 2

extern const struct command command_kit;
extern const struct command command_inspect;
extern const struct command command_install;
extern const struct command command_kernel;
extern const struct command command_key;
extern const struct command command_run;

#endif
