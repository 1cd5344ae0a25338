/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The whole output of a cell that prints more than is shown: in a file that only its
 * owner can read, in a folder of its own below $TMPDIR or /tmp. A file that grows above
 * SPILL_FILE_MAX loses its middle: there it has a hole and takes no room. Files of the
 * last SPILL_FILES_MAX cells are kept, until the kernel ends. */
#ifndef ACHAR_HANDLERS_SPILL_H
#define ACHAR_HANDLERS_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"
#include "pickler/base/folder.h"
#include "pickler/base/memory.h"

#define SPILL_START_MAX (1u << 20)           /* bytes of a cell without a file */
#define SPILL_FILE_MAX ((uint64_t)512 << 20) /* bytes on the disk, of one file */
#define SPILL_FILES_MAX 4
#define SPILL_WRITE_SIZE (64u << 10) /* bytes that are written at once */
#define SPILL_TAIL_MAX (64u << 10)   /* bytes of a stream's end */

/* The folder and the files that are kept; {0} to start. */
struct spills {
    struct folder folder; /* none until there is something to keep */
    char *files[SPILL_FILES_MAX];
    size_t n;
};

void spills_clear(struct spills *spills); /* removes them */

/* The last bytes of a stream. */
struct spill_tail {
    char *bytes;   /* a ring, NULL while nothing was added */
    uint64_t size; /* of all that was added */
};

void spill_tail_add(struct spill_tail *tail, const char *text, size_t size);
/* What is kept, from the start of a line on where there is one; returns how many bytes
 * that leaves out. */
uint64_t spill_tail_read(const struct spill_tail *tail, struct buffer *out);

/* The output of one cell, {0} to start with .fd = -1. */
struct spill {
    struct buffer waiting; /* what is not in a file yet: all of it, or the last bytes */
    int fd;
    char *path;        /* NULL: no file yet */
    uint64_t size;     /* of all that was added */
    uint64_t hole_end; /* from SPILL_FILE_MAX / 2 to here the file has a hole */
    int problem;       /* errno: the file is not complete */
};

void spill_add(struct spill *spill, struct spills *spills, uint32_t cell,
               const char *text, size_t size);
/* Makes the file, where it is not there yet. */
void spill_open(struct spill *spill, struct spills *spills, uint32_t cell);
/* "'FILE'", or why there is none, as the end of "the whole is in ..."; owned. */
char *spill_place(const struct spill *spill) MUST_USE;
void spill_flush(struct spill *spill); /* all is in the file now, if there is one */
/* A file that is not `needed` is removed. */
void spill_end(struct spill *spill, struct spills *spills, bool is_needed);

#endif
