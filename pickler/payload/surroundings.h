/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tasks of a payload find around them: the folder they run in, settings of their
 * environment, and files that are there when they begin. */
#ifndef ACHAR_PAYLOAD_SURROUNDINGS_H
#define ACHAR_PAYLOAD_SURROUNDINGS_H

#include <sys/types.h>

#include "pickler/base/error.h"
#include "pickler/base/pack.h"
#include "pickler/graph/name_ids.h"

#define SURROUNDINGS_SETTINGS_MAX 1000
#define SURROUNDINGS_FILES_MAX 10000
#define SURROUNDINGS_BYTES_MAX ((uint64_t)4 << 30) /* of all files */
#define SURROUNDINGS_NAME_MAX 4000
#define SURROUNDINGS_DEPTH_MAX 64 /* folders in folders */

/* A part of a file's content: in memory, or in a file. */
struct staged_piece {
    const void *data; /* borrowed; NULL: ... */
    int fd;           /* ... in this file, borrowed, ... */
    uint64_t offset;  /* ... from here on */
    uint64_t size;
};

struct staged_file {
    char *name; /* "data.csv", "folder/data.csv"; "folder/" is the folder itself, which
                   stands before what is in it */
    bool is_executable;
    char *data; /* NULL: it has pieces, or nothing in it */
    uint64_t size;
    struct staged_piece *pieces; /* owned array */
    size_t n_pieces;
};

struct surroundings {
    char *folder;    /* NULL: that of the files, or the worker's own */
    char **settings; /* "NAME=VALUE" */
    size_t n_settings;
    struct staged_file *files; /* none when there is a folder */
    size_t n_files, files_capacity;
    bool is_lent;          /* the files' data are somebody else's */
    struct name_ids names; /* of files, without the '/' of folders: index + 1 */
};

void surroundings_clear(struct surroundings *surroundings);
bool surroundings_are_empty(const struct surroundings *surroundings);
/* Takes all of it; false: there is one of this name. */
bool surroundings_add_file(struct surroundings *surroundings,
                           struct staged_file file) MUST_USE;
void surroundings_add_setting(struct surroundings *surroundings, const char *setting);

/* `is_bare`: without the contents of files. */
void surroundings_pack(const struct surroundings *surroundings, bool is_bare,
                       struct buffer *out);
void surroundings_unpack(struct unpack *in,
                         struct surroundings *ret); /* in->failed tells */

/* Brings this process there. Files are written to a folder below $TMPDIR or /tmp that is
 * named after the process; whoever ends it calls surroundings_remove(). What processes
 * that are gone have left is removed as well. */
int surroundings_enter(const struct surroundings *surroundings,
                       struct error *err) MUST_USE;
void surroundings_remove(pid_t pid);

#endif
