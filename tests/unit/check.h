/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks for unit tests. A failed check prints its place and both sides to stderr and the
 * test goes on; the test's main() ends with `return check_status();`. */
#ifndef ACHAR_TESTS_CHECK_H
#define ACHAR_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One counter a test program: each test is a single translation unit. */
static int check_failures __attribute__((unused));

/* Exit status for main(): 1 when any check has failed. */
#define check_status() (check_failures ? 1 : 0)

#define CHECK(expression) check_true_(!!(expression), #expression, __FILE__, __LINE__)
#define CHECK_INT(actual, expected)                                                      \
    check_int_((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)
/* Either side may be NULL. */
#define CHECK_STRING(actual, expected)                                                   \
    check_string_((actual), (expected), #actual, __FILE__, __LINE__)
/* For a call that returns 0 or a negative number and fills `error` (struct error). */
#define CHECK_OK(call, error) check_ok_((call), #call, (error).text, __FILE__, __LINE__)

static inline bool check_true_(bool ok, const char *text, const char *file, int line)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
        check_failures++;
    }
    return ok;
}

static inline bool check_int_(long long actual, long long expected, const char *text,
                              const char *file, int line)
{
    if (actual != expected) {
        fprintf(stderr, "%s:%d: failed: %s is %lld, not %lld\n", file, line, text, actual,
                expected);
        check_failures++;
    }
    return actual == expected;
}

static inline bool check_string_(const char *actual, const char *expected,
                                 const char *text, const char *file, int line)
{
    if (actual == expected || (actual && expected && strcmp(actual, expected) == 0))
        return true;
    fprintf(stderr, "%s:%d: failed: %s is \"%s\", not \"%s\"\n", file, line, text,
            actual ? actual : "(null)", expected ? expected : "(null)");
    check_failures++;
    return false;
}

static inline bool check_ok_(int result, const char *text, const char *why,
                             const char *file, int line)
{
    if (result < 0) {
        fprintf(stderr, "%s:%d: failed: %s gives %d: %s\n", file, line, text, result,
                why && *why ? why : "(no text)");
        check_failures++;
    }
    return result >= 0;
}

#endif
