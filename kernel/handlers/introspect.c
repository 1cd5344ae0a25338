/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Completion, inspection, and whether a text is whole. */
#include <string.h>

#include "kernel/cell/cell.h"
#include "kernel/handlers/handler.h"
#include "kernel/wire/text.h"

struct question {
    const char *code;
    size_t size, cursor; /* bytes */
};

/* The code and where the cursor stands: code points on the wire, bytes here. */
static bool read_question(struct kernel *kernel, const struct request *request,
                          struct question *ret)
{
    int64_t points;
    if (!get_text(kernel, request, "code", NULL, &ret->code) ||
        !get_integer(kernel, request, "cursor_pos", -1, &points))
        return false;
    ret->size = strlen(ret->code);
    ret->cursor =
        points < 0 ? ret->size : text_offset(ret->code, ret->size, (size_t)points);
    return true;
}

/* Completion */

struct matches {
    json_t *texts, *types;
    size_t start, end; /* bytes of the code */
};

static void add_match(struct matches *matches, const struct question *question,
                      const char *text, const char *type)
{
    json_array_append_new(matches->texts, message_text(text));
    json_array_append_new(
        matches->types,
        json_pack("{s:o, s:o, s:I, s:I}", "text", message_text(text), "type",
                  message_text(type), "start",
                  (json_int_t)text_count_points(question->code, matches->start), "end",
                  (json_int_t)text_count_points(question->code, matches->end)));
}

/* Whether the cursor stands in a magic's name: `%na` or `%%na` first on its line, or
 * behind MAGIC_MARK there. Then *ret_start is where the percent sign stands. */
static bool is_in_magic(const struct question *question, size_t *ret_start)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t start = question->cursor;
    while (start > 0 && strchr(letters, question->code[start - 1]))
        start--;
    size_t name = start;
    while (start > 0 && name - start < 2 && question->code[start - 1] == '%')
        start--;
    if (start == name)
        return false;
    *ret_start = start;
    size_t mark = strlen(MAGIC_MARK);
    if (start >= mark && !memcmp(question->code + start - mark, MAGIC_MARK, mark))
        start -= mark;
    while (start > 0 && strchr(" \t", question->code[start - 1]))
        start--;
    return start == 0 || question->code[start - 1] == '\n';
}

static void complete_magic(const struct question *question, struct matches *matches)
{
    const char *typed = question->code + matches->start;
    size_t n_typed = question->cursor - matches->start;
    size_t n_signs = strspn(typed, "%");
    size_t n;
    const char *const *names = magics_names(&n);
    matches->end = question->cursor;
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *text = must_format("%.*s%s", (int)n_signs, "%%", names[i]);
        if (strncmp(text, typed, n_typed) == 0)
            add_match(matches, question, text, "magic");
    }
}

static int complete_code(struct kernel *kernel, const struct question *question,
                         struct matches *matches, struct error *err)
{
    struct completion *completions;
    size_t n;
    matches->start = matches->end = question->cursor;
    int r = session_complete(kernel->session, question->code, question->cursor,
                             &matches->start, &matches->end, &completions, &n, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        add_match(matches, question, completions[i].text, completions[i].type);
    completions_free(completions, n);
    return 0;
}

static void run_complete(struct kernel *kernel, const struct request *request)
{
    struct question question;
    struct error err = {0};
    if (!read_question(kernel, request, &question))
        return;
    struct matches matches = {.texts = json_array(), .types = json_array()};
    int r = 0;
    if (is_in_magic(&question, &matches.start))
        complete_magic(&question, &matches);
    else
        r = complete_code(kernel, &question, &matches, &err);
    if (r < 0) {
        json_decref(matches.texts);
        json_decref(matches.types);
        reply_error(kernel, request, "KernelError", "%s", err.text);
        return;
    }
    reply(kernel, request,
          json_pack(
              "{s:s, s:o, s:I, s:I, s:{s:o}}", "status", "ok", "matches", matches.texts,
              "cursor_start", (json_int_t)text_count_points(question.code, matches.start),
              "cursor_end", (json_int_t)text_count_points(question.code, matches.end),
              "metadata", "_jupyter_types_experimental", matches.types));
}

const struct handler handle_complete = {
    .type = "complete_request",
    .channels = ON_SHELL,
    .needs_session = true,
    .run = run_complete,
};

/* Inspection */

static void run_inspect(struct kernel *kernel, const struct request *request)
{
    struct question question;
    int64_t detail;
    struct error err = {0};
    CLEANUP(freep) char *text = NULL;
    if (!read_question(kernel, request, &question) ||
        !get_integer(kernel, request, "detail_level", 0, &detail))
        return;
    if (session_inspect(kernel->session, question.code, question.cursor, detail > 0,
                        &text, &err) < 0) {
        reply_error(kernel, request, "KernelError", "%s", err.text);
        return;
    }
    json_t *data = json_object();
    if (text)
        json_object_set_new(data, "text/plain", message_text(text));
    reply(kernel, request,
          json_pack("{s:s, s:b, s:o, s:{}}", "status", "ok", "found", text != NULL,
                    "data", data, "metadata"));
}

const struct handler handle_inspect = {
    .type = "inspect_request",
    .channels = ON_SHELL,
    .needs_session = true,
    .run = run_inspect,
};

/* Whether a text is whole */

static void run_is_complete(struct kernel *kernel, const struct request *request)
{
    const char *code;
    struct error err = {0};
    CLEANUP(freep) char *status = NULL;
    CLEANUP(freep) char *indent = NULL;
    if (!get_text(kernel, request, "code", NULL, &code))
        return;
    size_t n;
    const char *const *names = magics_names(&n);
    if (session_is_complete(kernel->session, code, names, n, &status, &indent, &err) <
        0) {
        reply_error(kernel, request, "KernelError", "%s", err.text);
        return;
    }
    json_t *content = json_pack("{s:s}", "status", status ? status : "unknown");
    if (status && strcmp(status, "incomplete") == 0)
        json_object_set_new(content, "indent", message_text(indent));
    reply(kernel, request, content);
}

const struct handler handle_is_complete = {
    .type = "is_complete_request",
    .channels = ON_SHELL,
    .needs_session = true,
    .run = run_is_complete,
};
