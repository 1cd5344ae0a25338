/* SPDX-License-Identifier: BSD-3-Clause
 *
 * History in SQLite: sessions, ranges, globs, limits, a damaged file. */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdlib.h>

#include "kernel/handlers/history.h"
#include "pickler/base/buffer.h"

static char folder[] = "/tmp/test_history_XXXXXX";

static struct history *open_history(const char *path)
{
    struct history *history = NULL;
    struct error err = {0};
    CHECK_OK(history_open(path, &history, &err), err);
    return history;
}

static void add(struct history *history, uint32_t line, const char *input,
                const char *output)
{
    struct error err = {0};
    CHECK_OK(history_add(history, line, input, output, &err), err);
}

static void collect(void *context, int64_t session, int64_t line, const char *input,
                    const char *output)
{
    buffer_format(context, "%d.%d %s=%s|", (int)session, (int)line, input,
                  output ? output : "");
}

#define CHECK_ENTRIES(call, expected)                                                    \
    do {                                                                                 \
        struct buffer out = {0};                                                         \
        struct error err = {0};                                                          \
        struct history_reader reader = {collect, &out};                                  \
        CHECK_OK(call, err);                                                             \
        CHECK_STRING(buffer_string(&out), expected);                                     \
        buffer_clear(&out);                                                              \
    } while (0)

static void test_sessions(void)
{
    CLEANUP(freep) char *path = must_format("%s/a/b/history.sqlite", folder);
    CLEANUP(history_closep) struct history *first = open_history(path);
    add(first, 1, "x", "1");
    add(first, 2, "it's; \"q\"", NULL);
    CLEANUP(history_closep) struct history *second = open_history(path);
    add(second, 1, "x", "2");
    CHECK_ENTRIES(history_tail(second, 2, &reader, &err), "1.2 it's; \"q\"=|2.1 x=2|");
    CHECK_ENTRIES(history_tail(second, 0, &reader, &err), "");
    CHECK_ENTRIES(history_range(second, 0, 0, -1, &reader, &err), "2.1 x=2|");
    CHECK_ENTRIES(history_range(second, -1, 1, 2, &reader, &err), "1.1 x=1|");
    CHECK_ENTRIES(history_range(second, 1, 2, 9, &reader, &err), "1.2 it's; \"q\"=|");
    CHECK_ENTRIES(history_range(second, 77, 0, -1, &reader, &err), "");
    CHECK_ENTRIES(history_search(second, "x", -1, false, &reader, &err),
                  "1.1 x=1|2.1 x=2|");
    CHECK_ENTRIES(history_search(second, "x", -1, true, &reader, &err), "2.1 x=2|");
    CHECK_ENTRIES(history_search(second, "*'*", -1, false, &reader, &err),
                  "1.2 it's; \"q\"=|");
    CHECK_ENTRIES(history_search(second, "*", 1, false, &reader, &err), "2.1 x=2|");
}

static void test_memory(void)
{
    CLEANUP(history_closep) struct history *history = open_history(NULL);
    add(history, 1, "y", NULL);
    CHECK_ENTRIES(history_tail(history, 9, &reader, &err), "1.1 y=|");
}

#define N_MORE 3000 /* entries above the limit: three looks at it */
#define LAST_LINE "1.102999 i=|"

static void test_limits(void)
{
    CLEANUP(history_closep) struct history *history = open_history(NULL);
    CLEANUP(freep) char *huge = must_alloc(HISTORY_TEXT_MAX + 2);
    memset(huge, 'h', HISTORY_TEXT_MAX + 1);
    add(history, 1, huge, NULL);
    add(history, 2, "z", huge);
    CHECK_ENTRIES(history_tail(history, 9, &reader, &err), "1.2 z=|");
    for (uint32_t i = 0; i < HISTORY_ENTRIES_MAX + N_MORE; i++)
        add(history, i, "i", NULL);
    CHECK_ENTRIES(history_search(history, "z", -1, false, &reader, &err), "");
    CHECK_ENTRIES(history_search(history, "i", -1, true, &reader, &err), LAST_LINE);
}

static void test_damaged(void)
{
    CLEANUP(freep) char *path = must_format("%s/damaged", folder);
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 1000; i++)
        CHECK(write(fd, "no database ", 12) == 12);
    struct history *history = NULL;
    struct error err = {0};
    CHECK(history_open(path, &history, &err) < 0);
    CHECK(!history);
    CHECK(strstr(err.text, "cannot open the history"));
}

static void test_path(void)
{
    setenv("XDG_DATA_HOME", "/data", 1);
    CLEANUP(freep) char *with = history_path();
    CHECK_STRING(with, "/data/achar/history.sqlite");
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/me", 1);
    CLEANUP(freep) char *without = history_path();
    CHECK_STRING(without, "/home/me/.local/share/achar/history.sqlite");
    unsetenv("HOME");
    CLEANUP(freep) char *nowhere = history_path();
    CHECK_STRING(nowhere, NULL);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    test_sessions();
    test_memory();
    test_limits();
    test_damaged();
    test_path();
    CLEANUP(freep) char *command = must_format("rm -r %s", folder);
    return system(command) == 0 ? check_status() : 1;
}
