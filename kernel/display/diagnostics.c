/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Diagnostics as gcc and clang show them:
 *
 *     In[3]:2:9: error: use of undeclared identifier 'conut'; did you mean 'count'?
 *         2 | int x = conut;
 *           |         ^~~~~
 *           |         count
 */
#include <string.h>

#include "kernel/display/colour.h"
#include "kernel/display/report.h"

#define TAB_STOP 8
#define LINE_BYTES_MAX 400 /* of a source line shown; longer ones show a window */
#define WINDOW_BEFORE 100  /* bytes of that window before the marked column */

/* The part of a source line that is shown, and where the mark is in columns of it. */
struct excerpt {
    struct buffer text;
    size_t mark_start, mark_end;
};

/* Bytes of the UTF-8 character at `text`, 1 for a byte that starts none. */
static size_t decode(const char *text, size_t size, uint32_t *ret_code)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n = at[0] < 0x80   ? 1
               : at[0] < 0xc2 ? 0
               : at[0] < 0xe0 ? 2
               : at[0] < 0xf0 ? 3
               : at[0] < 0xf5 ? 4
                              : 0;
    *ret_code = at[0];
    if (n < 2 || n > size)
        return 1;
    uint32_t code = at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 1;
        code = code << 6 | (at[i] & 0x3f);
    }
    *ret_code = code;
    return n;
}

static bool is_between(uint32_t code, uint32_t first, uint32_t last)
{
    return code >= first && code <= last;
}

/* Columns of a character in a terminal, without asking the locale: 0 for combining marks
 * and joiners, 2 for East Asian wide ones and emoji (Unicode TR 11, main ranges). */
static unsigned width_of(uint32_t code)
{
    if (is_between(code, 0x300, 0x36f) || is_between(code, 0x483, 0x489) ||
        is_between(code, 0x591, 0x5bd) || is_between(code, 0x610, 0x61a) ||
        is_between(code, 0x64b, 0x65f) || is_between(code, 0x900, 0x902) ||
        code == 0x93a || code == 0x93c || is_between(code, 0x941, 0x948) ||
        code == 0x94d || is_between(code, 0x1ab0, 0x1aff) ||
        is_between(code, 0x1dc0, 0x1dff) || is_between(code, 0x200b, 0x200f) ||
        is_between(code, 0x20d0, 0x20ff) || is_between(code, 0xfe00, 0xfe0f) ||
        is_between(code, 0xfe20, 0xfe2f) || code == 0xfeff)
        return 0;
    if (is_between(code, 0x1100, 0x115f) || is_between(code, 0x2e80, 0x303e) ||
        is_between(code, 0x3041, 0xa4cf) || is_between(code, 0xa960, 0xa97c) ||
        is_between(code, 0xac00, 0xd7a3) || is_between(code, 0xf900, 0xfaff) ||
        is_between(code, 0xfe30, 0xfe6f) || is_between(code, 0xff00, 0xff60) ||
        is_between(code, 0xffe0, 0xffe6) || is_between(code, 0x1f300, 0x1f64f) ||
        is_between(code, 0x1f680, 0x1f6ff) || is_between(code, 0x1f900, 0x1f9ff) ||
        is_between(code, 0x20000, 0x3fffd))
        return 2;
    return 1;
}

/* Adds the character at text[0] as it can be shown and returns its bytes: tabs become
 * blanks, control and stray bytes become <XX>. */
static size_t add_character(struct excerpt *excerpt, const char *text, size_t size,
                            size_t *column)
{
    uint32_t code;
    size_t n = decode(text, size, &code);
    struct buffer *out = &excerpt->text;
    if (code == '\t') {
        size_t blanks = TAB_STOP - *column % TAB_STOP;
        buffer_format(out, "%*s", (int)blanks, "");
        *column += blanks;
    } else if (code < 0x20 || is_between(code, 0x7f, 0x9f) || (n == 1 && code >= 0x80)) {
        buffer_format(out, "<%02X>", code);
        *column += code > 0xff ? 6 : 4;
    } else {
        buffer_add(out, text, n);
        *column += width_of(code);
    }
    return n;
}

