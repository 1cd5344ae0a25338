/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What valgrind writes with --xml=yes: its tags stand one a line. */
#include <string.h>

#include "magics/checked.h"

struct reader {
    struct findings *findings;
    struct finding *finding;
    struct finding_stack *stack;
    char *label; /* of the next stack */
    bool is_in_error;
    char *function, *file, *line; /* of the frame at hand */
};

static void unescape(char *text)
{
    static const struct {
        const char *from;
        char to;
    } names[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&apos;", '\''}, {"&quot;", '"'}};
    char *out = text;
    while (*text) {
        size_t i = 0, n = sizeof(names) / sizeof(*names);
        while (i < n && strncmp(text, names[i].from, strlen(names[i].from)) != 0)
            i++;
        *out++ = i < n ? names[i].to : *text;
        text += i < n ? strlen(names[i].from) : 1;
    }
    *out = '\0';
}

/* The text of <tag>text</tag>, owned; NULL when the line is another. */
static char *text_of(const char *line, const char *tag)
{
    size_t size = strlen(tag);
    line += strspn(line, " ");
    if (*line != '<' || strncmp(line + 1, tag, size) != 0 || line[1 + size] != '>')
        return NULL;
    line += size + 2;
    const char *end = strstr(line, "</");
    char *text = must_strndup(line, end ? (size_t)(end - line) : strlen(line));
    unescape(text);
    return text;
}

static bool is_tag(const char *line, const char *tag)
{
    return !strncmp(line + strspn(line, " "), tag, strlen(tag));
}

static void set(char **member, char *text)
{
    free(*member);
    *member = text;
}

static void end_frame(struct reader *reader)
{
    CLEANUP(freep)
    char *place = must_format("%s:%s", reader->file ? reader->file : "",
                              reader->line ? reader->line : "");
    const char *function = reader->function ? reader->function : "?";
    finding_add_frame(reader->stack, function, strlen(function), place);
    set(&reader->function, NULL);
    set(&reader->file, NULL);
    set(&reader->line, NULL);
}

/* "Address 0x4a41050 is 0 bytes after a block of size 16 alloc'd" */
static void take_further(struct reader *reader, const char *text)
{
    const char *at = !strncmp(text, "Address 0x", 10) ? strstr(text, " is ") : NULL;
    if (reader->finding)
        finding_add_text(reader->finding, ", %s", at ? at + 4 : text);
    set(&reader->label, must_strdup(strstr(text, "free'd")    ? "freed in"
                                    : strstr(text, "alloc'd") ? "allocated in"
                                                              : "which is of"));
}

static void take_text(struct reader *reader, char *text)
{
    char *end = strstr(text, " in loss record");
    if (end)
        *end = '\0';
    reader->finding = findings_add(reader->findings, text);
    free(text);
}

static void read_line(struct reader *reader, const char *line)
{
    char *text;
    if (is_tag(line, "<error>"))
        reader->is_in_error = true;
    else if (is_tag(line, "</error>"))
        reader->is_in_error = false;
    if (!reader->is_in_error)
        return;
    if ((text = text_of(line, "what")) || (text = text_of(line, "text"))) {
        take_text(reader, text);
        set(&reader->label, NULL);
    } else if ((text = text_of(line, "auxwhat"))) {
        take_further(reader, text);
        free(text);
    } else if (is_tag(line, "<stack>")) {
        reader->stack = finding_add_stack(reader->finding, reader->label);
        set(&reader->label, must_strdup("and"));
    } else if (is_tag(line, "</frame>")) {
        end_frame(reader);
    } else if ((text = text_of(line, "fn"))) {
        set(&reader->function, text);
    } else if ((text = text_of(line, "file"))) {
        set(&reader->file, text);
    } else if ((text = text_of(line, "line"))) {
        set(&reader->line, text);
    }
}

void findings_read_xml(const char *text, struct findings *ret)
{
    struct reader reader = {.findings = ret};
    while (*text) {
        size_t size = strcspn(text, "\n");
        CLEANUP(freep) char *line = must_strndup(text, size);
        read_line(&reader, line);
        text += size + (text[size] == '\n');
    }
    set(&reader.label, NULL);
    set(&reader.function, NULL);
    set(&reader.file, NULL);
    set(&reader.line, NULL);
}
