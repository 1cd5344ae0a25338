/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the run of a cell or task ended, as a worker reports it. */
#ifndef ACHAR_PEER_OUTCOME_H
#define ACHAR_PEER_OUTCOME_H

#include <stdint.h>

#include "kernel/peer/bundle.h"
#include "pickler/base/error.h"
#include "pickler/base/pack.h"

enum outcome_kind {
    OUTCOME_OK,
    OUTCOME_COMPILE,     /* libtcc refused the unit: message; the front tries cc */
    OUTCOME_LINK,        /* it compiled but cannot be loaded: undefined symbol, ... */
    OUTCOME_FAULT,       /* a signal: name "SIGSEGV", state kept, see is_state_kept */
    OUTCOME_EXIT,        /* exit(status), or main returned status; 0 is a success */
    OUTCOME_INTERRUPTED, /* SIGINT reached the cell's code and stopped it */
    OUTCOME_DIED,        /* filled by the front: the process is gone */
    OUTCOME_REFUSED,     /* a value cannot travel, or does not fit */
    OUTCOME_KIND_COUNT
};

struct outcome_frame { /* innermost first */
    char *function; /* without __achar suffix; "(cell)" for statements; libc names too */
    uint32_t cell, line; /* 0 outside cells and files */
    char *file; /* without folders, where the place is in no cell; else NULL or empty */
};

struct outcome {
    enum outcome_kind kind;
    char *name;         /* "SIGSEGV", "SIGFPE", "UndefinedSymbol", ... ; NULL when ok */
    char *message;      /* "read of address 0x10 (null pointer)"; one line or several */
    int32_t status;     /* exit status, or the signal's number */
    bool is_state_kept; /* a fault or an interrupt that left the worker usable */
    char *note;         /* the front's, not sent: what became of the session; or NULL */
    struct outcome_frame *frames;
    size_t n_frames;
    char *value_text;         /* the rendered value, NULL when there is none */
    struct bundle value_more; /* what else there is of it: text/html, ... */
};

/* Refused for what a host lacks, not for what was asked for. */
#define OUTCOME_NO_ROOM "NoRoom"
#define OUTCOME_NO_FOLDER "FolderError"

void outcome_clear(struct outcome *outcome);
/* Adds to the message which host it is that lacks something, unless it is this one (NULL,
 * "localhost"); messages of other outcomes stay as they are. */
void outcome_name_host(struct outcome *outcome, const char *host);
void outcome_pack(const struct outcome *outcome, struct buffer *out);
int outcome_unpack(struct unpack *in, struct outcome *ret, struct error *err) MUST_USE;

#endif
