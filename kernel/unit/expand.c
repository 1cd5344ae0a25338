/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text after macro expansion: everything the session has in front of it, preprocessed as
 * for libtcc, and of the result what came from the text itself. */
#include <errno.h>
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"
#include "kernel/unit/expansion.h"
#include "kernel/unit/header_text.h"
#include "kernel/unit/prologue.h"

/* Words between which the text stands; headers that it includes stand outside. */
#define BEGIN "achar_expand_begin"
#define END "achar_expand_end"

static bool is_include(const char *line)
{
    line += strspn(line, " \t");
    if (*line++ != '#')
        return false;
    line += strspn(line, " \t");
    return strncmp(line, "include", 7) == 0;
}

static void add_begin(struct buffer *out, uint32_t cell, uint32_t line)
{
    buffer_format(out, BEGIN "\n#line %u \"In[%u]\"\n", line, cell);
}

static void add_source(struct buffer *out, uint32_t cell, uint32_t line,
                       const char *source)
{
    add_begin(out, cell, line);
    while (*source) {
        size_t size = strcspn(source, "\n");
        bool is_outside = is_include(source);
        line++;
        if (is_outside)
            buffer_add_string(out, END "\n");
        buffer_add(out, source, size);
        buffer_add_char(out, '\n');
        if (is_outside)
            add_begin(out, cell, line);
        source += size + (source[size] == '\n');
    }
    buffer_add_string(out, END "\n");
}

static char *between_marks(const char *text)
{
    struct buffer out = {0};
    const char *end;
    for (const char *at = strstr(text, BEGIN); at; at = strstr(end, BEGIN)) {
        at += strlen(BEGIN);
        at += *at == '\n';
        end = strstr(at, END);
        if (!end)
            end = at + strlen(at);
        buffer_add(&out, at, (size_t)(end - at));
    }
    buffer_add_string(&out, "");
    return buffer_take(&out);
}

int analysis_expand(struct analysis *analysis, uint32_t cell, uint32_t line,
                    const char *source, char **ret, struct error *err)
{
    struct draft draft = {.analysis = analysis};
    CLEANUP(buffer_clear) struct buffer expanded = {0};
    if (strlen(source) > CELL_SIZE_MAX)
        return error_set(err, -E2BIG, "the cell is larger than %u bytes", CELL_SIZE_MAX);
    prologue_full(&draft);
    add_source(&draft.prologue, cell, line, source);
    int r =
        expansion_excess(buffer_string(&draft.prologue), draft.prologue.size) == SIZE_MAX
            ? 0
            : error_set(err, -E2BIG, EXPANSION_ERROR);
    if (r == 0)
        r = header_expand(buffer_string(&draft.prologue),
                          (const char *const *)analysis->flags, analysis->n_flags,
                          &expanded, err);
    buffer_clear(&draft.prologue);
    free(draft.used);
    if (r < 0)
        return r;
    *ret = between_marks(buffer_string(&expanded));
    return 0;
}
