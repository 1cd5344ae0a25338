/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set(struct error *err, int code, const char *format, va_list args)
{
    if (!err || err->code)
        return;
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), format, args);
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, format, args);
    va_end(args);
    return code;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
    if (!err || err->code)
        return code;
    va_list args;
    va_start(args, format);
    set(err, code, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(-code));
    return code;
}
