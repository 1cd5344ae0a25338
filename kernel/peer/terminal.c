/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The line discipline stays canonical, so that reads end with lines and EOF is known to
 * it; ^V, ^C, ^U and their like are off, so that text arrives as it was typed. A line
 * above its limit goes in pieces, each pushed to the reader by an EOF character: behind
 * text that ends the read only. */
#include "kernel/peer/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define HIGH_FD 10 /* below are the descriptors that a child gets */
#define ROWS 24
#define COLUMNS 80

static void set_modes(int fd)
{
    struct termios modes;
    if (tcgetattr(fd, &modes) < 0)
        return;
    modes.c_iflag = IUTF8;
    modes.c_oflag = 0; /* a newline is echoed as one character */
    modes.c_lflag = ICANON | ECHO | ECHOE | ECHOK | IEXTEN;
    for (size_t i = 0; i < NCCS; i++)
        modes.c_cc[i] = _POSIX_VDISABLE;
    modes.c_cc[VEOF] = TERMINAL_EOF;
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    (void)tcsetattr(fd, TCSANOW, &modes);
}

static int move_high(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (fd >= 0)
        close(fd);
    return high;
}

int terminal_open(struct terminal *ret, struct error *err)
{
    struct terminal made = TERMINAL_NONE;
    struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
    struct stat stat;
    char path[64];
    made.master = move_high(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (made.master >= 0 && grantpt(made.master) == 0 && unlockpt(made.master) == 0 &&
        ptsname_r(made.master, path, sizeof(path)) == 0)
        made.slave = move_high(open(path, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (made.slave < 0 || fstat(made.slave, &stat) < 0) {
        int code = -errno;
        terminal_close(&made);
        return error_errno(err, code, "cannot make a pseudoterminal");
    }
    made.device = stat.st_rdev;
    fcntl(made.master, F_SETFL, O_NONBLOCK);
    (void)ioctl(made.slave, TIOCSWINSZ, &size);
    set_modes(made.slave);
    *ret = made;
    return 0;
}

void terminal_close(struct terminal *terminal)
{
    if (terminal->master >= 0)
        close(terminal->master);
    if (terminal->slave >= 0)
        close(terminal->slave);
    buffer_clear(&terminal->echo);
    *terminal = (struct terminal)TERMINAL_NONE;
}

/* The echo may still be under way, so what is expected of it stays. */
void terminal_flush(struct terminal *terminal)
{
    if (terminal->slave >= 0)
        (void)tcflush(terminal->slave, TCIFLUSH);
}

void terminal_reset(struct terminal *terminal)
{
    terminal_flush(terminal);
    if (terminal->slave >= 0)
        set_modes(terminal->slave);
}

static tcflag_t local_modes(const struct terminal *terminal)
{
    struct termios modes;
    return tcgetattr(terminal->slave, &modes) < 0 ? 0 : modes.c_lflag;
}

bool terminal_is_secret(const struct terminal *terminal)
{
    return (local_modes(terminal) & (ICANON | ECHO)) == ICANON;
}

bool terminal_has_input(const struct terminal *terminal)
{
    int size = 0;
    return ioctl(terminal->slave, FIONREAD, &size) == 0 && size > 0;
}

static size_t write_some(int fd, const char *data, size_t size)
{
    ssize_t n;
    do
        n = write(fd, data, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : (size_t)n;
}

size_t terminal_type(struct terminal *terminal, const char *text, size_t size)
{
    static const char push = TERMINAL_EOF;
    size_t n = size < TERMINAL_PIECE_MAX ? size : TERMINAL_PIECE_MAX;
    const char *newline = memchr(text, '\n', n), *end = memchr(text, TERMINAL_EOF, n);
    if (newline)
        n = (size_t)(newline + 1 - text);
    if (end && (size_t)(end + 1 - text) < n)
        n = (size_t)(end + 1 - text);
    tcflag_t modes = local_modes(terminal);
    size_t written = write_some(terminal->master, text, n);
    bool is_end = written && text[written - 1] == push;
    if (modes & ECHO)
        buffer_add(&terminal->echo, text, written - is_end);
    if (modes & ICANON && written && !is_end && text[written - 1] != '\n')
        write_some(terminal->master, &push, 1);
    return written;
}

size_t terminal_read(struct terminal *terminal, char *to, size_t size)
{
    ssize_t n = read(terminal->master, to, size);
    if (n <= 0)
        return 0;
    size_t n_echo = 0, left = terminal->echo.size;
    while (n_echo < (size_t)n && n_echo < left &&
           to[n_echo] == terminal->echo.data[n_echo])
        n_echo++;
    if (!n_echo)
        return (size_t)n;
    memmove(terminal->echo.data, terminal->echo.data + n_echo, left - n_echo);
    terminal->echo.size = left - n_echo;
    memmove(to, to + n_echo, (size_t)n - n_echo);
    return (size_t)n - n_echo;
}
