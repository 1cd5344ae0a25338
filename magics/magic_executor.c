/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %executor: lists the executors, or names a new one. */
#include <string.h>

#include "magics/arguments.h"
#include "magics/executor_table.h"
#include "magics/ranks.h"

static void list(struct magic_context *context)
{
    struct magics *magics = context->magics;
    for (size_t i = 0; i < magics->n_executors; i++) {
        struct named_executor *executor = &magics->executors[i];
        CLEANUP(buffer_clear) struct buffer line = {0};
        bool is_default = !strcmp(executor->name, executors_name(magics, NULL));
        buffer_format(&line, "%-12s = %s", executor->name, executor->type->name);
        for (size_t k = 0; k < executor->n_options; k++)
            buffer_format(&line, " %s%s%s%s", *executor->options[k].name ? "--" : "",
                          executor->options[k].name,
                          *executor->options[k].name && *executor->options[k].value ? "="
                                                                                    : "",
                          executor->options[k].value);
        if (executor->crew) {
            CLEANUP(freep) char *status = crew_status(executor->crew);
            buffer_format(&line, "    %s", status);
        }
        if (executor->ranks && executor->ranks->client &&
            ranks_client_look(executor->ranks->client, NULL) == 0 &&
            ranks_client_pid(executor->ranks->client, 0))
            buffer_format(&line, "    running, %zu ranks",
                          ranks_client_n(executor->ranks->client));
        if (is_default && magics->n_executors > 1)
            buffer_add_string(&line, "    (default)");
        magic_print(context, "%s\n", buffer_string(&line));
    }
}

static const struct executor_type *find_type(const char *name, struct result *result)
{
    const char *names[16];
    size_t n = 0;
    for (; executor_types[n]; n++) {
        if (!strcmp(executor_types[n]->name, name))
            return executor_types[n];
        if (n < 16)
            names[n] = executor_types[n]->name;
    }
    const char *near = nearest_name(name, names, n < 16 ? n : 16);
    result_error(result, "UsageError", "there is no executor type '%s'%s%s%s", name,
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static bool is_known_option(const struct executor_type *type, const char *name,
                            struct result *result)
{
    const char *names[64];
    size_t n = 0;
    if (type->takes_any && *name)
        return true;
    for (size_t i = 0; type->options[i] && n < 64; i++)
        names[n++] = type->options[i];
    for (size_t i = 0; executor_common_options[i] && n < 64; i++)
        names[n++] = executor_common_options[i];
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    const char *near = nearest_name(name, names, n);
    result_error(result, "UsageError", "executor type '%s' has no option --%s%s%s%s",
                 type->name, name, near ? "; did you mean --" : "", near ? near : "",
                 near ? "?" : "");
    return false;
}

/* The word as a shell would pass it on, owned. */
static char *unquote(const char *word)
{
    struct buffer out = {0};
    char quote = 0;
    for (; *word; word++) {
        if (quote && *word == quote)
            quote = 0;
        else if (!quote && (*word == '"' || *word == '\''))
            quote = *word;
        else
            buffer_add_char(&out, *word);
    }
    return buffer_take(&out);
}

/* "--workers=4" or "--workers 4" from words [from, n). */
static bool take_options(const struct executor_type *type, const char **words,
                         size_t from, size_t n, struct executor_option *ret,
                         size_t *ret_n, struct result *result)
{
    for (size_t i = from; i < n; i++) {
        if (!strcmp(words[i], "--") && type->takes_words) {
            while (++i < n)
                ret[(*ret_n)++] =
                    (struct executor_option){must_strdup(""), unquote(words[i])};
            break;
        }
        if (strncmp(words[i], "--", 2)) {
            result_error(result, "UsageError",
                         "'%s' is not an option such as --workers=4", words[i]);
            return false;
        }
        size_t size = strcspn(words[i] + 2, "=");
        CLEANUP(freep) char *name = must_strndup(words[i] + 2, size);
        if (!is_known_option(type, name, result))
            return false;
        const char *value = "";
        if (words[i][2 + size] == '=')
            value = words[i] + 2 + size + 1;
        else if (i + 1 < n && strncmp(words[i + 1], "--", 2))
            value = words[++i];
        ret[(*ret_n)++] = (struct executor_option){TAKE(name), unquote(value)};
    }
    return true;
}

/* Begins now, not with the first call, where the options say so: it has a name also when
 * it cannot begin. */
static int prestart(struct magic_context *context, const char *name,
                    struct result *result, struct error *err)
{
    unsigned n;
    struct named_executor *executor = executors_find(context->magics, name, result);
    if (!executor || !executor_prestarts(executor->options, executor->n_options, &n))
        return 0;
    if (executor->type->is_ranks)
        return ranks_prestart(context, executor, result, err);
    executors_crew(context->magics, name, result);
    return 0;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char **words = arguments->words;
    size_t n = arguments->n_words, n_options = 0;
    if (!n) {
        list(context);
        return 0;
    }
    if (n == 1) {
        executors_choose(context->magics, words[0], result);
        return 0;
    }
    if (n < 3 || strcmp(words[1], "=")) {
        result_error(result, "UsageError",
                     "%%executor takes NAME = TYPE [--OPTION=VALUE], "
                     "such as %%executor two = local --workers=2, or the NAME of the "
                     "one to be used without --on");
        return 0;
    }
    const struct executor_type *type = find_type(words[2], result);
    if (!type)
        return 0;
    struct executor_option *options = must_alloc((n + 1) * sizeof(*options));
    struct error why = {0};
    bool is_good = take_options(type, words, 3, n, options, &n_options, result);
    if (is_good && executor_check(type, options, n_options, &why) < 0) {
        result_error(result, "UsageError", "%s", why.text);
        is_good = false;
    }
    if (is_good) {
        executors_define(context->magics, words[0], type, options, n_options);
        return prestart(context, words[0], result, err);
    }
    for (size_t i = 0; i < n_options; i++) {
        free((char *)options[i].name);
        free((char *)options[i].value);
    }
    free(options);
    return 0;
}

const struct magic magic_executor = {
    .name = "executor",
    .is_line = true,
    .usage = "[NAME = TYPE [--OPTION=VALUE ...] [-- COMMAND ...] | NAME]",
    .summary = "list the executors, name a new one, or choose the default",
    .max_words = 64,
    .run = run,
};
