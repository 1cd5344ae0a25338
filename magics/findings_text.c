/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the sanitizers of gcc and clang write. */
#include <stdio.h>
#include <string.h>

#include "magics/checked.h"

struct reader {
    struct findings *findings;
    struct finding *finding;     /* that lines belong to; NULL: none */
    struct finding_stack *stack; /* that frames belong to; NULL: they are skipped */
};

static void begin_finding(struct reader *reader, const char *text, size_t size)
{
    CLEANUP(freep) char *copy = must_strndup(text, size);
    reader->finding = findings_add(reader->findings, copy);
    reader->stack = finding_add_stack(reader->finding, NULL);
}

static void begin_stack(struct reader *reader, const char *label)
{
    reader->stack = finding_add_stack(reader->finding, label);
}

/* Length up to the first of these marks. */
static size_t up_to(const char *text, const char *const *marks)
{
    size_t size = strlen(text);
    for (; *marks; marks++) {
        const char *at = strstr(text, *marks);
        if (at && (size_t)(at - text) < size)
            size = (size_t)(at - text);
    }
    return size;
}

static bool read_head(struct reader *reader, const char *line)
{
    static const char *const ends[] = {
        " on unknown address", " on address", " (pc ", ": 0x", " on 0x",
        " in thread",          NULL};
    static const char mark[] = "ERROR: ";
    const char *at = strstr(line, mark);
    if (!at)
        return false;
    at += strlen(mark);
    const char *text = strstr(at, "Sanitizer: ");
    if (!text)
        return false;
    text += strlen("Sanitizer: ");
    reader->finding = NULL;
    reader->stack = NULL;
    if (!strncmp(text, "detected memory leaks", 21))
        return true; /* each leak is a finding */
    begin_finding(reader, text, up_to(text, ends));
    return true;
}

/* "Direct leak of 16 byte(s) in 1 object(s) allocated from:" */
static bool read_leak(struct reader *reader, const char *line)
{
    unsigned long long bytes, objects;
    bool is_direct = !strncmp(line, "Direct leak of ", 15);
    if (!is_direct && strncmp(line, "Indirect leak of ", 17) != 0)
        return false;
    reader->finding = NULL;
    reader->stack = NULL;
    if (is_direct &&
        sscanf(line + 15, "%llu byte(s) in %llu object(s)", &bytes, &objects) == 2) {
        CLEANUP(freep)
        char *text = must_format("leak of %llu byte%s in %llu block%s, allocated", bytes,
                                 bytes == 1 ? "" : "s", objects, objects == 1 ? "" : "s");
        begin_finding(reader, text, strlen(text));
    }
    return true;
}

/* "In[3]:5:7: runtime error: signed integer overflow: ..." */
static bool read_runtime_error(struct reader *reader, const char *line)
{
    static const char mark[] = ": runtime error: ";
    const char *at = strstr(line, mark);
    if (!at)
        return false;
    const char *text = at + strlen(mark);
    begin_finding(reader, text, strlen(text));
    CLEANUP(freep)
    char *place = must_format("%s%.*s", *line == '/' ? "" : "/", (int)(at - line), line);
    finding_add_frame(reader->stack, "?", 1, place);
    return true;
}

static const char *side_of(const char *text)
{
    if (strstr(text, " to the right of ") || strstr(text, " after "))
        return "after";
    if (strstr(text, " to the left of ") || strstr(text, " before "))
        return "before";
    return "inside";
}

/* "0x602000000020 is located 0 bytes to the right of 16-byte region [...)", "... of
 * global variable 'g' defined in 'In[1]:2:5' (0x...) of size 12" */
static bool read_region(struct reader *reader, const char *line)
{
    unsigned long long offset, size;
    char name[64];
    const char *at = strstr(line, " is located ");
    if (!at || !reader->finding)
        return false;
    at += strlen(" is located ");
    const char *region = strstr(at, "-byte region"), *global = strstr(at, " variable '");
    if (sscanf(at, "%llu bytes", &offset) != 1)
        return false;
    while (region && region > at && region[-1] >= '0' && region[-1] <= '9')
        region--;
    if (region && sscanf(region, "%llu", &size) == 1)
        finding_add_text(reader->finding, ", %llu bytes %s a block of %llu bytes", offset,
                         side_of(at), size);
    else if (global && sscanf(global, " variable '%63[^']'", name) == 1)
        finding_add_text(reader->finding, ", %llu bytes %s the variable '%s'", offset,
                         side_of(at), name);
    reader->stack = NULL;
    return true;
}

