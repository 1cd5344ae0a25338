/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %lsmagic: the table of magics. */
#include <string.h>

#include "magics/context.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)arguments, (void)result, (void)err;
    for (size_t i = 0; magic_table[i]; i++) {
        const struct magic *magic = magic_table[i];
        CLEANUP(buffer_clear) struct buffer line = {0};
        buffer_format(&line, "%s%s %s", magic->is_line ? "%" : "%%", magic->name,
                      magic->usage);
        if (magic->is_line && magic->is_cell)
            buffer_format(&line, "  (also %%%%%s)", magic->name);
        for (size_t k = 0; magic->options && magic->options[k].name; k++)
            buffer_format(&line, " [--%s%s%s]", magic->options[k].name,
                          magic->options[k].value ? " " : "",
                          magic->options[k].value ? magic->options[k].value : "");
        magic_print(context, "%-44s %s\n", buffer_string(&line), magic->summary);
    }
    magic_print(context, "%-44s %s\n%-44s %s\n", "!COMMAND", "run a shell command",
                "?NAME or NAME?", "what a name means");
    return 0;
}

const struct magic magic_lsmagic = {
    .name = "lsmagic",
    .is_line = true,
    .usage = "",
    .summary = "list the magics",
    .run = run,
};
