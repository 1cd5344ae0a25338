/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/cell.h"

#include <ctype.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/peer/protocol.h"
#include "magics/arguments.h"
#include "magics/context.h"
#include "magics/executor_table.h"
#include "magics/jobs.h"
#include "magics/libraries.h"
#include "magics/mpi_headers.h"
#include "magics/objects.h"

#define MAGICS_MAX 64

static void pump_jobs(void *jobs)
{
    jobs_pump(jobs);
}

int magics_new(struct session *session, struct magics **ret, struct error *err)
{
    struct magics *magics = must_alloc(sizeof(*magics));
    (void)err;
    magics->session = session;
    magics->record = (struct texts){.size_max = RECORD_MAX, .n_max = RECORD_CELLS_MAX};
    executors_init(magics);
    magics->jobs = jobs_new();
    session_set_aside(session, &(struct session_aside){.fd = jobs_fd(magics->jobs),
                                                       .run = pump_jobs,
                                                       .context = magics->jobs});
    *ret = magics;
    return 0;
}

void magics_free(struct magics *magics)
{
    if (!magics)
        return;
    session_set_aside(magics->session, &(struct session_aside){.fd = -1});
    jobs_free(magics->jobs);
    executors_clear(magics);
    free(magics->executor);
    texts_clear(&magics->record);
    objects_clear(magics);
    libraries_forget(magics);
    free(magics->standard);
    free(magics->compiler);
    free(magics);
}

const char *const *magics_names(size_t *n)
{
    static const char *names[MAGICS_MAX];
    size_t count = 0;
    while (magic_table[count] && count < MAGICS_MAX) {
        names[count] = magic_table[count]->name;
        count++;
    }
    *n = count;
    return names;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static int run_c(struct magic_context *context, const char *text, bool is_last,
                 struct result *result, struct error *err)
{
    if (is_blank(text))
        return 0;
    int r = session_run(context->session, context->cell, context->line, text,
                        context->events, result, err);
    if (r == 0 && !is_last && result->value_text) {
        struct bundle *bundle = &result->value_more;
        if (bundle_add_text(bundle, "text/plain", result->value_text))
            context->events->display(context->events->context, bundle);
        result_drop_value(result);
    }
    return r;
}

static int run_shell(struct magic_context *context, const char *text,
                     struct result *result, struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", text, NULL};
    int status = 0, r = magic_process(context, argv, NULL, &status, err);
    if (r > 0) {
        result_error(result, "Interrupted", "the program was interrupted");
        return 0;
    }
    if (r < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return r;
    CLEANUP(freep)
    char *line = WIFSIGNALED(status)
                     ? must_format("[signal %d]\n", WTERMSIG(status))
                     : must_format("[exit status %d]\n", WEXITSTATUS(status));
    context->events->stream(context->events->context, true, line, strlen(line));
    return 0;
}

static const struct magic *find_magic(const char *name)
{
    for (size_t i = 0; magic_table[i]; i++)
        if (!strcmp(magic_table[i]->name, name))
            return magic_table[i];
    return NULL;
}

static void unknown_magic(const char *mark, const char *name, struct result *result)
{
    size_t n;
    const char *const *names = magics_names(&n);
    const char *near = nearest_name(name, names, n);
    result_error(result, "UsageError",
                 "there is no magic %s%s%s%s%s; %%lsmagic lists them all", mark, name,
                 near ? "; did you mean %" : "", near ? near : "", near ? "?" : "");
}

/* `text` starts behind the mark; of a cell magic it goes to the end of the cell. */
static int run_magic(struct magic_context *context, const char *text, bool is_cell,
                     struct result *result, struct error *err)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                               "0123456789");
    CLEANUP(freep) char *name = must_strndup(text, size);
    const struct magic *magic = find_magic(name);
    const char *mark = is_cell ? "%%" : "%";
    if (!magic) {
        unknown_magic(mark, name, result);
        return 0;
    }
    if (is_cell ? !magic->is_cell : !magic->is_line) {
        if (is_cell)
            result_error(result, "UsageError", "%%%%%s is used as %%%s %s", name, name,
                         magic->usage);
        else
            result_error(
                result, "UsageError",
                "%s takes a whole cell: write %%%%%s %s on the cell's first line", name,
                name, magic->usage);
        return 0;
    }
    size_t end = is_cell ? strcspn(text, "\n") : strlen(text);
    CLEANUP(freep) char *line = must_strndup(text + size, end - size);
    const char *body = is_cell ? text + end + (text[end] == '\n') : NULL;
    struct magic_arguments arguments;
    int r = 0;
    arguments_parse(magic, line, body, context->line + 1, &arguments, result);
    arguments.column += context->column + (uint32_t)(strlen(mark) + size);
    if (result->kind == RESULT_OK)
        r = magic->run(context, &arguments, result, err);
    arguments_clear(magic, &arguments);
    return r;
}

