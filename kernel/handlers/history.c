/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several kernels share the file: write-ahead logging, short waits for its lock. */
#include "kernel/handlers/history.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#define LOCK_WAIT_MS 200
#define TRIM_INTERVAL 1000 /* entries added between two looks at the total */

struct history {
    sqlite3 *database;
    sqlite3_stmt *add;
    int64_t session;
    size_t n_added;
};

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA cache_size = -256;" /* KiB: it is written far more often than read */
    "CREATE TABLE IF NOT EXISTS session (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " started TEXT DEFAULT CURRENT_TIMESTAMP);"
    "CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, session INTEGER,"
    " line INTEGER, input TEXT, output TEXT);"
    "CREATE INDEX IF NOT EXISTS entry_session ON entry (session, line);"
    "INSERT INTO session DEFAULT VALUES;";

static int failure(struct history *history, const char *what, struct error *err)
{
    return error_set(err, -EIO, "cannot %s the history: %s", what,
                     sqlite3_errmsg(history->database));
}

char *history_path(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/')
        return must_format("%s/achar/history.sqlite", data);
    if (home && home[0] == '/')
        return must_format("%s/.local/share/achar/history.sqlite", home);
    return NULL;
}

/* Makes all folders above the file. */
static int make_folders(const char *path, struct error *err)
{
    CLEANUP(freep) char *folder = must_strdup(path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return error_errno(err, -errno, "cannot make folder '%s'", folder);
        *slash = '/';
    }
    return 0;
}

static int trim(struct history *history, struct error *err)
{
    CLEANUP(freep)
    char *text = must_format(
        "DELETE FROM entry WHERE number <= (SELECT max(number) FROM entry) - %d",
        HISTORY_ENTRIES_MAX);
    if (sqlite3_exec(history->database, text, NULL, NULL, NULL) != SQLITE_OK)
        return failure(history, "trim", err);
    return 0;
}

int history_open(const char *path, struct history **ret, struct error *err)
{
    CLEANUP(history_closep) struct history *history = must_alloc(sizeof(*history));
    int r = path ? make_folders(path, err) : 0;
    if (r < 0)
        return r;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path ? path : ":memory:", &history->database, flags, NULL) !=
        SQLITE_OK)
        return failure(history, "open", err);
    sqlite3_busy_timeout(history->database, LOCK_WAIT_MS);
    if (sqlite3_exec(history->database, schema, NULL, NULL, NULL) != SQLITE_OK)
        return failure(history, "open", err);
    history->session = sqlite3_last_insert_rowid(history->database);
    if (sqlite3_prepare_v2(history->database,
                           "INSERT INTO entry (session, line, input, output)"
                           " VALUES (?, ?, ?, ?)",
                           -1, &history->add, NULL) != SQLITE_OK)
        return failure(history, "open", err);
    r = trim(history, err);
    if (r < 0)
        return r;
    *ret = TAKE(history);
    return 0;
}

void history_close(struct history *history)
{
    if (!history)
        return;
    sqlite3_finalize(history->add);
    sqlite3_close(history->database);
    free(history);
}

int history_add(struct history *history, uint32_t line, const char *input,
                const char *output, struct error *err)
{
    if (strlen(input) > HISTORY_TEXT_MAX)
        return 0;
    if (output && strlen(output) > HISTORY_TEXT_MAX)
        output = NULL;
    sqlite3_bind_int64(history->add, 1, history->session);
    sqlite3_bind_int64(history->add, 2, line);
    sqlite3_bind_text(history->add, 3, input, -1, SQLITE_STATIC);
    sqlite3_bind_text(history->add, 4, output, -1, SQLITE_STATIC); /* NULL binds NULL */
    int status = sqlite3_step(history->add);
    sqlite3_reset(history->add);
    sqlite3_clear_bindings(history->add);
    if (status != SQLITE_DONE)
        return failure(history, "write", err);
    if (++history->n_added % TRIM_INTERVAL == 0)
        return trim(history, err);
    return 0;
}

/* Runs a query for (session, line, input, output) with up to three parameters bound. */
static int read_entries(struct history *history, sqlite3_stmt *query,
                        const struct history_reader *reader, struct error *err)
{
    int status;
    while ((status = sqlite3_step(query)) == SQLITE_ROW) {
        const char *input = (const char *)sqlite3_column_text(query, 2);
        reader->entry(reader->context, sqlite3_column_int64(query, 0),
                      sqlite3_column_int64(query, 1), input ? input : "",
                      (const char *)sqlite3_column_text(query, 3));
    }
    return status == SQLITE_DONE ? 0 : failure(history, "read", err);
}

static void finalizep(sqlite3_stmt **query)
{
    sqlite3_finalize(*query);
}

static int prepare(struct history *history, const char *text, sqlite3_stmt **ret,
                   struct error *err)
{
    if (sqlite3_prepare_v2(history->database, text, -1, ret, NULL) != SQLITE_OK)
        return failure(history, "read", err);
    return 0;
}

int history_tail(struct history *history, int64_t n, const struct history_reader *reader,
                 struct error *err)
{
    CLEANUP(finalizep) sqlite3_stmt *query = NULL;
    int r = prepare(history,
                    "SELECT session, line, input, output FROM (SELECT * FROM entry"
                    " ORDER BY number DESC LIMIT ?1) ORDER BY number",
                    &query, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(query, 1, n < 0 ? 0 : n);
    return read_entries(history, query, reader, err);
}

int history_range(struct history *history, int64_t session, int64_t start, int64_t stop,
                  const struct history_reader *reader, struct error *err)
{
    CLEANUP(finalizep) sqlite3_stmt *query = NULL;
    int r = prepare(history,
                    "SELECT session, line, input, output FROM entry WHERE session = ?1"
                    " AND line >= ?2 AND (?3 < 0 OR line < ?3) ORDER BY line, number",
                    &query, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(query, 1, session <= 0 ? history->session + session : session);
    sqlite3_bind_int64(query, 2, start);
    sqlite3_bind_int64(query, 3, stop);
    return read_entries(history, query, reader, err);
}

int history_search(struct history *history, const char *glob, int64_t n, bool is_unique,
                   const struct history_reader *reader, struct error *err)
{
    CLEANUP(finalizep) sqlite3_stmt *query = NULL;
    int r = prepare(
        history,
        is_unique ? "SELECT session, line, input, output FROM (SELECT * FROM entry"
                    " WHERE number IN (SELECT max(number) FROM entry WHERE input GLOB"
                    " ?1 GROUP BY input) ORDER BY number DESC LIMIT ?2)"
                    " ORDER BY number"
                  : "SELECT session, line, input, output FROM (SELECT * FROM entry"
                    " WHERE input GLOB ?1 ORDER BY number DESC LIMIT ?2)"
                    " ORDER BY number",
        &query, err);
    if (r < 0)
        return r;
    sqlite3_bind_text(query, 1, glob, -1, SQLITE_STATIC);
    sqlite3_bind_int64(query, 2, n);
    return read_entries(history, query, reader, err);
}
