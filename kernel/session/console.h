/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The terminal of a session while a request runs. Its output passes through here on its
 * way to the person, and a last line without a newline is held back for a moment: if the
 * cell then reads, the person is asked with that line as prompt, else it goes out. What
 * the person answers is typed into the terminal, line by line as it is read; what is not
 * read by the end of the request is gone.
 *
 * A look at who reads costs some 20 us; a request that is answered at once has none, and
 * the pauses between them grow while nobody reads. */
#ifndef ACHAR_SESSION_CONSOLE_H
#define ACHAR_SESSION_CONSOLE_H

#include "kernel/peer/terminal.h"
#include "kernel/session/reader.h"
#include "kernel/session/session.h"

#define CONSOLE_LINE_MAX 1000         /* bytes of a prompt */
#define CONSOLE_HOLD_MS 10            /* how long a line without a newline is held back */
#define CONSOLE_FIRST_LOOK_MS 3       /* into the request */
#define CONSOLE_PAUSE_MAX_MS 50       /* between looks */
#define CONSOLE_ANSWER_MAX (1u << 20) /* bytes of one answer; the rest is cut off */

struct console {
    struct terminal terminal;
    struct buffer typed; /* an answer, of which n_typed bytes are in the terminal */
    size_t n_typed;
    struct reader reader;        /* who was last found sleeping in a read ... */
    struct reader typed_to;      /* ... and when something was last typed */
    struct buffer line;          /* the last line of output, without a newline ... */
    size_t n_held;               /* ... of which so much at its end was not yet shown */
    bool is_stderr;              /* where it was written */
    bool is_asked;               /* a question is open */
    bool is_refused;             /* somebody reads, and nobody can be asked */
    bool has_typed;              /* since console_begin() */
    int64_t held_until, look_at; /* ms of a steady clock */
    int pause_ms;
};

void console_init(struct console *console);
void console_clear(struct console *console);

/* Descriptor 0 for a new worker, -1 where there can be no terminal: it has no input then.
 */
int console_input(struct console *console);

/* A request begins; `now` in ms. */
void console_begin(struct console *console, int64_t now);
/* It has ended: what is held back goes out, an open question is withdrawn. `is_failed`:
 * what the cell has set in its terminal is set back. */
void console_end(struct console *console, bool is_failed,
                 const struct session_events *events);

/* A piece of output. */
void console_output(struct console *console, bool is_stderr, const char *text,
                    size_t size, int64_t now, const struct session_events *events);
/* All that is held back goes out. */
void console_release(struct console *console, const struct session_events *events);

/* How long until console_look() has something to do. */
int console_timeout(const struct console *console, int64_t now);
/* True when the worker or a descendant waits for input: then all that they have written
 * before is to be read, and console_serve() to be called. */
bool console_look(struct console *console, pid_t worker, int64_t now,
                  const struct session_events *events);
/* Types more of the last answer, or asks for one. True when nobody can be asked, once:
 * the request is to be interrupted. */
bool console_serve(struct console *console, int64_t now,
                   const struct session_events *events);

/* Readable when console_take_answer() has something to take; -1: nothing to wait for. */
int console_answer_fd(const struct console *console, const struct session_events *events);
void console_take_answer(struct console *console, pid_t worker, int64_t now,
                         const struct session_events *events);
/* What was written to the terminal, when its master is readable. */
void console_take_written(struct console *console, int64_t now,
                          const struct session_events *events);

#endif
