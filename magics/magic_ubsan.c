/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%ubsan: a cell under UndefinedBehaviorSanitizer. */
#include "magics/checked.h"

static const char *const flags[] = {"-fsanitize=undefined", NULL};

static const struct checker checker = {
    .name = "UndefinedBehaviorSanitizer",
    .flags = flags,
    .environment = "UBSAN_OPTIONS",
    .install = "install gcc with its libraries (Debian: gcc), or libclang-rt-19-dev",
    .read = findings_read_text,
};

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    return checked_run(context, &checker, arguments, result, err);
}

const struct magic magic_ubsan = {
    .name = "ubsan",
    .is_cell = true,
    .usage = "",
    .summary = "run the cell as a program under UndefinedBehaviorSanitizer",
    .run = run,
};
