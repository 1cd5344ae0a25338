/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "magics/executors/executor.h"

const struct executor_type *const executor_types[] = {
    &executor_local, &executor_mpi, &executor_command,
    &executor_slurm, &executor_ssh, NULL,
};

#define LEASE_MAX 3600 /* seconds */

const char *const executor_common_options[] = {"lease", "prestart", NULL};

const char *executor_option(const struct executor_option *options, size_t n_options,
                            const char *name)
{
    for (size_t i = n_options; i-- > 0;)
        if (strcmp(options[i].name, name) == 0)
            return options[i].value;
    return NULL;
}

bool executor_prestarts(const struct executor_option *options, size_t n_options,
                        unsigned *ret_n)
{
    const char *text = executor_option(options, n_options, "prestart");
    *ret_n = 0;
    if (!text)
        return false;
    return !*text || executor_number(options, n_options, "prestart",
                                     EXECUTOR_PRESTART_MAX, ret_n, NULL) == 0;
}

int executor_number(const struct executor_option *options, size_t n_options,
                    const char *name, unsigned max, unsigned *ret, struct error *err)
{
    const char *text = executor_option(options, n_options, name);
    if (!text)
        return 0;
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || !n || n > max)
        return error_set(err, -EINVAL, "'--%s=%s' is not a number from 1 to %u", name,
                         text, max);
    *ret = (unsigned)n;
    return 0;
}

static bool is_in(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static int refuse(const struct executor_type *type, const char *name, struct error *err)
{
    struct buffer names = {0};
    for (const char *const *known = type->options; *known; known++)
        buffer_format(&names, "--%s, ", *known);
    for (const char *const *known = executor_common_options; *known; known++)
        buffer_format(&names, "%s--%s", known == executor_common_options ? "" : ", ",
                      *known);
    CLEANUP(freep) char *text = buffer_take(&names);
    if (!*name)
        return error_set(err, -EINVAL, "executor '%s' takes no words after '--'",
                         type->name);
    return error_set(err, -EINVAL, "executor '%s' has no option '--%s'; it has %s",
                     type->name, name, text);
}

int executor_check(const struct executor_type *type,
                   const struct executor_option *options, size_t n_options,
                   struct error *err)
{
    unsigned seconds, n;
    const char *prestart = executor_option(options, n_options, "prestart");
    for (size_t i = 0; i < n_options; i++) {
        const char *name = options[i].name;
        bool is_good = *name ? type->takes_any || is_in(name, type->options) ||
                                   is_in(name, executor_common_options)
                             : type->takes_words;
        if (!is_good)
            return refuse(type, name, err);
    }
    int r = executor_number(options, n_options, "lease", LEASE_MAX, &seconds, err);
    if (r == 0 && prestart && *prestart)
        r = executor_number(options, n_options, "prestart", EXECUTOR_PRESTART_MAX, &n,
                            err);
    return r < 0 ? r : type->check(options, n_options, err);
}
