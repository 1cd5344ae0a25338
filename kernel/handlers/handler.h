/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One kind of request. The dispatcher sends busy before and idle after it, refuses what
 * is malformed, unknown or on the wrong channel, and picks the handler from the table; a
 * handler sends the reply and whatever goes with it. */
#ifndef ACHAR_HANDLERS_HANDLER_H
#define ACHAR_HANDLERS_HANDLER_H

#include "kernel/handlers/kernel.h"

enum handler_channels {
    ON_SHELL = 1 << WIRE_SHELL,
    ON_CONTROL = 1 << WIRE_CONTROL, /* runs on the sockets' thread: must not wait */
};

struct handler {
    const char *type; /* "execute_request" */
    unsigned channels;
    bool needs_session; /* refused while there is none */
    void (*run)(struct kernel *kernel, const struct request *request);
};

extern const struct handler handle_comm_close, handle_comm_info, handle_comm_msg,
    handle_comm_open, handle_complete, handle_execute, handle_history, handle_inspect,
    handle_interrupt, handle_is_complete, handle_kernel_info, handle_shutdown;

/* Answers a request, whatever it is. */
void dispatch(struct kernel *kernel, const struct request *request);
/* Answers an execute request that stood behind an error; others as dispatch(). */
void dispatch_aborted(struct kernel *kernel, const struct request *request);

/* Sends X_reply for X_request; takes the content and sets its status to "ok" if it has
 * none. */
void reply(struct kernel *kernel, const struct request *request, json_t *content);
/* A reply with status "error", a name, a message and a one-line traceback. */
void reply_error(struct kernel *kernel, const struct request *request, const char *name,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* On iopub; takes the content. */
void publish(struct kernel *kernel, const struct request *request, const char *type,
             json_t *content);

/* Fields of a request's content. Absent (or null) gives `otherwise`; a wrong type answers
 * the request with an error and returns false. */
bool get_text(struct kernel *kernel, const struct request *request, const char *name,
              const char *otherwise, const char **ret);
bool get_bool(struct kernel *kernel, const struct request *request, const char *name,
              bool otherwise, bool *ret);
bool get_integer(struct kernel *kernel, const struct request *request, const char *name,
                 int64_t otherwise, int64_t *ret);

/* Brings the cell that has just been answered into the history. After idle: the person
 * need not wait for a file. */
void execute_store(struct kernel *kernel);

#endif
