/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libclang knows functions such as index(), log() and abs() without their headers, and
 * refuses variables and types of these names at file scope. Here they are ordinary names,
 * as they are to the compilers: it is told to forget those that a cell defines. */
#include <string.h>

#include "kernel/unit/draft.h"

#define FORGOTTEN_MAX 200 /* names of one session */

static bool is_forgotten(const struct analysis *analysis, const char *flag)
{
    for (size_t i = 0; i < analysis->n_forgotten; i++)
        if (strcmp(analysis->forgotten[i], flag) == 0)
            return true;
    return false;
}

static bool forget(struct analysis *analysis, const char *name, size_t size)
{
    CLEANUP(freep) char *flag = must_format("-fno-builtin-%.*s", (int)size, name);
    if (!size || analysis->n_forgotten >= FORGOTTEN_MAX || is_forgotten(analysis, flag))
        return false;
    analysis->forgotten = must_realloc(analysis->forgotten, analysis->n_forgotten + 1,
                                       sizeof(*analysis->forgotten));
    analysis->forgotten[analysis->n_forgotten++] = TAKE(flag);
    return true;
}

bool builtins_give_way(struct draft *draft)
{
    static const char start[] = "redefinition of '", end[] = "' as different kind";
    bool is_new = false;
    for (size_t i = 0; i < draft->n_diagnostics; i++) {
        const struct diagnostic *at = &draft->diagnostics[i];
        if (at->severity != SEVERITY_ERROR || strncmp(at->message, start, strlen(start)))
            continue;
        const char *name = at->message + strlen(start);
        size_t size = strcspn(name, "'");
        if (!strncmp(name + size, end, strlen(end)))
            is_new |= forget(draft->analysis, name, size);
    }
    if (is_new) /* the flags of a unit are given once */
        analysis_forget_units(draft->analysis);
    return is_new;
}

void builtins_clear(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->n_forgotten; i++)
        free(analysis->forgotten[i]);
    free(analysis->forgotten);
    analysis->forgotten = NULL;
    analysis->n_forgotten = 0;
}
