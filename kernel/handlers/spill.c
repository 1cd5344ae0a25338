/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLE_STEP ((uint64_t)16 << 20) /* by which the hole grows */

/* The folder */

static void forget_file(struct spills *spills, size_t i)
{
    unlink(spills->files[i]);
    free(spills->files[i]);
    spills->n--;
    memmove(spills->files + i, spills->files + i + 1,
            (spills->n - i) * sizeof(*spills->files));
}

void spills_clear(struct spills *spills)
{
    while (spills->n)
        forget_file(spills, 0);
    folder_remove(&spills->folder);
    *spills = (struct spills){0};
}

static int make_folder(struct spills *spills)
{
    struct error ignored;
    return spills->folder.path ? 0
                               : folder_make(&spills->folder, NULL, "output", &ignored);
}

/* The tail */

void spill_tail_add(struct spill_tail *tail, const char *text, size_t size)
{
    if (!tail->bytes)
        tail->bytes = must_alloc(SPILL_TAIL_MAX);
    uint64_t end = tail->size + size;
    if (size > SPILL_TAIL_MAX) {
        text += size - SPILL_TAIL_MAX;
        size = SPILL_TAIL_MAX;
    }
    tail->size = end;
    while (size) {
        size_t at = (size_t)((end - size) % SPILL_TAIL_MAX);
        size_t n = size < SPILL_TAIL_MAX - at ? size : SPILL_TAIL_MAX - at;
        memcpy(tail->bytes + at, text, n);
        text += n;
        size -= n;
    }
}

uint64_t spill_tail_read(const struct spill_tail *tail, struct buffer *out)
{
    if (!tail->size)
        return 0;
    size_t n = tail->size < SPILL_TAIL_MAX ? (size_t)tail->size : SPILL_TAIL_MAX;
    size_t at = (size_t)((tail->size - n) % SPILL_TAIL_MAX);
    CLEANUP(freep) char *line = must_alloc(n);
    size_t first = n < SPILL_TAIL_MAX - at ? n : SPILL_TAIL_MAX - at;
    memcpy(line, tail->bytes + at, first);
    memcpy(line + first, tail->bytes, n - first);
    const char *newline = n < tail->size ? memchr(line, '\n', n - 1) : NULL;
    size_t skipped = newline ? (size_t)(newline + 1 - line) : 0;
    buffer_add(out, line + skipped, n - skipped);
    return tail->size - n + skipped;
}

/* The file */

static void write_all(struct spill *spill, const char *text, size_t size)
{
    while (size && !spill->problem) {
        ssize_t n = write(spill->fd, text, size);
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            spill->problem = n < 0 ? errno : EIO;
        }
    }
}

/* The end of the hole moves in steps, so that the file is at most one above its limit. */
static void make_hole(struct spill *spill)
{
    uint64_t half = SPILL_FILE_MAX / 2;
    uint64_t from = spill->hole_end ? spill->hole_end : half;
    if (spill->problem || spill->size < from + half + HOLE_STEP)
        return;
    if (fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                  HOLE_STEP) < 0)
        spill->problem = EFBIG;
    else
        spill->hole_end = from + HOLE_STEP;
}

void spill_flush(struct spill *spill)
{
    if (!spill->path)
        return;
    write_all(spill, spill->waiting.data, spill->waiting.size);
    spill->waiting.size = 0;
    make_hole(spill);
}

void spill_open(struct spill *spill, struct spills *spills, uint32_t cell)
{
    if (spill->path || spill->problem)
        return;
    int r = make_folder(spills);
    if (r < 0) {
        spill->problem = -r;
        return;
    }
    CLEANUP(freep) char *path = must_format("%s/cell-%u.txt", spills->folder.path, cell);
    spill->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (spill->fd < 0) {
        spill->problem = errno;
        return;
    }
    spill->path = TAKE(path);
    spill_flush(spill);
    buffer_clear(&spill->waiting);
}

void spill_add(struct spill *spill, struct spills *spills, uint32_t cell,
               const char *text, size_t size)
{
    spill->size += size;
    if (!spill->path && spill->size > SPILL_START_MAX)
        spill_open(spill, spills, cell);
    if (!spill->problem)
        buffer_add(&spill->waiting, text, size);
    if (spill->path && spill->waiting.size >= SPILL_WRITE_SIZE)
        spill_flush(spill);
}

char *spill_place(const struct spill *spill)
{
    if (!spill->path)
        return must_format("no file: %s", strerror(spill->problem));
    if (spill->problem)
        return must_format("'%s', as far as it could be written: %s", spill->path,
                           strerror(spill->problem));
    if (spill->hole_end)
        return must_format("'%s', without bytes %" PRIu64 " to %" PRIu64, spill->path,
                           SPILL_FILE_MAX / 2, spill->hole_end);
    return must_format("'%s'", spill->path);
}

void spill_end(struct spill *spill, struct spills *spills, bool is_needed)
{
    spill_flush(spill);
    if (spill->path && !is_needed)
        unlink(spill->path);
    if (spill->path && is_needed) {
        if (spills->n == SPILL_FILES_MAX)
            forget_file(spills, 0);
        spills->files[spills->n++] = TAKE(spill->path);
    }
    closep(&spill->fd);
    free(spill->path);
    buffer_clear(&spill->waiting);
    *spill = (struct spill){.fd = -1};
}
