/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text as HTML. */
#ifndef ACHAR_MAGICS_HTML_H
#define ACHAR_MAGICS_HTML_H

#include "pickler/base/buffer.h"

/* So that a browser shows the text as it is. */
void html_add(struct buffer *out, const char *text);

#endif
