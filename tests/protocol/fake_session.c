/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A kernel with the real wire and handlers, and in the place of the session a toy that
 * does exactly what a test tells it, line by line:
 *
 *     print TEXT, eprint TEXT   output with a newline     write TEXT   without
 *     hex 41C3                  bytes to stdout           sleep MS     until interrupted
 *     flood                     prints for ever           repeat N TEXT
 *     display TEXT              page TEXT                 error        fail
 *     a number                  is the value              world        a negative return
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "kernel/handlers/kernel.h"

struct session {
    int interrupt_fd;
};

struct magics {
    struct session *session;
};

void result_drop_value(struct result *result)
{
    free(TAKE(result->value_text));
    bundle_clear(&result->value_more);
}

void result_clear(struct result *result)
{
    for (size_t i = 0; i < result->n_traceback; i++)
        free(result->traceback[i]);
    free(result->traceback);
    free(result->name);
    free(result->message);
    result_drop_value(result);
    free(result->page);
    *result = (struct result){0};
}

void result_error(struct result *result, const char *name, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    result_clear(result);
    result->kind = RESULT_ERROR;
    result->name = must_strdup(name);
    result->message = must_strdup(text);
    result->traceback = must_alloc(sizeof(char *));
    result->traceback[0] = must_format("%s: %s", name, text);
    result->n_traceback = 1;
}

int session_new(struct session **ret, struct error *err)
{
    *ret = must_alloc(sizeof(**ret));
    (*ret)->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return 0;
}

void session_free(struct session *session)
{
    if (session)
        close(session->interrupt_fd);
    free(session);
}

void session_interrupt(struct session *session)
{
    eventfd_write(session->interrupt_fd, 1);
}

void session_begin(struct session *session, bool is_interrupted)
{
    eventfd_t count;
    eventfd_read(session->interrupt_fd, &count);
    if (is_interrupted)
        eventfd_write(session->interrupt_fd, 1);
}

bool session_was_interrupted(struct session *session)
{
    eventfd_t count;
    return eventfd_read(session->interrupt_fd, &count) == 0;
}

void session_rest(struct session *session)
{
    (void)session;
}

void session_finish(struct session *session)
{
    (void)session;
}

void session_begin_cell(struct session *session, uint32_t cell,
                        const struct cell_origin *origin)
{
    (void)session;
    (void)cell;
    (void)origin;
}

int session_end_cell(struct session *session, uint32_t cell, bool has_succeeded,
                     const struct session_events *events, struct error *err)
{
    (void)session;
    (void)cell;
    (void)has_succeeded;
    (void)events;
    (void)err;
    return 0;
}

size_t session_watch(const struct session *session, struct pollfd *fds)
{
    return 0;
}

void session_listen(struct session *session, const struct pollfd *fds)
{
}

static bool wait_interrupted(struct session *session, int ms)
{
    struct pollfd item = {session->interrupt_fd, POLLIN, 0};
    return poll(&item, 1, ms) > 0;
}

static const char *argument(const char *line, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0 || (line[n] && line[n] != ' '))
        return NULL;
    return line + n + (line[n] == ' ');
}

static void print(const struct session_events *events, bool is_stderr, const char *text,
                  const char *end)
{
    char *line = must_format("%s%s", text, end);
    events->stream(events->context, is_stderr, line, strlen(line));
    free(line);
}

static void show(const struct session_events *events, const char *text)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    if (bundle_add_text(&bundle, "text/plain", text))
        events->display(events->context, &bundle);
}

static void print_hex(const struct session_events *events, const char *digits)
{
    for (; digits[0] && digits[1]; digits += 2) {
        char pair[3] = {digits[0], digits[1], 0};
        char byte = (char)strtol(pair, NULL, 16);
        events->stream(events->context, false, &byte, 1);
    }
}

static void repeat(const struct session_events *events, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    for (long i = 0; i < n; i++)
        print(events, false, end + (*end == ' '), "\n");
}

static void interrupted(struct result *result)
{
    result_error(result, "Interrupted", "stopped");
}

static void flood(struct session *session, const struct session_events *events,
                  struct result *result)
{
    while (!wait_interrupted(session, 0))
        for (int i = 0; i < 100; i++)
            print(events, false,
                  "a line of an endless print that nobody ever wants to read", "\n");
    interrupted(result);
}

