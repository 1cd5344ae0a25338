/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The answer to an input_request on its way from the sockets' thread to the shell thread.
 * One question at a time; what answers another one, comes from another client or comes
 * too late is ignored. */
#ifndef ACHAR_HANDLERS_INPUT_H
#define ACHAR_HANDLERS_INPUT_H

#include "kernel/wire/message.h"

struct input;

int input_new(struct input **ret, struct error *err) MUST_USE;
void input_free(struct input *input);
DEFINE_FREEP(struct input, input_free)

int input_fd(const struct input *input); /* readable while there is an answer */

/* Shell thread: message `id`, on behalf of `request`, asks. */
void input_expect(struct input *input, const struct request *request, const char *id);
bool input_take(struct input *input, struct buffer *ret);
void input_forget(struct input *input);

/* Sockets' thread: an input_reply. Clients that leave out its parent header answer
 * whatever was asked of them last. */
void input_receive(struct input *input, const struct request *reply);

#endif
