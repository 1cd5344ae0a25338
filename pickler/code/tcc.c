/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/tcc.h"

#include <errno.h>
#include <libtcc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pickler/base/lex.h"

/* Plain char is signed on every machine. */
#define OPTIONS "-g -std=c11 -fsigned-char -Wimplicit-function-declaration"

/* libtcc's own: "compound literals are static", while it reads an initialiser at file
 * scope. A text that it refuses there leaves it set. */
extern int global_expr __attribute__((weak));

static void keep_message(void *context, const char *message)
{
    struct compiled *compiled = context;
    if (compiled->messages.size > COMPILE_MESSAGES_MAX)
        return;
    buffer_add_string(&compiled->messages, message);
    buffer_add_char(&compiled->messages, '\n');
}

static void tcc_deletep(TCCState **state)
{
    if (*state)
        tcc_delete(*state);
}

static int read_object(int fd, struct buffer *out, struct error *err)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return error_errno(err, -errno, "cannot read the object of libtcc");
    buffer_reserve(out, (size_t)about.st_size);
    while (out->size < (size_t)about.st_size) {
        ssize_t n = pread(fd, out->data + out->size, (size_t)about.st_size - out->size,
                          (off_t)out->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, n ? -errno : -EIO,
                               "cannot read the object of libtcc");
        out->size += (size_t)n;
    }
    return 0;
}

static int make_file(void)
{
    return memfd_create("unit", MFD_CLOEXEC);
}

/* Global, as much of libtcc's state is. What tcc_prepare() has begun. */
static struct {
    TCCState *state; /* NULL: nothing */
    int file;        /* -1: none */
} ready = {.file = -1};

static int write_object(TCCState *state, struct compiled *compiled, struct error *err)
{
    CLEANUP(closep) int fd = ready.file >= 0 ? ready.file : make_file();
    ready.file = -1;
    if (fd < 0)
        return error_errno(err, -errno, "cannot make a file in memory");
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tcc_output_file(state, path) < 0)
        return 0; /* the messages say why */
    int r = read_object(fd, &compiled->object, err);
    compiled->is_ok = r == 0;
    return r;
}

/* Where there are no headers of a C library, or others than those that ours was built
 * with: "folder:folder", searched before those of the system. */
static void add_own_headers(TCCState *state)
{
    const char *folders = getenv("ACHAR_INCLUDE");
    if (folders && *folders)
        tcc_add_sysinclude_path(state, folders);
}

