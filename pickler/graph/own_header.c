/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/graph/own_header.h"

#include <string.h>

/* # include <achar.h> */
bool own_header_is(const char *line, size_t size)
{
    static const char word[] = "include", name[] = "<" OWN_HEADER_NAME ">";
    const char *at = line, *end = line + size;
    while (at < end && strchr(" \t#", *at) && *at)
        at++;
    if ((size_t)(end - at) < sizeof(word) || memcmp(at, word, sizeof(word) - 1) != 0)
        return false;
    at += sizeof(word) - 1;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return (size_t)(end - at) >= sizeof(name) - 1 &&
           memcmp(at, name, sizeof(name) - 1) == 0;
}

void own_header_add(struct buffer *out, const char *line, size_t size)
{
    if (own_header_is(line, size))
        buffer_format(out, "#line 1 \"%s\"\n%s", OWN_HEADER_NAME, own_header_text);
    else
        buffer_add(out, line, size);
}
