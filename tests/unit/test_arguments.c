/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options, words and arrows of magics. */
#include "magics/arguments.h"

#include <string.h>

#include "magics/context.h"
#include "tests/unit/check.h"

static const struct magic magic = {
    .name = "sample",
    .usage = "WORD ...",
    .options =
        (const struct magic_option[]){{"on", "NAME", ""}, {"quick", NULL, ""}, {0}},
    .min_words = 1,
    .max_words = 3,
};

static void parses_options_and_words(void)
{
    struct magic_arguments arguments;
    struct result result = {0};
    arguments_parse(&magic, " f(1, 2) --on=two  \"a b\" --quick", NULL, 0, &arguments,
                    &result);
    CHECK(result.kind == RESULT_OK);
    CHECK_INT(arguments.n_words, 2);
    CHECK_STRING(arguments.words[0], "f(1, 2)");
    CHECK_STRING(arguments.options[0], "two");
    CHECK_STRING(arguments.options[1], "");
    arguments_clear(&magic, &arguments);
}

static void words_keep_brackets_and_quotes_whole(void)
{
    char **words;
    size_t n;
    words_split("f(1, \"x y\") [a b]{c d} e", &words, &n);
    CHECK_INT(n, 3);
    CHECK_STRING(words[0], "f(1, \"x y\")");
    CHECK_STRING(words[1], "[a b]{c d}");
    words_free(words, n);
}

static void options_in_c_text_are_c(void)
{
    struct magic_arguments arguments;
    struct result result = {0};
    arguments_parse(&magic, "f(--on)", NULL, 0, &arguments, &result);
    CHECK(result.kind == RESULT_OK);
    CHECK_STRING(arguments.text, "f(--on)");
    CHECK(arguments.options[0] == NULL);
    arguments_clear(&magic, &arguments);
}

static void refuse(const char *text, const char *message)
{
    struct magic_arguments arguments;
    struct result result = {0};
    arguments_parse(&magic, text, NULL, 0, &arguments, &result);
    CHECK(result.kind == RESULT_ERROR);
    CHECK(result.message && strstr(result.message, message));
    arguments_clear(&magic, &arguments);
    result_clear(&result);
}

static const struct magic_option short_options[] = {
    {"n", "LOOPS", ""}, {"r", "RUNS", ""}, {0}};
static const struct magic short_magic = {
    .name = "timeit", .options = short_options, .max_words = 100};

static void short_options_stand_first(void)
{
    struct magic_arguments arguments;
    struct result result = {0};
    arguments_parse(&short_magic, " -n10 -r 3  a -n 5", NULL, 0, &arguments, &result);
    CHECK(result.kind == RESULT_OK);
    CHECK_STRING(arguments.options[0], "10");
    CHECK_STRING(arguments.options[1], "3");
    CHECK_STRING(arguments.text, "a -n 5");
    CHECK(arguments.column == 12);
    arguments_clear(&short_magic, &arguments);
    arguments_parse(&short_magic, "-x * 2", NULL, 0, &arguments, &result);
    CHECK(result.kind == RESULT_OK);
    CHECK_STRING(arguments.text, "-x * 2");
    arguments_clear(&short_magic, &arguments);
}

static void cuts_at_the_last_free_arrow(void)
{
    char *expression, *target;
    arrow_split("p->x + f(a -> b) -> q->y", &expression, &target);
    CHECK_STRING(expression, "p->x + f(a -> b)");
    CHECK_STRING(target, "q->y");
    free(expression);
    free(target);
    arrow_split(" p->x ", &expression, &target);
    CHECK_STRING(expression, "p->x");
    CHECK(target == NULL);
    free(expression);
}

static void finds_near_names(void)
{
    static const char *const names[] = {"call", "map", "pickle", "unpickle"};
    CHECK_STRING(nearest_name("pikle", names, 4), "pickle");
    CHECK_STRING(nearest_name("cal", names, 4), "call");
    CHECK(nearest_name("window", names, 4) == NULL);
}

int main(void)
{
    parses_options_and_words();
    words_keep_brackets_and_quotes_whole();
    options_in_c_text_are_c();
    short_options_stand_first();
    refuse("x --om two", "did you mean --on?");
    refuse("x --on", "takes a value");
    refuse("x --quick=1", "takes no value");
    refuse("", "more than this");
    refuse("a b c d", "less than this");
    cuts_at_the_last_free_arrow();
    finds_near_names();
    return check_status();
}