static int run_line(struct session *session, const char *line,
                    const struct session_events *events, struct result *result,
                    struct error *err)
{
    const char *text;
    char *end;
    if ((text = argument(line, "print")))
        print(events, false, text, "\n");
    else if ((text = argument(line, "eprint")))
        print(events, true, text, "\n");
    else if ((text = argument(line, "write")))
        print(events, false, text, "");
    else if ((text = argument(line, "hex")))
        print_hex(events, text);
    else if ((text = argument(line, "repeat")))
        repeat(events, text);
    else if ((text = argument(line, "display")))
        show(events, text);
    else if ((text = argument(line, "page")))
        result->page = must_strdup(text);
    else if (argument(line, "error"))
        result_error(result, "FakeError", "as asked");
    else if (argument(line, "world"))
        return error_set(err, -EIO, "the worker cannot be started");
    else if (argument(line, "flood"))
        flood(session, events, result);
    else if ((text = argument(line, "sleep"))) {
        if (wait_interrupted(session, (int)strtol(text, NULL, 10)))
            interrupted(result);
    } else if (strtol(line, &end, 10), end != line)
        result->value_text = must_strdup(line);
    else if (*line)
        result_error(result, "CompileError", "not a command");
    return 0;
}

int session_run(struct session *session, uint32_t cell, uint32_t line, const char *source,
                const struct session_events *events, struct result *result,
                struct error *err)
{
    int r = 0;
    while (*source && r == 0 && result->kind == RESULT_OK) {
        char *one = must_strndup(source, strcspn(source, "\n"));
        source += strlen(one);
        source += *source == '\n';
        r = run_line(session, one, events, result, err);
        free(one);
    }
    return r;
}

int session_complete(struct session *session, const char *source, size_t cursor,
                     size_t *ret_start, size_t *ret_end, struct completion **ret,
                     size_t *ret_n, struct error *err)
{
    size_t start = cursor;
    while (start > 0 && source[start - 1] >= 'a' && source[start - 1] <= 'z')
        start--;
    *ret_start = start;
    *ret_end = cursor;
    *ret = must_alloc(sizeof(**ret));
    (*ret)->text = must_format("%.*sing", (int)(cursor - start), source + start);
    (*ret)->type = must_strdup("function");
    *ret_n = 1;
    return 0;
}

void completions_free(struct completion *completions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(completions[i].text);
        free(completions[i].type);
    }
    free(completions);
}

int session_inspect(struct session *session, const char *source, size_t cursor,
                    int detail, char **ret, struct error *err)
{
    *ret = strncmp(source, "known", 5) == 0
               ? must_format("byte %zu, detail %d", cursor, detail)
               : NULL;
    return 0;
}

int session_is_complete(struct session *session, const char *source,
                        const char *const *magics, size_t n_magics, char **ret_status,
                        char **ret_indent, struct error *err)
{
    *ret_status = must_strdup(strchr(source, '{') ? "incomplete" : "complete");
    *ret_indent = must_strdup("    ");
    return 0;
}

int magics_new(struct session *session, struct magics **ret, struct error *err)
{
    *ret = must_alloc(sizeof(**ret));
    (*ret)->session = session;
    return 0;
}

void magics_free(struct magics *magics)
{
    free(magics);
}

int magics_run_cell(struct magics *magics, uint32_t cell, const char *source,
                    const struct session_events *events, struct result *result,
                    struct error *err)
{
    return session_run(magics->session, cell, 1, source, events, result, err);
}

const char *const *magics_names(size_t *n)
{
    static const char *const names[] = {"link", "lsmagic", "time", NULL};
    *n = 3;
    return names;
}

int main(int argc, char **argv)
{
    CLEANUP(connection_clear) struct connection connection = {0};
    struct error err = {0};
    if (argc != 2 || connection_read(argv[1], &connection, &err) < 0 ||
        kernel_run(&connection, &err) < 0) {
        fprintf(stderr, "fake kernel: %s\n", argc == 2 ? err.text : "a file is needed");
        return 1;
    }
    return 0;
}

int session_idle(struct session *session)
{
    return -1;
}
