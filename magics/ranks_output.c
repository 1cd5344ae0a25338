/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/ranks_output.h"

#include <string.h>

#include "pickler/base/clock.h"

bool ranks_grouping_read(const char *text, enum ranks_grouping *ret)
{
    static const char *const names[] = {
        [RANKS_BY_ORDER] = "order", [RANKS_BY_RANK] = "rank", [RANKS_BY_TYPE] = "type"};
    *ret = RANKS_BY_ORDER;
    for (size_t i = 0; text && i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(text, names[i])) {
            *ret = (enum ranks_grouping)i;
            return true;
        }
    return !text;
}

void ranks_output_init(struct ranks_output *output, const struct session_events *events,
                       enum ranks_grouping grouping, size_t n)
{
    *output = (struct ranks_output){
        .events = events, .grouping = grouping, .n = n, .open = SIZE_MAX};
    output->lines = must_alloc((2 * n + 1) * sizeof(*output->lines));
}

void ranks_output_clear(struct ranks_output *output)
{
    for (size_t i = 0; i < 2 * output->n; i++)
        buffer_clear(&output->lines[i].text);
    free(output->lines);
    *output = (struct ranks_output){0};
}

static void write_text(const struct ranks_output *output, size_t index, const char *text,
                       size_t size)
{
    if (size)
        output->events->stream(output->events->context, index % 2, text, size);
}

/* Shows text of one rank's stream, labels before its lines. */
static void show(struct ranks_output *output, size_t index, const char *text, size_t size)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    bool continues = output->open == index;
    if (!size)
        return;
    if (output->open != SIZE_MAX && !continues)
        write_text(output, output->open, "\n", 1);
    for (const char *at = text, *end = text + size; at < end; continues = false) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t line = line_end ? (size_t)(line_end - at) + 1 : (size_t)(end - at);
        if (!continues)
            buffer_format(&out, "[%zu] ", index / 2);
        buffer_add(&out, at, line);
        at += line;
    }
    write_text(output, index, out.data, out.size);
    output->open = text[size - 1] == '\n' ? SIZE_MAX : index;
}

static void show_held(struct ranks_output *output, size_t index, size_t size)
{
    struct buffer *held = &output->lines[index].text;
    if (!size)
        return;
    show(output, index, held->data, size);
    if (output->grouping != RANKS_BY_ORDER)
        output->n_collected -= size;
    held->size -= size;
    memmove(held->data, held->data + size, held->size);
}

void ranks_output_add(struct ranks_output *output, size_t rank, int stream,
                      const char *text, size_t size)
{
    size_t index = 2 * rank + (stream == 2);
    struct ranks_lines *lines = &output->lines[index];
    if (rank >= output->n || !size)
        return;
    if (!lines->text.size)
        lines->since = clock_ms();
    buffer_add(&lines->text, text, size);
    if (output->grouping != RANKS_BY_ORDER) {
        output->n_collected += size;
        if (output->n_collected > RANKS_OUTPUT_MAX)
            show_held(output, index, lines->text.size);
        return;
    }
    const char *end = memrchr(lines->text.data, '\n', lines->text.size);
    size_t whole = end ? (size_t)(end - lines->text.data) + 1 : 0;
    /* A line that was begun on the screen goes on there. */
    if (lines->text.size - whole > RANKS_OUTPUT_LINE_MAX ||
        (output->open == index && !whole))
        whole = lines->text.size;
    if (whole)
        show_held(output, index, whole);
    lines->since = clock_ms();
}

int ranks_output_due(const struct ranks_output *output)
{
    int64_t now = clock_ms(), due = -1;
    for (size_t i = 0; output->grouping == RANKS_BY_ORDER && i < 2 * output->n; i++) {
        if (!output->lines[i].text.size)
            continue;
        int64_t left = output->lines[i].since + RANKS_OUTPUT_HOLD_MS - now;
        left = left < 0 ? 0 : left;
        due = due < 0 || left < due ? left : due;
    }
    return (int)due;
}

void ranks_output_tick(struct ranks_output *output)
{
    int64_t now = clock_ms();
    for (size_t i = 0; output->grouping == RANKS_BY_ORDER && i < 2 * output->n; i++)
        if (output->lines[i].text.size &&
            now >= output->lines[i].since + RANKS_OUTPUT_HOLD_MS)
            show_held(output, i, output->lines[i].text.size);
}

void ranks_output_finish(struct ranks_output *output)
{
    bool is_by_type = output->grouping == RANKS_BY_TYPE;
    for (size_t i = 0; i < 2 * output->n; i++) {
        size_t index = !is_by_type ? i : i < output->n ? 2 * i : 2 * (i - output->n) + 1;
        show_held(output, index, output->lines[index].text.size);
    }
    if (output->open != SIZE_MAX)
        write_text(output, output->open, "\n", 1);
    output->open = SIZE_MAX;
}
