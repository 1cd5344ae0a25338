/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pseudoterminal that stands for the person: its slave is descriptor 0 of what reads,
 * and what the person types goes into its master. It is nobody's controlling terminal, so
 * that reading never stops a process, and no typed character sends a signal or edits a
 * line. The end of a line sends it, and TERMINAL_EOF ends the input as Ctrl-D does. */
#ifndef ACHAR_PEER_TERMINAL_H
#define ACHAR_PEER_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define TERMINAL_EOF '\x04'
#define TERMINAL_PIECE_MAX 2048 /* bytes typed at once; the kernel's line holds 4095 */

struct terminal {
    int master, slave;  /* -1: none; non-blocking master */
    dev_t device;       /* of the slave */
    struct buffer echo; /* of what was typed, not yet read back */
};

#define TERMINAL_NONE {.master = -1, .slave = -1}

int terminal_open(struct terminal *ret, struct error *err) MUST_USE;
void terminal_close(struct terminal *terminal);

/* What nobody has read is gone. */
void terminal_flush(struct terminal *terminal);
/* The same, and all settings are those of a fresh one. */
void terminal_reset(struct terminal *terminal);

/* Input is not to be seen: the echo of lines is off. */
bool terminal_is_secret(const struct terminal *terminal);
/* Typed and not yet read. */
bool terminal_has_input(const struct terminal *terminal);

/* Types the beginning of the text: up to the end of its first line, or what fits. Returns
 * how many bytes that was, 0 when there is no room. To be called again when all of it has
 * been read. */
size_t terminal_type(struct terminal *terminal, const char *text, size_t size);

/* What was written to the terminal, without the echo; 0 when there is nothing. */
size_t terminal_read(struct terminal *terminal, char *to, size_t size);

#endif