static void describe_magic(const struct magic *magic, struct result *result)
{
    struct buffer text = {0};
    buffer_format(&text, "%s%s %s\n\n%s\n", magic->is_line ? "%" : "%%", magic->name,
                  magic->usage, magic->summary);
    for (size_t i = 0; magic->options && magic->options[i].name; i++) {
        const struct magic_option *option = &magic->options[i];
        buffer_format(&text, "  %s%s %s\t%s\n", option->name[1] ? "--" : "-",
                      option->name, option->value ? option->value : "", option->help);
    }
    result->page = buffer_take(&text);
}

static int run_help(struct magic_context *context, const char *text,
                    struct result *result, struct error *err)
{
    while (*text == '?' || isspace((unsigned char)*text))
        text++;
    size_t size = strlen(text);
    int detail = 0;
    while (size && (text[size - 1] == '?' || isspace((unsigned char)text[size - 1])))
        detail += text[--size] == '?';
    CLEANUP(freep) char *name = must_strndup(text, size);
    const struct magic *magic =
        *name == '%' ? find_magic(name + strspn(name, "%")) : NULL;
    if (magic) {
        describe_magic(magic, result);
        return 0;
    }
    int r = session_inspect(context->session, name, size, detail > 1, &result->page, err);
    if (r == 0 && !result->page)
        result_error(result, "NameError", "nothing is known about '%s'", name);
    return r;
}

static int run_segment(struct magic_context *context, const struct segment *segment,
                       const char *text, bool is_last, struct result *result,
                       struct error *err)
{
    switch ((enum segment_kind)segment->kind) {
    case SEGMENT_C:
        return run_c(context, text, is_last, result, err);
    case SEGMENT_LINE_MAGIC:
        return run_magic(context, text + strspn(text, "%"), false, result, err);
    case SEGMENT_CELL_MAGIC:
        return run_magic(context, text + strspn(text, "%"), true, result, err);
    case SEGMENT_SHELL:
        return run_shell(context, text + 1, result, err);
    case SEGMENT_HELP:
        return run_help(context, text, result, err);
    }
    return 0;
}

int magics_run_cell(struct magics *magics, uint32_t cell, const char *source,
                    const struct session_events *events, struct result *result,
                    struct error *err)
{
    size_t n_names, n;
    const char *const *names = magics_names(&n_names);
    CLEANUP(freep) struct segment *segments = NULL;
    session_add_source(magics->session, cell, source);
    int r = session_segments(magics->session, source, names, n_names, &segments, &n, err);
    for (size_t i = 0; r == 0 && i < n && result->kind == RESULT_OK; i++) {
        struct magic_context context = {.magics = magics,
                                        .session = magics->session,
                                        .cell = cell,
                                        .line = segments[i].line,
                                        .column = segments[i].column,
                                        .events = events};
        CLEANUP(freep)
        char *text = must_strndup(source + segments[i].offset, segments[i].size);
        result_drop_value(result);
        if (session_was_interrupted(magics->session)) {
            result_error(result, "Interrupted",
                         i ? "interrupted; nothing was run from line %u on"
                           : "interrupted; nothing was run",
                         segments[i].line);
            break;
        }
        r = mpi_headers_use(&context, text, result, err);
        if (r == 0 && result->kind == RESULT_OK)
            r = run_segment(&context, &segments[i], text, i + 1 == n, result, err);
    }
    if (r == 0 && result->kind == RESULT_OK)
        texts_add(&magics->record,
                  (struct cell_text){.cell = cell, .text = must_strdup(source)});
    return r;
}
