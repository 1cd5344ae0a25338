/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/display/colour.h"

#define FINDINGS_SHOWN 20
#define FRAMES_SHOWN 30 /* of one stack, those that repeat the one before apart */

static void finding_clear(struct finding *finding)
{
    for (size_t i = 0; i < finding->n; i++) {
        struct finding_stack *stack = &finding->stacks[i];
        for (size_t k = 0; k < stack->n; k++) {
            free(stack->frames[k].function);
            free(stack->frames[k].file);
        }
        free(stack->frames);
        free(stack->label);
    }
    free(finding->stacks);
    free(finding->text);
}

void findings_clear(struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        finding_clear(&findings->at[i]);
    free(findings->at);
    *findings = (struct findings){0};
}

struct finding *findings_add(struct findings *findings, const char *text)
{
    if (findings->n == FINDINGS_MAX) {
        findings->n_left_out++;
        return NULL;
    }
    GROW(findings->at, findings->n, findings->capacity);
    findings->at[findings->n] = (struct finding){.text = must_strdup(text)};
    return &findings->at[findings->n++];
}

struct finding_stack *finding_add_stack(struct finding *finding, const char *label)
{
    if (!finding || finding->n == FINDING_STACKS_MAX)
        return NULL;
    GROW(finding->stacks, finding->n, finding->capacity);
    finding->stacks[finding->n] =
        (struct finding_stack){.label = label ? must_strdup(label) : NULL};
    return &finding->stacks[finding->n++];
}

void finding_add_text(struct finding *finding, const char *format, ...)
{
    va_list arguments;
    if (!finding)
        return;
    va_start(arguments, format);
    char *more = must_vformat(format, arguments);
    va_end(arguments);
    char *text = must_format("%s%s", finding->text, more);
    free(more);
    free(finding->text);
    finding->text = text;
}

static uint32_t read_number(const char **at)
{
    unsigned long value = 0;
    while (**at >= '0' && **at <= '9') {
        value = value * 10 + (unsigned long)(*(*at)++ - '0');
        if (value > UINT32_MAX)
            value = UINT32_MAX;
    }
    return (uint32_t)value;
}

/* "/folder/x.c:5:7" of a file that is not the system's; those of libraries are. */
static void read_file_place(const char *place, struct finding_frame *ret)
{
    const char *path = strchr(place, '/'), *colon = path ? strchr(path, ':') : NULL;
    if (!colon || path[1] == '\0' || !strncmp(path, "/usr/", 5) ||
        !strncmp(path, "/lib", 4) || !strncmp(path, "/build/", 7) ||
        memmem(path, (size_t)(colon - path), "..", 2) ||
        (path > place && path[-1] == '.'))
        return;
    const char *name = memrchr(path, '/', (size_t)(colon - path)) + 1;
    const char *at = colon + 1;
    ret->line = read_number(&at);
    if (ret->line && colon > name)
        ret->file = must_strndup(name, (size_t)(colon - name));
}

void finding_read_place(const char *place, struct finding_frame *ret)
{
    const char *at = strstr(place, "In[");
    if (!at) {
        read_file_place(place, ret);
        return;
    }
    at += strlen("In[");
    ret->cell = read_number(&at);
    if (strncmp(at, "]:", 2) != 0)
        return;
    at += 2;
    ret->line = read_number(&at);
    if (*at++ == ':')
        ret->column = read_number(&at);
}

void finding_add_frame(struct finding_stack *stack, const char *function, size_t size,
                       const char *place)
{
    struct finding_frame frame = {0};
    if (!stack || stack->n == FINDING_FRAMES_MAX)
        return;
    finding_read_place(place, &frame);
    bool is_cell =
        size == strlen("achar_entry") && !strncmp(function, "achar_entry", size);
    frame.function = is_cell ? must_strdup("(cell)") : must_strndup(function, size);
    GROW(stack->frames, stack->n, stack->capacity);
    stack->frames[stack->n++] = frame;
}

/* ---- report ---- */

static bool is_placed(const struct finding_frame *frame)
{
    return frame->cell || frame->file;
}

/* What called the program's code says nothing. */
static size_t count_frames(const struct finding_stack *stack)
{
    size_t n = stack->n;
    while (n && !stack->frames[n - 1].cell)
        n--;
    for (n = n ? n : stack->n; n && !is_placed(&stack->frames[n - 1]);)
        n--;
    return n;
}

static bool is_same(const struct finding_frame *a, const struct finding_frame *b)
{
    return a->cell == b->cell && a->line == b->line && !strcmp(a->function, b->function);
}

/* Of a library's functions, only the one that a cell has called. */
static bool is_shown(const struct finding_stack *stack, size_t i)
{
    return is_placed(&stack->frames[i]) ||
           (i + 1 < stack->n && is_placed(&stack->frames[i + 1]));
}

static void add_stack(const struct finding_stack *stack,
                      const struct report_context *context, struct report *ret)
{
    size_t n = count_frames(stack);
    if (!n)
        return;
    if (stack->label) {
        CLEANUP(freep) char *label = must_format("  %s", stack->label);
        report_add(ret, label);
    }
    size_t n_shown = 0;
    for (size_t i = 0; i < n && n_shown < FRAMES_SHOWN; i++) {
        const struct finding_frame *from = &stack->frames[i];
        if (!is_shown(stack, i) || (i && is_same(from, from - 1)))
            continue;
        n_shown++;
        struct outcome_frame frame = {from->function, from->cell, from->line, from->file};
        report_add_frame(context, &frame, from->column, ret);
    }
}

/* "text in In[3]:5" */
static char *place_text(const struct finding *finding)
{
    for (size_t i = 0; finding->n && i < finding->stacks[0].n; i++) {
        const struct finding_frame *frame = &finding->stacks[0].frames[i];
        if (frame->file)
            return must_format("%s in %s:%u", finding->text, frame->file, frame->line);
        if (frame->cell)
            return must_format("%s in In[%u]:%u", finding->text, frame->cell,
                               frame->line);
    }
    return must_strdup(finding->text);
}

void report_findings(const char *name, const struct findings *findings,
                     const struct report_context *context, struct report *ret)
{
    for (size_t i = 0; i < findings->n && i < FINDINGS_SHOWN; i++) {
        const struct finding *finding = &findings->at[i];
        CLEANUP(freep) char *text = place_text(finding);
        CLEANUP(freep)
        char *head = must_format(COLOUR_ERROR "%s" COLOUR_OFF ": %s", name, text);
        report_add(ret, head);
        for (size_t k = 0; k < finding->n; k++)
            add_stack(&finding->stacks[k], context, ret);
    }
    size_t n_all = findings->n + findings->n_left_out;
    if (n_all > FINDINGS_SHOWN) {
        CLEANUP(freep)
        char *line = must_format("... and %zu more", n_all - FINDINGS_SHOWN);
        report_add(ret, line);
    }
    if (!n_all || ret->name)
        return;
    CLEANUP(freep) char *first = place_text(&findings->at[0]);
    ret->name = must_strdup(name);
    ret->message =
        n_all > 1 ? must_format("%s (and %zu more)", first, n_all - 1) : TAKE(first);
}
