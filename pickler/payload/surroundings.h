/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tasks of a payload find around them: the folder they run in, settings of their
 * environment, and files that are there when they begin. */
#ifndef ACHAR_PAYLOAD_SURROUNDINGS_H
#define ACHAR_PAYLOAD_SURROUNDINGS_H

#include <sys/types.h>

#include "pickler/base/error.h"
#include "pickler/base/pack.h"

#define SURROUNDINGS_SETTINGS_MAX 1000
#define SURROUNDINGS_FILES_MAX 1000
#define SURROUNDINGS_BYTES_MAX ((size_t)512 << 20) /* of all files */

struct staged_file {
    char *name; /* without a folder */
    bool is_executable;
    char *data;
    size_t size;
};

struct surroundings {
    char *folder;    /* NULL: that of the files, or the worker's own */
    char **settings; /* "NAME=VALUE" */
    size_t n_settings;
    struct staged_file *files; /* none when there is a folder */
    size_t n_files;
};

void surroundings_clear(struct surroundings *surroundings);
bool surroundings_are_empty(const struct surroundings *surroundings);
/* Reads the file at `path`; tasks find it under the last part of that. */
int surroundings_add_file(struct surroundings *surroundings, const char *path,
                          struct error *err) MUST_USE;
void surroundings_add_setting(struct surroundings *surroundings, const char *setting);

void surroundings_pack(const struct surroundings *surroundings, struct buffer *out);
void surroundings_unpack(struct unpack *in,
                         struct surroundings *ret); /* in->failed tells */

/* Brings this process there. Files are written to a folder below $TMPDIR or /tmp that is
 * named after the process; whoever ends it calls surroundings_remove(). What processes
 * that are gone have left is removed as well. */
int surroundings_enter(const struct surroundings *surroundings,
                       struct error *err) MUST_USE;
void surroundings_remove(pid_t pid);

#endif
