/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%asan: a cell under AddressSanitizer and LeakSanitizer. */
#include "magics/checked.h"

static const char *const flags[] = {"-fsanitize=address", NULL};

static const struct checker checker = {
    .name = "AddressSanitizer",
    .flags = flags,
    .environment = "ASAN_OPTIONS",
    .install = "install gcc with its libraries (Debian: gcc), or libclang-rt-19-dev",
    .read = findings_read_text,
};

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    return checked_run(context, &checker, arguments, result, err);
}

const struct magic magic_asan = {
    .name = "asan",
    .is_cell = true,
    .usage = "",
    .summary = "run the cell as a program under AddressSanitizer",
    .run = run,
};