/* "[32, 44) 'a' (line 3) <== Memory access at offset 44 overflows this variable" */
static bool read_local(struct reader *reader, const char *line)
{
    char name[64];
    const char *at = strstr(line, ") '"), *how = strstr(line, "<== Memory access");
    if (!at || !how || !reader->finding || sscanf(at, ") '%63[^']'", name) != 1)
        return false;
    const char *verb = strstr(how, "underflows")  ? "before"
                       : strstr(how, "overflows") ? "behind"
                                                  : "in";
    finding_add_text(reader->finding, ", %s the variable '%s'", verb, name);
    return true;
}

static bool read_access(struct reader *reader, const char *line)
{
    unsigned long long size;
    const char *cause = strstr(line, "caused by a ");
    bool is_read = !strncmp(line, "READ of size ", 13);
    if (!reader->finding)
        return false;
    if (cause) {
        bool is_write = !strncmp(cause + 12, "WRITE", 5);
        if (is_write || !strncmp(cause + 12, "READ", 4))
            finding_add_text(reader->finding, ": %s", is_write ? "write" : "read");
        return true;
    }
    const char *number = line + (is_read ? 13 : 14);
    if ((!is_read && strncmp(line, "WRITE of size ", 14) != 0) ||
        sscanf(number, "%llu", &size) != 1)
        return false;
    finding_add_text(reader->finding, ": %s of %llu byte%s", is_read ? "read" : "write",
                     size, size == 1 ? "" : "s");
    return true;
}

static bool read_label(struct reader *reader, const char *line)
{
    if (!reader->finding)
        return false;
    if (!strncmp(line, "freed by ", 9))
        begin_stack(reader, "freed in");
    else if (strstr(line, "allocated by "))
        begin_stack(reader, "allocated in");
    else if (strstr(line, " is located in stack of "))
        reader->stack = NULL;
    else
        return false;
    return true;
}

static const char *plain_function(const char *name)
{
    static const char *const prefixes[] = {"__interceptor_", "___interceptor_", "__asan_",
                                           "__ubsan_", NULL};
    for (size_t i = 0; prefixes[i]; i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
            return name + strlen(prefixes[i]);
    return name;
}

/* "    #0 0x55 in fill /folder/In[3]:6:5" */
static bool read_frame(struct reader *reader, const char *line)
{
    line += strspn(line, " ");
    if (*line != '#')
        return false;
    const char *at = strstr(line, " in ");
    if (!at || !reader->stack)
        return true;
    const char *name = plain_function(at + 4);
    size_t size = strcspn(name, " ");
    struct finding_stack *stack = reader->stack;
    if (stack->n == 1 && !strcmp(stack->frames[0].function, "?")) {
        free(stack->frames[0].function); /* the place of a runtime error has a column */
        bool is_cell = size == 11 && !strncmp(name, "achar_entry", 11);
        stack->frames[0].function =
            is_cell ? must_strdup("(cell)") : must_strndup(name, size);
        return true;
    }
    finding_add_frame(stack, name, size, name + size);
    return true;
}

void findings_read_text(const char *text, struct findings *ret)
{
    struct reader reader = {.findings = ret};
    while (*text) {
        size_t size = strcspn(text, "\n");
        CLEANUP(freep) char *line = must_strndup(text, size);
        if (!strncmp(line, "SUMMARY", 7))
            reader.finding = NULL, reader.stack = NULL;
        else
            (void)(read_head(&reader, line) || read_runtime_error(&reader, line) ||
                   read_leak(&reader, line) || read_frame(&reader, line) ||
                   read_access(&reader, line) || read_region(&reader, line) ||
                   read_label(&reader, line) || read_local(&reader, line));
        text += size + (text[size] == '\n');
    }
}
