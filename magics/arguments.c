/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/arguments.h"

#include <ctype.h>
#include <string.h>

#include "magics/context.h"

/* Moves behind one quoted text or one character. */
static const char *skip_one(const char *at, int *depth)
{
    if (*at == '"' || *at == '\'') {
        char quote = *at++;
        while (*at && *at != quote)
            at += at[0] == '\\' && at[1] ? 2 : 1;
        return *at ? at + 1 : at;
    }
    if (strchr("([{", *at))
        ++*depth;
    else if (strchr(")]}", *at) && *depth > 0)
        --*depth;
    return at + 1;
}

static const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

static const char *skip_word(const char *at)
{
    int depth = 0;
    while (*at && (depth || !isspace((unsigned char)*at)))
        at = skip_one(at, &depth);
    return at;
}

void words_split(const char *text, char ***ret, size_t *ret_n)
{
    char **words = NULL;
    size_t n = 0, capacity = 0;
    for (const char *at = skip_blanks(text); *at; at = skip_blanks(at)) {
        const char *end = skip_word(at);
        GROW(words, n, capacity);
        words[n++] = must_strndup(at, (size_t)(end - at));
        at = end;
    }
    *ret = words;
    *ret_n = n;
}

void words_free(char **words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(words[i]);
    free(words);
}

static char *trimmed(const char *text, size_t size)
{
    while (size && isspace((unsigned char)*text))
        text++, size--;
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    return must_strndup(text, size);
}

void arrow_split(const char *text, char **ret_expression, char **ret_target)
{
    const char *arrow = NULL;
    int depth = 0;
    for (const char *at = text; *at; at = skip_one(at, &depth))
        if (!depth && at > text && !strncmp(at, "->", 2) &&
            isspace((unsigned char)at[-1]) && (!at[2] || isspace((unsigned char)at[2])))
            arrow = at;
    *ret_expression = trimmed(text, arrow ? (size_t)(arrow - text) : strlen(text));
    *ret_target = arrow ? trimmed(arrow + 2, strlen(arrow + 2)) : NULL;
}

static size_t count_options(const struct magic *magic)
{
    size_t n = 0;
    while (magic->options && magic->options[n].name)
        n++;
    return n;
}

static const char *mark_of(const struct magic_option *option)
{
    return option->name[1] ? "--" : "-";
}

static void unknown_option(const struct magic *magic, const char *name, size_t size,
                           struct result *result)
{
    const char *names[32];
    size_t n = count_options(magic);
    CLEANUP(freep) char *wanted = must_strndup(name, size);
    for (size_t i = 0; i < n && i < 32; i++)
        names[i] = magic->options[i].name;
    const char *near = nearest_name(wanted, names, n);
    result_error(result, "UsageError", "%%%s has no option --%s%s%s%s", magic->name,
                 wanted, near ? "; did you mean --" : "", near ? near : "",
                 near ? "?" : "");
}

static const struct magic_option *find_option(const struct magic *magic, const char *name,
                                              size_t size)
{
    const struct magic_option *option = magic->options;
    while (option->name &&
           (strlen(option->name) != size || strncmp(option->name, name, size) != 0))
        option++;
    return option->name ? option : NULL;
}

/* "-n 10", "-n10". NULL: not an option of this magic. */
static const struct magic_option *short_option(const struct magic *magic, const char *at)
{
    return *at == '-' && isalpha((unsigned char)at[1]) ? find_option(magic, at + 1, 1)
                                                       : NULL;
}

/* One option at `at` ("--name..."); returns what follows it, NULL after a mistake. */
static const char *take_option(const struct magic *magic, const char *at,
                               struct magic_arguments *ret, struct result *result)
{
    bool is_short = at[1] != '-';
    const char *name = at + (is_short ? 1 : 2);
    size_t size = is_short ? 1 : strcspn(name, "= \t\n");
    const struct magic_option *option = find_option(magic, name, size);
    if (!option) {
        unknown_option(magic, name, size, result);
        return NULL;
    }
    const char *value = name + size, *end = value;
    size_t i = (size_t)(option - magic->options);
    if (option->value) {
        value = *value == '=' ? value + 1 : skip_blanks(value);
        end = skip_word(value);
    }
    if ((option->value && end == value) || (!option->value && *value == '=')) {
        result_error(result, "UsageError", "%s%s of %%%s takes %s", mark_of(option),
                     option->name, magic->name, option->value ? "a value" : "no value");
        return NULL;
    }
    free((char *)ret->options[i]);
    ret->options[i] = must_strndup(value, (size_t)(end - value));
    return end;
}

static void check_count(const struct magic *magic,
                        const struct magic_arguments *arguments, struct result *result)
{
    size_t n = arguments->n_words;
    if (n >= magic->min_words && n <= magic->max_words)
        return;
    const char *mark = magic->is_line ? "%" : "%%";
    result_error(result, "UsageError", "%s%s takes %s: %s%s%s%s", mark, magic->name,
                 n < magic->min_words ? "more than this" : "less than this", mark,
                 magic->name, *magic->usage ? " " : "", magic->usage);
}

void arguments_parse(const struct magic *magic, const char *text, const char *body,
                     uint32_t body_line, struct magic_arguments *ret,
                     struct result *result)
{
    struct buffer rest = {0};
    int depth = 0;
    *ret = (struct magic_arguments){.body = body, .body_line = body_line};
    ret->options = must_alloc((count_options(magic) + 1) * sizeof(*ret->options));
    for (const char *at = text; at && *at;) {
        bool starts = !depth && (at == text || isspace((unsigned char)at[-1]));
        if (starts && !strncmp(at, "//", 2))
            break; /* a comment */
        if (magic->options && starts && !strncmp(at, "--", 2) &&
            isalpha((unsigned char)at[2])) {
            at = take_option(magic, at, ret, result);
            continue;
        }
        if (magic->options && starts && !ret->column && short_option(magic, at)) {
            at = take_option(magic, at, ret, result);
            continue;
        }
        if (!ret->column && !isspace((unsigned char)*at))
            ret->column = (uint32_t)(at - text) + 1;
        const char *next = skip_one(at, &depth);
        buffer_add(&rest, at, (size_t)(next - at));
        at = next;
    }
    if (ret->column)
        ret->column--;
    ret->text = trimmed(buffer_string(&rest), rest.size);
    buffer_clear(&rest);
    words_split(ret->text, (char ***)&ret->words, &ret->n_words);
    if (result->kind == RESULT_OK)
        check_count(magic, ret, result);
}

void arguments_clear(const struct magic *magic, struct magic_arguments *arguments)
{
    for (size_t i = 0; i < count_options(magic); i++)
        free((char *)arguments->options[i]);
    free(arguments->options);
    words_free((char **)arguments->words, arguments->n_words);
    free((char *)arguments->text);
}
