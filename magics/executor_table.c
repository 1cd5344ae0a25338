/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executor_table.h"

#include <string.h>

#include "magics/jobs.h"
#include "magics/ranks.h"

static void free_options(struct executor_option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)options[i].name);
        free((char *)options[i].value);
    }
    free(options);
}

/* Its jobs end with it. */
static void end_crew(struct magics *magics, struct named_executor *executor)
{
    if (executor->crew && magics->jobs)
        jobs_leave_crew(magics->jobs, executor->crew);
    crew_free(TAKE(executor->crew));
}

void executors_define(struct magics *magics, const char *name,
                      const struct executor_type *type, struct executor_option *options,
                      size_t n_options)
{
    struct named_executor *executor = NULL;
    for (size_t i = 0; i < magics->n_executors; i++)
        if (!strcmp(magics->executors[i].name, name))
            executor = &magics->executors[i];
    if (executor) {
        end_crew(magics, executor);
        ranks_free(executor->ranks);
        free_options(executor->options, executor->n_options);
    } else {
        GROW(magics->executors, magics->n_executors, magics->executors_capacity);
        executor = &magics->executors[magics->n_executors++];
        executor->name = must_strdup(name);
    }
    executor->type = type;
    executor->options = options;
    executor->n_options = n_options;
    executor->crew = NULL;
    executor->ranks = NULL;
}

void executors_init(struct magics *magics)
{
    executors_define(magics, EXECUTOR_DEFAULT, &executor_local, NULL, 0);
}

void executors_clear(struct magics *magics)
{
    for (size_t i = 0; i < magics->n_executors; i++) {
        crew_free(magics->executors[i].crew);
        ranks_free(magics->executors[i].ranks);
        free_options(magics->executors[i].options, magics->executors[i].n_options);
        free(magics->executors[i].name);
    }
    free(magics->executors);
}

const char *executors_name(const struct magics *magics, const char *name)
{
    if (name)
        return name;
    return magics->executor ? magics->executor : EXECUTOR_DEFAULT;
}

struct named_executor *executors_find(struct magics *magics, const char *name,
                                      struct result *result)
{
    name = executors_name(magics, name);
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < magics->n_executors; i++) {
        if (!strcmp(magics->executors[i].name, name))
            return &magics->executors[i];
        if (n < 64)
            names[n++] = magics->executors[i].name;
    }
    const char *near = nearest_name(name, names, n);
    result_error(
        result, "UsageError",
        "there is no executor '%s'%s%s%s; %%executor lists them and makes new ones", name,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

bool executors_choose(struct magics *magics, const char *name, struct result *result)
{
    if (!executors_find(magics, name, result))
        return false;
    free(magics->executor);
    magics->executor = must_strdup(name);
    return true;
}

struct crew *executors_crew(struct magics *magics, const char *name,
                            struct result *result)
{
    struct error err = {0};
    struct named_executor *executor = executors_find(magics, name, result);
    if (!executor)
        return NULL;
    if (executor->crew && !crew_is_alive(executor->crew))
        end_crew(magics, executor);
    if (!executor->crew && crew_new(executor->type, executor->options,
                                    executor->n_options, &executor->crew, &err) < 0) {
        result_error(result, "ExecutorError", "executor '%s' does not start: %s",
                     executor->name, err.text);
        return NULL;
    }
    return executor->crew;
}
