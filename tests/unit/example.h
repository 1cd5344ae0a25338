/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bytes of the worked examples in pickler/FORMAT.md: fenced blocks whose lines start
 * with pairs of hexadecimal digits, each pair before one blank; what follows two blanks
 * is a comment. A block is found by the heading before it. */
#ifndef ACHAR_TESTS_EXAMPLE_H
#define ACHAR_TESTS_EXAMPLE_H

#include <ctype.h>
#include <stdlib.h>

#include "pickler/base/buffer.h"
#include "tests/unit/check.h"

static inline void example_add_line(struct buffer *out, const char *line)
{
    while (isxdigit((unsigned char)line[0]) && isxdigit((unsigned char)line[1]) &&
           (line[2] == ' ' || line[2] == '\n')) {
        char pair[3] = {line[0], line[1], 0};
        buffer_add_char(out, (char)strtoul(pair, NULL, 16));
        if (line[2] == '\n')
            return;
        line += 3;
    }
}

/* Empty, and a failed check, when the heading or its block is missing. */
static inline struct buffer example_read(const char *path, const char *heading)
{
    struct buffer out = {0};
    char line[1000];
    bool is_found = false, is_inside = false;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (line[0] == '#' && is_found)
            break;
        if (line[0] == '#' && strstr(line, heading))
            is_found = true;
        else if (is_found && strncmp(line, "```", 3) == 0)
            is_inside = !is_inside;
        else if (is_found && is_inside)
            example_add_line(&out, line);
    }
    if (file)
        fclose(file);
    if (!out.size)
        fprintf(stderr, "%s: no example '%s'\n", path, heading);
    CHECK(out.size > 0);
    return out;
}

#endif
