/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The terminal that stands for the person: what is typed, its end, its echo. */
#include "tests/unit/check.h"

#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "kernel/peer/terminal.h"
#include "pickler/base/memory.h"

static struct terminal terminal = TERMINAL_NONE;

/* One read of the slave, as text. */
static void check_read(const char *expected)
{
    char text[8192];
    ssize_t n = read(terminal.slave, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    CHECK_STRING(text, expected);
}

static void test_lines(void)
{
    CHECK_INT(terminal_type(&terminal, "one\ntwo\n", 8), 4);
    check_read("one\n");
    CHECK_INT(terminal_type(&terminal, "two\n", 4), 4);
    check_read("two\n");
    CHECK_INT(terminal_type(&terminal, "\x03\x15\x7f\n", 4), 4);
    check_read("\x03\x15\x7f\n");
}

static void test_end(void)
{
    CHECK_INT(terminal_type(&terminal, "\x04more", 5), 1);
    check_read("");
    CHECK_INT(terminal_type(&terminal, "ab\x04", 3), 3);
    check_read("ab");
}

/* Above what the kernel takes as a line. */
static void test_long_line(void)
{
    enum { SIZE = 10000 };
    CLEANUP(freep) char *line = must_alloc(SIZE + 1);
    memset(line, 'l', SIZE);
    line[SIZE - 1] = '\n';
    for (size_t at = 0, n; at < SIZE; at += n) {
        n = terminal_type(&terminal, line + at, SIZE - at);
        if (!CHECK(n > 0 && n <= TERMINAL_PIECE_MAX))
            return;
        char text[TERMINAL_PIECE_MAX + 1];
        CHECK_INT(read(terminal.slave, text, sizeof(text)), n);
        CHECK(!memcmp(text, line + at, n));
    }
}

/* What a program writes is told from the echo of all that was typed so far. */
static void test_echo(void)
{
    CLEANUP(buffer_clear) struct buffer seen = {0};
    char text[4096];
    CHECK_INT(write(terminal.slave, "prompt? ", 8), 8);
    struct pollfd ready = {.fd = terminal.master, .events = POLLIN};
    while (seen.size < 8 && poll(&ready, 1, 5000) > 0)
        buffer_add(&seen, text, terminal_read(&terminal, text, sizeof(text)));
    CHECK_STRING(buffer_string(&seen), "prompt? ");
    CHECK_INT(terminal_read(&terminal, text, sizeof(text)), 0);
}

static void test_settings(void)
{
    struct termios modes;
    CHECK(isatty(terminal.slave) && !terminal_is_secret(&terminal));
    CHECK(tcgetattr(terminal.slave, &modes) == 0);
    modes.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(terminal.slave, TCSANOW, &modes) == 0);
    CHECK(terminal_is_secret(&terminal));
    CHECK_INT(terminal_type(&terminal, "unread\n", 7), 7);
    struct pollfd ready = {.fd = terminal.slave, .events = POLLIN};
    CHECK(poll(&ready, 1, 5000) == 1 && terminal_has_input(&terminal));
    terminal_reset(&terminal);
    CHECK(!terminal_has_input(&terminal) && !terminal_is_secret(&terminal));
}

int main(void)
{
    struct error err = {0};
    if (!CHECK_OK(terminal_open(&terminal, &err), err))
        return check_status();
    test_lines();
    test_end();
    test_long_line();
    test_echo();
    test_settings();
    terminal_close(&terminal);
    CHECK(terminal.master < 0 && terminal.slave < 0);
    return check_status();
}
