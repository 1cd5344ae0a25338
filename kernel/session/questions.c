/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Questions of a front end to the analyser. An analyser that fails at one gives an empty
 * answer: a completion that is not there is no error. */
#include <errno.h>
#include <string.h>

#include "kernel/cell/cell.h"
#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"
#include "pickler/base/lex.h"

/* 1 with *ret to be read, 0 when there is no answer. An interrupt that ends a question is
 * meant for what the question is asked for: it stays for that. */
static int ask(struct session *session, uint16_t kind, const struct buffer *question,
               struct unpack *ret, struct error *err)
{
    CLEANUP(freep) char *why = NULL;
    struct frame answer;
    int r = analyser_client_ask(&session->analyser, kind, question, &answer, &why, err);
    if (r == 0 && why && !strncmp(why, "interrupted", strlen("interrupted")))
        interrupt_raise(&session->interrupt);
    if (r > 0 && answer.kind == FRAME_BAD)
        r = 0;
    if (r > 0)
        *ret = unpack_init(answer.data, answer.size);
    return r;
}

static void pack_names(const char *const *names, size_t n, struct buffer *out)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        pack_string(out, names[i]);
}

/* Without an analyser the whole cell is C, and the analyser will say what is wrong. */
static void one_segment(const char *source, struct segment **ret, size_t *ret_n)
{
    struct lexer lexer = lexer_init(source, strlen(source));
    bool has_c = lexer_next(&lexer).kind != TOKEN_END || lexer.unterminated;
    *ret = must_alloc(sizeof(**ret));
    **ret = (struct segment){
        .kind = SEGMENT_C, .line = 1, .column = 1, .size = strlen(source)};
    *ret_n = has_c;
}

/* A line that the analyser must look at: a mark of a magic comes first, maybe behind a
 * comment, or a question mark last. */
static bool may_be_magic(const char *line, size_t size)
{
    static const char blanks[] = " \t\r\f\v";
    while (size && strchr(blanks, *line))
        line++, size--;
    while (size && strchr(blanks, line[size - 1]))
        size--;
    if (!size)
        return false;
    if (strchr("%!?", *line) || line[size - 1] == '?' ||
        memmem(line, size, MAGIC_MARK, strlen(MAGIC_MARK)))
        return true;
    return memmem(line, size, "*/", 2) &&
           (memchr(line, '%', size) || memchr(line, '!', size) ||
            memchr(line, '?', size));
}

static bool is_all_c(const char *source)
{
    while (*source) {
        size_t size = strcspn(source, "\n");
        if (may_be_magic(source, size))
            return false;
        source += size + (source[size] == '\n');
    }
    return true;
}

int session_segments(struct session *session, const char *source,
                     const char *const *magics, size_t n_magics, struct segment **ret,
                     size_t *ret_n, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack in;
    size_t size = strlen(source);
    if (is_all_c(source)) {
        one_segment(source, ret, ret_n);
        return 0;
    }
    pack_string(&question, source);
    pack_names(magics, n_magics, &question);
    int r = ask(session, ANALYSER_SEGMENTS, &question, &in, err);
    if (r < 0)
        return r;
    if (r == 0) {
        one_segment(source, ret, ret_n);
        return 0;
    }
    size_t n = unpack_count(&in);
    CLEANUP(freep) struct segment *segments = must_alloc((n + 1) * sizeof(*segments));
    for (size_t i = 0; i < n; i++) {
        segments[i].kind = (int)unpack_max(&in, SEGMENT_HELP);
        segments[i].line = (uint32_t)unpack_max(&in, UINT32_MAX);
        segments[i].column = (uint32_t)unpack_max(&in, UINT32_MAX);
        segments[i].offset = (size_t)unpack_max(&in, size);
        segments[i].size = (size_t)unpack_max(&in, size - segments[i].offset);
    }
    if (in.failed)
        return error_set(err, -EBADMSG, "the analyser's segments cannot be read");
    *ret = TAKE(segments);
    *ret_n = n;
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

int session_complete(struct session *session, const char *source, size_t cursor,
                     size_t *ret_start, size_t *ret_end, struct completion **ret,
                     size_t *ret_n, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack in;
    *ret = NULL;
    *ret_n = 0;
    *ret_start = *ret_end = cursor;
    pack_string(&question, source);
    pack_u64(&question, cursor);
    int r = ask(session, ANALYSER_COMPLETE, &question, &in, err);
    if (r <= 0)
        return r;
    size_t start = (size_t)unpack_max(&in, cursor);
    size_t end = (size_t)unpack_max(&in, strlen(source));
    size_t n = unpack_count(&in);
    struct completion *completions = must_alloc((n + 1) * sizeof(*completions));
    for (size_t i = 0; i < n; i++) {
        completions[i].text = unpack_string(&in);
        completions[i].type = unpack_string(&in);
        in.failed |= !completions[i].text;
    }
    if (in.failed) {
        completions_free(completions, n);
        return error_set(err, -EBADMSG, "the analyser's completions cannot be read");
    }
    *ret_start = start;
    *ret_end = end;
    *ret = completions;
    *ret_n = n;
    return 0;
}

int session_inspect(struct session *session, const char *source, size_t cursor,
                    int detail, char **ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack in;
    *ret = NULL;
    pack_string(&question, source);
    pack_u64(&question, cursor);
    pack_u64(&question, detail > 0);
    int r = ask(session, ANALYSER_INSPECT, &question, &in, err);
    if (r > 0)
        *ret = unpack_string(&in);
    return r < 0 ? r : 0;
}

int session_expand(struct session *session, uint32_t cell, uint32_t line,
                   const char *source, char **ret, struct result *result,
                   struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack in;
    *ret = NULL;
    pack_u64(&question, cell);
    pack_u64(&question, line);
    pack_string(&question, source);
    int r = ask(session, ANALYSER_EXPAND, &question, &in, err);
    if (r < 0)
        return r;
    if (r > 0)
        *ret = unpack_string(&in);
    CLEANUP(freep) char *why = r > 0 ? unpack_string(&in) : NULL;
    if (!*ret)
        result_error(result, r > 0 ? "CompileError" : "AnalyserError", "%s",
                     why ? why : "the analyser gave no answer");
    return 0;
}

int session_is_complete(struct session *session, const char *source,
                        const char *const *magics, size_t n_magics, char **ret_status,
                        char **ret_indent, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack in;
    pack_string(&question, source);
    pack_names(magics, n_magics, &question);
    *ret_status = *ret_indent = NULL;
    int r = ask(session, ANALYSER_IS_COMPLETE, &question, &in, err);
    if (r < 0)
        return r;
    if (r > 0) {
        *ret_status = unpack_string(&in);
        *ret_indent = unpack_string(&in);
    }
    if (!*ret_status)
        *ret_status = must_strdup("unknown");
    if (!*ret_indent)
        *ret_indent = must_strdup("");
    return 0;
}
