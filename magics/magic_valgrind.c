/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%valgrind: a cell under valgrind's memcheck. */
#include "magics/checked.h"

static const char *const flags[] = {NULL};
static const char *const command[] = {"valgrind",
                                      "-q",
                                      "--xml=yes",
                                      "--leak-check=full",
                                      "--show-leak-kinds=definite",
                                      "--read-var-info=no",
                                      "--xml-file=%s",
                                      NULL};

static const struct checker checker = {
    .name = "Valgrind",
    .flags = flags,
    .command = command,
    .install = "install it (Debian: valgrind)",
    .read = findings_read_xml,
};

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    return checked_run(context, &checker, arguments, result, err);
}

const struct magic magic_valgrind = {
    .name = "valgrind",
    .is_cell = true,
    .usage = "",
    .summary = "run the cell as a program under valgrind",
    .run = run,
};
