/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/job_options.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "magics/quantity.h"

#define PROGRESS_MS 2000
#define TIME_MAX_MS 1e12

/* Options that mean nothing with some magics, and what to write there instead. */
static const struct misplaced {
    int option;
    const char *magic, *hint;
} misplaced[] = {
    {OPTION_CHUNK, "call", "a call is one task; --chunk is of %map and %%parfor"},
    {OPTION_CHUNK, "remote", "a cell is one task; --chunk is of %map and %%parfor"},
    {OPTION_OUT, "call", "write where the value goes as %call EXPR -> LVALUE"},
    {OPTION_OUT, "map", "write where the values go as %map FUNCTION ARRAY -> ARRAY"},
};

void job_options_clear(struct job_options *options)
{
    char **lists[] = {options->out, options->files, options->settings};
    size_t sizes[] = {options->n_out, options->n_files, options->n_settings};
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            free(lists[i][k]);
        free(lists[i]);
    }
    free(options->executor);
    free(options->name);
    free(options->folder);
    *options = (struct job_options){0};
}

static bool check_place(const struct magic *magic,
                        const struct magic_arguments *arguments, struct result *result)
{
    for (size_t i = 0; i < sizeof(misplaced) / sizeof(*misplaced); i++)
        if (!strcmp(misplaced[i].magic, magic->name) &&
            arguments->options[misplaced[i].option]) {
            result_error(result, "UsageError", "--%s has no meaning with %%%s: %s",
                         magic->options[misplaced[i].option].name, magic->name,
                         misplaced[i].hint);
            return false;
        }
    return true;
}

bool job_options_allow(const struct magic *magic, const struct magic_arguments *arguments,
                       unsigned allowed, const char *what, struct result *result)
{
    for (unsigned i = 0; i < JOB_OPTIONS_N; i++)
        if (arguments->options[i] && !(allowed & 1u << i)) {
            result_error(result, "UsageError", "--%s has no meaning with %s",
                         magic->options[i].name, what);
            return false;
        }
    return true;
}

static bool read_number(const char *name, const char *text, uint64_t min, uint64_t max,
                        uint64_t *ret, struct result *result)
{
    char *end;
    if (!text)
        return true;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (!errno && isdigit((unsigned char)*text) && !*end && n >= min && n <= max) {
        *ret = n;
        return true;
    }
    result_error(result, "UsageError", "--%s %s is not a number from %llu to %llu", name,
                 text, (unsigned long long)min, (unsigned long long)max);
    return false;
}

static bool read_time(const char *name, const char *text, double min_ms, double *ret,
                      struct result *result)
{
    if (!text)
        return true;
    double ms = quantity_time(text, 1000);
    if (ms >= min_ms && ms <= TIME_MAX_MS) {
        *ret = ms;
        return true;
    }
    result_error(result, "UsageError", "--%s %s is no time: 500ms, 10s, 5min, 1h%s", name,
                 text, min_ms ? " (1ms at least)" : ", never");
    return false;
}

static bool read_stream(const char *text, enum job_stream *ret, struct result *result)
{
    static const char *const names[] = {"live", "end", "no"};
    if (!text)
        return true;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *ret = (enum job_stream)i;
            return true;
        }
    result_error(result, "UsageError", "--stream %s: it is live, end or no", text);
    return false;
}

/* "a, b" at commas outside quotes, which are taken off. */
static bool read_list(const char *name, const char *text, char ***ret, size_t *ret_n,
                      struct result *result)
{
    size_t n = 0;
    if (!text)
        return true;
    char **items = must_alloc((strlen(text) + 1) * sizeof(*items));
    *ret = items;
    for (const char *at = text; *at;) {
        struct buffer item = {0};
        char quote = '\0';
        for (; *at && (quote || *at != ','); at++) {
            if (!quote && (*at == '"' || *at == '\''))
                quote = *at;
            else if (quote && *at == quote)
                quote = '\0';
            else
                buffer_add_char(&item, *at);
        }
        at += *at == ',';
        items[n++] = buffer_take(&item);
        *ret_n = n;
        if (!*items[n - 1] || n > JOB_LIST_MAX) {
            result_error(result, "UsageError",
                         n > JOB_LIST_MAX ? "--%s %.20s... has too many parts"
                                          : "--%s %s has an empty part",
                         name, text);
            return false;
        }
    }
    return true;
}

static bool check_settings(const struct job_options *options, struct result *result)
{
    for (size_t i = 0; i < options->n_settings; i++) {
        const char *equals = strchr(options->settings[i], '=');
        if (equals && equals > options->settings[i])
            continue;
        result_error(result, "UsageError", "--env %s: it is NAME=VALUE",
                     options->settings[i]);
        return false;
    }
    return true;
}

/* A name, so that it cannot be taken for the number of another job. */
static bool check_name(const char *name, struct result *result)
{
    bool is_good = !name || isalpha((unsigned char)*name) || *name == '_';
    for (const char *at = name; is_good && at && *at; at++)
        is_good = isalnum((unsigned char)*at) || strchr("_-.", *at);
    if (!is_good)
        result_error(result, "UsageError",
                     "--async %s: a job's name starts with a letter and has letters, "
                     "digits, '_', '-' and '.'",
                     name);
    return is_good;
}

static char *unquoted(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    bool is_quoted =
        size > 1 && (*text == '"' || *text == '\'') && text[size - 1] == *text;
    return is_quoted ? must_strndup(text + 1, size - 2) : must_strdup(text);
}

bool job_options_read(const struct magic *magic, const struct magic_arguments *arguments,
                      struct job_options *ret, struct result *result)
{
    const char **given = arguments->options;
    uint64_t retries = 0;
    *ret = (struct job_options){.progress_ms = PROGRESS_MS};
    ret->executor = must_strdup(given[OPTION_ON]);
    ret->name = must_strdup(given[OPTION_ASYNC]);
    ret->folder = unquoted(given[OPTION_CWD]);
    ret->is_verbose = given[OPTION_VERBOSE] != NULL;
    ret->is_batch = given[OPTION_BATCH] != NULL;
    const char *progress = given[OPTION_PROGRESS];
    bool is_never = progress && !strcmp(progress, "never");
    if (is_never)
        ret->progress_ms = -1;
    bool is_good =
        check_place(magic, arguments, result) && check_name(ret->name, result) &&
        read_time("timeout", given[OPTION_TIMEOUT], 1, &ret->timeout_ms, result) &&
        read_number("retries", given[OPTION_RETRIES], 0, JOB_RETRIES_MAX, &retries,
                    result) &&
        read_number("chunk", given[OPTION_CHUNK], 1, JOB_CHUNK_MAX, &ret->chunk,
                    result) &&
        read_stream(given[OPTION_STREAM], &ret->stream, result) &&
        (is_never ||
         read_time("progress-after", progress, 0, &ret->progress_ms, result)) &&
        read_list("out", given[OPTION_OUT], &ret->out, &ret->n_out, result) &&
        read_list("files", given[OPTION_FILES], &ret->files, &ret->n_files, result) &&
        read_list("env", given[OPTION_ENV], &ret->settings, &ret->n_settings, result) &&
        check_settings(ret, result);
    ret->retries = (unsigned)retries;
    return is_good;
}
