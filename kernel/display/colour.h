/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ANSI colours of tracebacks; what Jupyter front ends and terminals both show. */
#ifndef ACHAR_DISPLAY_COLOUR_H
#define ACHAR_DISPLAY_COLOUR_H

#define COLOUR_OFF "\x1b[0m"
#define COLOUR_ERROR "\x1b[1;31m"
#define COLOUR_WARNING "\x1b[1;35m"
#define COLOUR_NOTE "\x1b[1;36m"
#define COLOUR_PLACE "\x1b[1;34m"
#define COLOUR_NAME "\x1b[1m"
#define COLOUR_CARET "\x1b[1;32m"

#endif
