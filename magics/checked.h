/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell run as a program of its own under a checker: %%asan, %%ubsan, %%valgrind. */
#ifndef ACHAR_MAGICS_CHECKED_H
#define ACHAR_MAGICS_CHECKED_H

#include "kernel/display/findings.h"
#include "magics/context.h"

#define CHECKED_REPORT_MAX (4u << 20) /* bytes of a checker's report that are read */

struct checker {
    const char *name;         /* of the errors: "AddressSanitizer" */
    const char *const *flags; /* for the compiler; NULL-terminated */
    /* A program that runs the other: "valgrind", with its options, NULL-terminated, "%s"
     * being the path of the report; NULL: the sanitizers' runtime writes it. */
    const char *const *command;
    const char *environment; /* "ASAN_OPTIONS", of which log_path is set; or NULL */
    const char *install;     /* what to do where the tool is missing */
    void (*read)(const char *text, struct findings *ret);
};

int checked_run(struct magic_context *context, const struct checker *checker,
                const struct magic_arguments *arguments, struct result *result,
                struct error *err) MUST_USE;

/* Reports as the sanitizers and valgrind (--xml=yes) write them. */
void findings_read_text(const char *text, struct findings *ret);
void findings_read_xml(const char *text, struct findings *ret);

#endif
