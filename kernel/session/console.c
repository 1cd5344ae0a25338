/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/console.h"

#include <string.h>

#include "pickler/base/memory.h"

#define LOOK_SOON_MS 2
#define REFUSED_LOOK_MS 100 /* after an interrupt that is to end the reading */

void console_init(struct console *console)
{
    *console = (struct console){.terminal = TERMINAL_NONE};
}

void console_clear(struct console *console)
{
    terminal_close(&console->terminal);
    buffer_clear(&console->typed);
    buffer_clear(&console->line);
}

int console_input(struct console *console)
{
    if (console->terminal.slave >= 0)
        terminal_reset(&console->terminal);
    else if (terminal_open(&console->terminal, NULL) < 0)
        return -1;
    return console->terminal.slave;
}

void console_begin(struct console *console, int64_t now)
{
    console->is_asked = console->is_refused = console->has_typed = false;
    console->line.size = console->n_held = 0;
    console->typed.size = console->n_typed = 0;
    console->pause_ms = CONSOLE_FIRST_LOOK_MS;
    console->look_at = now + CONSOLE_FIRST_LOOK_MS;
}

void console_end(struct console *console, bool is_failed,
                 const struct session_events *events)
{
    console_release(console, events);
    if (console->is_asked)
        events->withdraw(events->context);
    console->is_asked = false;
    if (is_failed)
        terminal_reset(&console->terminal);
    else if (console->has_typed)
        terminal_flush(&console->terminal);
}

/* Output */

static void emit(const struct session_events *events, bool is_stderr, const char *text,
                 size_t size)
{
    if (size && events && events->stream)
        events->stream(events->context, is_stderr, text, size);
}

void console_release(struct console *console, const struct session_events *events)
{
    emit(events, console->is_stderr,
         console->line.data + (console->line.size - console->n_held), console->n_held);
    console->n_held = 0;
}

static void look_soon(struct console *console, int64_t now)
{
    int pause =
        console->pause_ms / 8 < LOOK_SOON_MS ? LOOK_SOON_MS : console->pause_ms / 8;
    if (console->look_at > now + pause)
        console->look_at = now + pause;
}

void console_output(struct console *console, bool is_stderr, const char *text,
                    size_t size, int64_t now, const struct session_events *events)
{
    if (is_stderr != console->is_stderr) {
        console_release(console, events);
        console->line.size = 0;
        console->is_stderr = is_stderr;
    }
    const char *newline = memrchr(text, '\n', size);
    if (newline) {
        size_t n_whole = (size_t)(newline + 1 - text);
        console_release(console, events);
        emit(events, is_stderr, text, n_whole);
        console->line.size = 0;
        text += n_whole;
        size -= n_whole;
    }
    if (console->line.size + size > CONSOLE_LINE_MAX) {
        console_release(console, events);
        emit(events, is_stderr, text, size);
        console->line.size = 0;
        return;
    }
    if (!size)
        return;
    if (!console->n_held)
        console->held_until = now + CONSOLE_HOLD_MS;
    buffer_add(&console->line, text, size);
    console->n_held += size;
    look_soon(console, now);
}

void console_take_written(struct console *console, int64_t now,
                          const struct session_events *events)
{
    char text[4096];
    size_t size = terminal_read(&console->terminal, text, sizeof(text));
    if (size)
        console_output(console, false, text, size, now, events);
}

/* Input */

static bool is_same_sleep(const struct reader *a, const struct reader *b)
{
    return a->process == b->process && a->thread == b->thread && a->sleeps == b->sleeps;
}

static void type(struct console *console, int64_t now)
{
    console->n_typed +=
        terminal_type(&console->terminal, console->typed.data + console->n_typed,
                      console->typed.size - console->n_typed);
    console->typed_to = console->reader;
    console->has_typed = true;
    console->pause_ms = LOOK_SOON_MS;
    console->look_at = now + LOOK_SOON_MS;
}

/* The line that is held back is shown by the question. */
static bool ask(struct console *console, const struct session_events *events)
{
    if (!events || !events->ask)
        return false;
    CLEANUP(freep)
    char *prompt =
        must_strndup(console->line.size ? console->line.data : "", console->line.size);
    if (!events->ask(events->context, prompt, terminal_is_secret(&console->terminal)))
        return false;
    console->n_held = console->line.size = 0;
    console->is_asked = true;
    return true;
}

/* First the interrupt has its time; what reads even then is told that there is nothing.
 */
static bool refuse(struct console *console, int64_t now)
{
    static const char end[] = {TERMINAL_EOF};
    console->look_at = now + REFUSED_LOOK_MS;
    if (!console->is_refused) {
        console->is_refused = true;
        return true;
    }
    console->typed.size = console->n_typed = 0;
    buffer_add(&console->typed, end, sizeof(end));
    type(console, now);
    return false;
}

int console_timeout(const struct console *console, int64_t now)
{
    int64_t at = console->look_at;
    if (console->terminal.slave < 0 || console->is_asked)
        at = INT64_MAX;
    if (console->n_held && console->held_until < at)
        at = console->held_until;
    return at == INT64_MAX ? -1 : at > now ? (int)(at - now) : 0;
}

bool console_look(struct console *console, pid_t worker, int64_t now,
                  const struct session_events *events)
{
    bool is_due =
        now >= console->look_at && console->terminal.slave >= 0 && !console->is_asked;
    if (is_due && !terminal_has_input(&console->terminal) &&
        reader_find(worker, console->terminal.device, &console->reader) &&
        !is_same_sleep(&console->reader, &console->typed_to))
        return true;
    if (is_due) {
        console->pause_ms = console->pause_ms * 2 < CONSOLE_PAUSE_MAX_MS
                                ? console->pause_ms * 2
                                : CONSOLE_PAUSE_MAX_MS;
        console->look_at = now + console->pause_ms;
    }
    if (now >= console->held_until)
        console_release(console, events);
    return false;
}

bool console_serve(struct console *console, int64_t now,
                   const struct session_events *events)
{
    if (console->n_typed < console->typed.size) {
        type(console, now);
        return false;
    }
    if (!console->is_refused && ask(console, events))
        return false;
    return refuse(console, now);
}

int console_answer_fd(const struct console *console, const struct session_events *events)
{
    return console->is_asked ? events->answer_fd : -1;
}

/* What the person sent, as it would have been typed. */
static void take_text(struct console *console, const struct buffer *answer)
{
    static const char end = TERMINAL_EOF;
    size_t size = answer->size < CONSOLE_ANSWER_MAX ? answer->size : CONSOLE_ANSWER_MAX;
    console->typed.size = console->n_typed = 0;
    if (size == 2 && !memcmp(answer->data, "^D", 2)) {
        buffer_add_char(&console->typed, end);
        return;
    }
    buffer_add(&console->typed, answer->data, size);
    if (!size || answer->data[size - 1] != end)
        buffer_add_char(&console->typed, '\n');
}

void console_take_answer(struct console *console, pid_t worker, int64_t now,
                         const struct session_events *events)
{
    CLEANUP(buffer_clear) struct buffer answer = {0};
    if (!console->is_asked || !events->take_answer(events->context, &answer))
        return;
    console->is_asked = false;
    take_text(console, &answer);
    (void)reader_find(worker, console->terminal.device, &console->reader);
    type(console, now);
}