static size_t window_start(const char *line, size_t size, size_t mark)
{
    if (size <= LINE_BYTES_MAX || mark <= WINDOW_BEFORE)
        return 0;
    size_t start = mark - WINDOW_BEFORE;
    while (start < size && (line[start] & 0xc0) == 0x80)
        start++;
    return start;
}

/* `from` and `to` are byte offsets of the marked range. */
static void excerpt_make(const char *line, size_t from, size_t to, struct excerpt *ret)
{
    size_t size = strcspn(line, "\n");
    size_t start = window_start(line, size, from), column = 0;
    size_t at = start;
    if (start) {
        buffer_add_string(&ret->text, "...");
        column = 3;
    }
    ret->mark_start = ret->mark_end = SIZE_MAX;
    while (at < size && at - start < LINE_BYTES_MAX) {
        if (at >= from && ret->mark_start == SIZE_MAX)
            ret->mark_start = column;
        if (at >= to && ret->mark_end == SIZE_MAX)
            ret->mark_end = column;
        at += add_character(ret, line + at, size - at, &column);
    }
    if (ret->mark_start == SIZE_MAX)
        ret->mark_start = column;
    if (ret->mark_end == SIZE_MAX)
        ret->mark_end = column;
    if (at < size)
        buffer_add_string(&ret->text, "...");
    if (ret->mark_end <= ret->mark_start)
        ret->mark_end = ret->mark_start + 1;
}

static char *place_of(const struct diagnostic *d)
{
    struct buffer out = {0};
    if (d->cell)
        buffer_format(&out, "In[%u]", d->cell);
    else if (d->file)
        buffer_add_string(&out, d->file);
    else
        return must_strdup("");
    if (d->line)
        buffer_format(&out, ":%u", d->line);
    if (d->line && d->column)
        buffer_format(&out, ":%u", d->column);
    buffer_add_string(&out, ": ");
    return buffer_take(&out);
}

static const char *severity_colour(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTE:
        return COLOUR_NOTE "note: ";
    case SEVERITY_WARNING:
        return COLOUR_WARNING "warning: ";
    case SEVERITY_ERROR:
        return COLOUR_ERROR "error: ";
    }
    return "";
}

static void add_mark(struct report *ret, const struct excerpt *excerpt)
{
    struct buffer out = {0};
    buffer_format(&out, "      | %*s" COLOUR_CARET "^", (int)excerpt->mark_start, "");
    for (size_t i = excerpt->mark_start + 1; i < excerpt->mark_end; i++)
        buffer_add_char(&out, '~');
    buffer_add_string(&out, COLOUR_OFF);
    report_add(ret, buffer_string(&out));
    buffer_clear(&out);
}

static void add_excerpt(struct report *ret, const struct diagnostic *d)
{
    size_t from = d->column ? d->column - 1 : 0;
    size_t to = d->end_column > d->column ? d->end_column - 1 : from + 1;
    struct excerpt excerpt = {0};
    excerpt_make(d->line_text, from, to, &excerpt);
    CLEANUP(freep)
    char *line = must_format("%5u | %s", d->line, buffer_string(&excerpt.text));
    report_add(ret, line);
    if (d->column)
        add_mark(ret, &excerpt);
    if (d->column && d->fixit && *d->fixit && !strchr(d->fixit, '\n')) {
        CLEANUP(freep)
        char *fixit = must_format("      | %*s" COLOUR_CARET "%s" COLOUR_OFF,
                                  (int)excerpt.mark_start, "", d->fixit);
        report_add(ret, fixit);
    }
    buffer_clear(&excerpt.text);
}

void report_diagnostics(const struct diagnostic *diagnostics, size_t n,
                        struct report *ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct diagnostic *d = &diagnostics[i];
        const char *message = d->message ? d->message : "";
        CLEANUP(freep) char *place = place_of(d);
        CLEANUP(freep)
        char *head = must_format(COLOUR_NAME "%s" COLOUR_OFF "%s" COLOUR_OFF COLOUR_NAME
                                             "%s" COLOUR_OFF,
                                 place, severity_colour(d->severity), message);
        report_add(ret, head);
        if (d->line_text && d->line)
            add_excerpt(ret, d);
        if (d->severity == SEVERITY_ERROR && !ret->name) {
            ret->name = must_strdup("CompileError");
            ret->message = must_format("%s%s", place, message);
        }
    }
}
