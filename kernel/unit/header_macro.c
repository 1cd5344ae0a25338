/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libtcc prints a macro from its own tokens: ## as "<a6>" or the byte itself, `...` as a
 * parameter called __VA_ARGS__, and `args...` without its dots. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kernel/unit/header_index.h"
#include "pickler/base/lex.h"

#define PASTE "<a6>"
#define REST "__VA_ARGS__"

static const char *parameters_end(const char *text, size_t size)
{
    struct lexer lexer = lexer_init(text, size);
    lexer_next(&lexer);
    if (lexer.at == lexer.end || *lexer.at != '(')
        return NULL;
    return memchr(text, ')', size);
}

static void add_parameters(struct buffer *out, const char *text, const char *close,
                           bool is_named_variadic)
{
    size_t size = (size_t)(close - text), rest = strlen(REST);
    bool is_variadic =
        size > rest && memcmp(close - rest, REST, rest) == 0 &&
        (close[-(ptrdiff_t)rest - 1] == '(' || close[-(ptrdiff_t)rest - 1] == ',');
    buffer_add(out, text, is_variadic ? size - rest : size);
    if (is_variadic || is_named_variadic)
        buffer_add_string(out, "...");
}

char *header_macro_text(const char *text, size_t size, bool is_named_variadic)
{
    struct buffer out = {0};
    const char *at = text, *end = text + size, *close = parameters_end(text, size);
    if (close) {
        add_parameters(&out, text, close, is_named_variadic);
        at = close;
    }
    while (at < end) {
        size_t left = (size_t)(end - at);
        size_t paste = (unsigned char)*at == 0xa6               ? 1
                       : left >= 4 && memcmp(at, PASTE, 4) == 0 ? 4
                                                                : 0;
        if (paste)
            buffer_add_string(&out, " ## ");
        else
            buffer_add_char(&out, *at);
        at += paste ? paste : 1;
    }
    return buffer_take(&out);
}

/* Whether `NAME(` stands before the parameter whose dots are at `dots`, on its logical
 * line and behind "define". */
static bool is_of_macro(const char *start, const char *dots, const char *name,
                        size_t size)
{
    const char *open = memrchr(start, '(', (size_t)(dots - start));
    if (!open || (size_t)(open - start) < size + 7)
        return false;
    const char *at = open - size;
    return memcmp(at, name, size) == 0 && (at[-1] == ' ' || at[-1] == '\t');
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

static bool search(const char *text, size_t size, const char *name, size_t name_size)
{
    const char *end = text + size;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), "...", 3)) != NULL;
         at += 3)
        if (at > text && is_name_byte(at[-1]) &&
            (!name || is_of_macro(text, at, name, name_size)))
            return true;
    return false;
}

bool header_file_has_named_variadic(const char *path, const char *name, size_t size)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size == 0)
        return false;
    size_t length = (size_t)status.st_size;
    char *text = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return false;
    bool found = search(text, length, name, size);
    munmap(text, length);
    return found;
}
