/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The `achar` executable: finds the subcommand and runs it. */
#include "kernel/app/command.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_inspect,
    &command_install,
    &command_kernel,
    &command_key,
    &command_kit,
    &command_run,
    NULL,
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_help(FILE *out)
{
    fputs("usage: achar COMMAND [ARGUMENTS]\n"
          "\n"
          "A Jupyter kernel for C, and the tools for its payload files.\n"
          "\n",
          out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "  --help     this text; `achar COMMAND --help` for one command\n"
          "  --version  the version\n",
          out);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            printf("usage: achar %s %s\n\n%s\n", command->name, command->usage,
                   command->summary);
            return 0;
        }
    int status = command->run(argc, argv);
    if (status == COMMAND_USAGE)
        fprintf(stderr, "achar %s: see `achar %s --help`\n", command->name,
                command->name);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("achar " ACHAR_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    const struct command *command = find_command(argv[1]);
    if (!command) {
        fprintf(stderr, "achar: unknown command '%s': see `achar --help`\n", argv[1]);
        return COMMAND_USAGE;
    }
    return run_command(command, argc - 1, argv + 1);
}