static void ignore_message(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* Its messages are nobody's yet. */
static TCCState *begin(const char *const *flags, size_t n_flags)
{
    TCCState *state = tcc_new();
    if (!state)
        return NULL;
    tcc_set_error_func(state, NULL, ignore_message);
    tcc_set_options(state, OPTIONS);
    for (size_t i = 0; i < n_flags; i++)
        tcc_set_options(state, flags[i]);
    add_own_headers(state);
    tcc_set_output_type(state, TCC_OUTPUT_OBJ);
    return state;
}

static TCCState *start(const char *const *flags, size_t n_flags,
                       struct compiled *compiled)
{
    bool is_ready = ready.state && !n_flags;
    TCCState *state = is_ready ? TAKE(ready.state) : begin(flags, n_flags);
    if (!state)
        return NULL;
    if (&global_expr)
        global_expr = 0;
    tcc_set_error_func(state, compiled, keep_message);
    return state;
}

void tcc_prepare(void)
{
    if (!ready.state)
        ready.state = begin(NULL, 0);
    if (ready.file < 0)
        ready.file = make_file();
}

void tcc_drop(void)
{
    tcc_deletep(&ready.state);
    ready.state = NULL;
    closep(&ready.file);
    ready.file = -1;
}

/* ---- labels
 * -------------------------------------------------------------------------------- */

static void blank(char *from, const char *to)
{
    for (; from < to; from++)
        if (*from != '\n')
            *from = ' ';
}

/* What `name :` must stand behind to be a label, and no part of `? (int)name : other`. */
static bool ends_statement(const struct token *token)
{
    return token_is(token, ";") || token_is(token, "{") || token_is(token, "}");
}

/* What `&&name` must stand behind to be no `and`. */
static bool opens_operand(const struct token *token)
{
    return token_is(token, "=") || token_is(token, "{") || token_is(token, ",") ||
           token_is(token, "(");
}

/* Blanks what stands at `token` when it is about labels. */
static bool blank_label(char *text, const char *source, struct lexer lexer,
                        const struct token *token, const struct token *last)
{
    char *at = text + (token->text - source);
    struct token next = lexer_next(&lexer);
    bool is_assembly = token_is(last, "asm") || token_is(last, "__asm__") ||
                       token_is(last, "volatile") || token_is(last, "__volatile__");
    if ((token_is(token, "goto") && !is_assembly) || token_is(token, "__label__")) {
        while (next.kind != TOKEN_END && !token_is(&next, ";"))
            next = lexer_next(&lexer);
        blank(at, text + (next.text - source));
        return true;
    }
    if (token_is(token, "&&") && next.kind == TOKEN_IDENTIFIER && opens_operand(last)) {
        blank(at, text + (next.text - source) + next.size);
        *at = '0';
        return true;
    }
    if (token->kind == TOKEN_IDENTIFIER && !token_is_keyword(token) &&
        token_is(&next, ":") && ends_statement(last)) {
        blank(at, text + (next.text - source) + 1);
        return true;
    }
    return false;
}

/* The text without its labels and jumps, owned; NULL when it has none. */
static char *without_labels(const char *source)
{
    CLEANUP(freep) char *text = must_strdup(source);
    struct lexer lexer = lexer_init(source, strlen(source));
    struct token last = {0};
    bool has_labels = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return has_labels ? TAKE(text) : NULL;
        if (token.kind == TOKEN_DIRECTIVE) {
            lexer_skip_line(&lexer);
            continue;
        }
        has_labels |= blank_label(text, source, lexer, &token, &last);
        last = token;
    }
}

/* A text that libtcc refuses in a function with labels would leave these behind in
 * libtcc, which then refuses everything, or crashes: it is shown the text without them
 * first. False: it refuses that. */
static bool accepts_without_labels(const char *text, const char *const *flags,
                                   size_t n_flags, struct compiled *compiled)
{
    CLEANUP(freep) char *plain = without_labels(text);
    if (!plain)
        return true;
    CLEANUP(tcc_deletep) TCCState *state = start(flags, n_flags, compiled);
    if (!state || tcc_compile_string(state, plain) < 0)
        return false;
    compiled->messages.size = 0;
    return true;
}

bool tcc_has_labels(const char *text)
{
    CLEANUP(freep) char *plain = without_labels(text);
    return plain;
}

/* What was compiled becomes an object, unless it calls what is not declared. */
static int finish(TCCState *state, struct compiled *ret, struct error *err)
{
    if (ret->messages.size &&
        strstr(ret->messages.data, "implicit declaration of function"))
        return 0;
    int r = write_object(state, ret, err);
    if (r < 0)
        compiled_clear(ret);
    return r;
}

int tcc_compile(const char *text, const char *const *flags, size_t n_flags,
                struct compiled *ret, struct error *err)
{
    memset(ret, 0, sizeof(*ret));
    if (!accepts_without_labels(text, flags, n_flags, ret))
        return 0;
    CLEANUP(tcc_deletep) TCCState *state = start(flags, n_flags, ret);
    if (!state)
        return error_set(err, -ENOMEM, "cannot start libtcc");
    if (tcc_compile_string(state, text) < 0)
        return 0;
    return finish(state, ret, err);
}

int tcc_compile_file(const char *path, struct compiled *ret, struct error *err)
{
    memset(ret, 0, sizeof(*ret));
    CLEANUP(tcc_deletep) TCCState *state = start(NULL, 0, ret);
    if (!state)
        return error_set(err, -ENOMEM, "cannot start libtcc");
    if (tcc_add_file(state, path) < 0)
        return 0;
    return finish(state, ret, err);
}
