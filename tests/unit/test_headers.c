/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/headers.h"

#include "tests/unit/check.h"

int main(int argc, char **argv)
{
    CLEANUP(headers_freep) struct headers *headers = headers_new();
    CLEANUP(graph_freep) struct graph *graph = graph_new();
    struct error error = {0};
    struct include_line lines[16];
    size_t n = 0;
    for (int i = 1; i + 1 < argc; i++, n++)
        lines[n] = (struct include_line){.definition = (uint32_t)i, .text = argv[i]};
    CHECK_OK(headers_update(headers, lines, n, &error), error);
    CLEANUP(buffer_clear) struct buffer out = {0};
    CLEANUP(freep) uint32_t *used = NULL;
    size_t n_used = 0;
    const char *text = argv[argc - 1];
    CHECK_OK(headers_prologue(headers, graph, text, strlen(text), NULL, 0, NULL, 0, &out, &used, &n_used, &error), error);
    puts(buffer_string(&out));
    return check_status();
}
