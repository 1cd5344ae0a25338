/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/html.h"

void html_add(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buffer_add_string(out, "&lt;");
        else if (*text == '&')
            buffer_add_string(out, "&amp;");
        else
            buffer_add_char(out, *text);
    }
}
