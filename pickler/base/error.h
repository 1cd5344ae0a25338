/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Errors of the world: a call that cannot do its work returns a negative errno value and
 * leaves a text in an optional `struct error`. The first error wins; callers pass it up
 * unchanged. Mistakes in the user's code are not errors but results. */
#ifndef ACHAR_BASE_ERROR_H
#define ACHAR_BASE_ERROR_H

#define ERROR_TEXT_MAX 1024

struct error {
    int code;                  /* negative errno, 0 while nothing failed */
    char text[ERROR_TEXT_MAX]; /* lower case, no full stop, the subject in quotes */
};

/* Records `code` and the text unless `err` is NULL or already set; returns `code`. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set() with ": " and strerror(-code) appended. */
int error_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
