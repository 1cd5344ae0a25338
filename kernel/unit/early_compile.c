/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/early_compile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/unit/ahead.h"
#include "pickler/code/tcc.h"

#define STACK_SIZE (256ul << 20) /* reserved, not used: libtcc recurses with the text */

/* Global, as libtcc's state is. */
static struct {
    bool is_tried;
    struct ahead *ahead; /* NULL: cannot be had */
    struct compiled compiled;
    struct error err;
    int result;
} early;

static void work(void *context)
{
    early.result = tcc_compile_file(ahead_path(early.ahead) + strlen(AHEAD_FOLDER),
                                    &early.compiled, &early.err);
}

/* libtcc puts the folder of the file's path before the names in #line directives, so it
 * is given a path without one. */
static void begin_there(void)
{
    CLEANUP(closep) int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here < 0 || chdir(AHEAD_FOLDER) < 0)
        return;
    if (!ahead_begin(early.ahead, work, NULL))
        compiled_clear(&early.compiled);
    if (fchdir(here) < 0)
        early_compile_drop();
}

void early_compile_begin(void)
{
    if (!early.is_tried)
        early.ahead = ahead_new(STACK_SIZE);
    early.is_tried = true;
    if (!early.ahead || ahead_is_waiting(early.ahead))
        return;
    begin_there();
}

void early_compile_drop(void)
{
    if (!ahead_is_waiting(early.ahead))
        return;
    ahead_finish(early.ahead, "", 0);
    compiled_clear(&early.compiled);
}

int early_compile(const char *text, struct compiled *ret, struct error *err)
{
    if (!ahead_is_waiting(early.ahead) || tcc_has_labels(text)) {
        early_compile_drop();
        return tcc_compile(text, NULL, 0, ret, err);
    }
    ahead_finish(early.ahead, text, strlen(text));
    *ret = early.compiled;
    early.compiled = (struct compiled){0};
    if (early.result < 0 && err)
        *err = early.err;
    return early.result;
}
