/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a magic works with, and what several magics do alike. */
#ifndef ACHAR_MAGICS_CONTEXT_H
#define ACHAR_MAGICS_CONTEXT_H

#include "magics/executors/crew.h"
#include "magics/magic.h"
#include "pickler/base/folder.h"
#include "pickler/base/texts.h"

#define RECORD_MAX (32u << 20) /* bytes; the oldest cells are forgotten first */
#define RECORD_CELLS_MAX 2000

struct ranks;

struct named_executor {
    char *name;
    const struct executor_type *type;
    struct executor_option *options; /* owned, with their texts */
    size_t n_options;
    struct crew *crew;   /* NULL until it is first used */
    struct ranks *ranks; /* likewise, of a type that has ranks; magics/ranks.h */
};

struct jobs;

/* A library that was linked by its path, and what the file was then. */
struct linked_file {
    char *path;
    uint64_t stamp;
};

struct magics {
    struct session *session;          /* borrowed */
    struct texts record;              /* cells that ended without an error, as typed */
    struct named_executor *executors; /* "local" first */
    size_t n_executors, executors_capacity;
    char *executor; /* the default, chosen by %executor NAME; NULL: local */
    struct jobs *jobs;
    char *standard;               /* chosen by %std; NULL: gnu17 */
    char *compiler;               /* chosen by %cc, with flags; NULL: by itself */
    struct folder objects_folder; /* of libraries that %link has made */
    size_t n_objects;
    struct linked_file *linked; /* files of %link, to notice that they have changed */
    size_t n_linked, linked_capacity;
};

struct magic_context {
    struct magics *magics;
    struct session *session;     /* magics->session */
    uint32_t cell, line, column; /* where the magic stands */
    const struct session_events *events;
};

void magic_print(struct magic_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The name in a list that is nearest to a mistyped one, or NULL when none is near. */
const char *nearest_name(const char *name, const char *const *names, size_t n);

/* An absolute path, owned, of what the user calls `path`: from the folder that the
 * session's code is in, as fopen() in a cell would find it; "~/" is the home folder. */
char *magic_path(struct magic_context *context, const char *path);

/* Runs a program, in the folder of the session's code, with its output going into the
 * cell, or into *ret_output when not NULL. *ret_status is its wait status. 1: it was
 * interrupted, and has ended. */
int magic_process(struct magic_context *context, const char *const *argv,
                  struct buffer *ret_output, int *ret_status, struct error *err) MUST_USE;

#endif
