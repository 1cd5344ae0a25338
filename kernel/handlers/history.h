/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What was typed and shown, kept in SQLite across restarts; each run of the kernel is a
 * session with a number of its own. One thread. */
#ifndef ACHAR_HANDLERS_HISTORY_H
#define ACHAR_HANDLERS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

#define HISTORY_ENTRIES_MAX 100000 /* older ones are forgotten */
#define HISTORY_TEXT_MAX                                                                 \
    (256 * 1024) /* bytes of one input or output; longer is not kept */

struct history;

/* $XDG_DATA_HOME/achar/history.sqlite, by default under ~/.local/share; owned, NULL
 * without a home. */
char *history_path(void) MUST_USE;

/* Opens the file, making it and its folder. NULL as path: in memory. */
int history_open(const char *path, struct history **ret, struct error *err) MUST_USE;
void history_close(struct history *history);
DEFINE_FREEP(struct history, history_close)

/* `output` may be NULL. */
int history_add(struct history *history, uint32_t line, const char *input,
                const char *output, struct error *err) MUST_USE;

/* Called for each entry found, oldest first; the texts are borrowed, output may be NULL.
 */
struct history_reader {
    void (*entry)(void *context, int64_t session, int64_t line, const char *input,
                  const char *output);
    void *context;
};

/* The newest n entries of all sessions. */
int history_tail(struct history *history, int64_t n, const struct history_reader *reader,
                 struct error *err) MUST_USE;
/* Lines from `start` to before `stop` of a session; 0 is this one, -1 the one before, and
 * so on. stop < 0: to the end. */
int history_range(struct history *history, int64_t session, int64_t start, int64_t stop,
                  const struct history_reader *reader, struct error *err) MUST_USE;
/* The newest n entries (n < 0: all) whose whole input matches the glob; with is_unique
 * equal inputs count once. */
int history_search(struct history *history, const char *glob, int64_t n, bool is_unique,
                   const struct history_reader *reader, struct error *err) MUST_USE;

#endif
