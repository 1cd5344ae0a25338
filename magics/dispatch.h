/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sending payloads to crews and waiting: output goes into the cell, an interrupt cancels
 * the remote work. */
#ifndef ACHAR_MAGICS_DISPATCH_H
#define ACHAR_MAGICS_DISPATCH_H

#include "magics/capture.h"

/* Makes sure that a pool has the payload; false after a refusal, told in the result. */
bool dispatch_payload(struct magic_context *context, struct crew *crew,
                      const struct packed_payload *payload, struct result *result);

/* Waits for the next result of any task, passing output on. 1: *ret is a result (its
 * outcome is the caller's, its data borrowed); 0: the cell was interrupted; -1: there
 * is no pool, told in the result. */
int dispatch_wait(struct magic_context *context, struct crew *crew, int timeout_ms,
                  struct pool_event *ret, struct result *result);

/* Cancels a task and waits for its end. */
void dispatch_cancel(struct magic_context *context, struct crew *crew,
                     const uint32_t *ids, size_t n);

/* An outcome that is not a success, as the cell's error. */
void dispatch_report(struct magic_context *context, const struct outcome *outcome,
                     struct result *result);

/* One task from beginning to end: values (owned), and how the value looks in the result.
 */
bool dispatch_one(struct magic_context *context, const char *executor,
                  const struct payload *payload, struct buffer *ret_values,
                  struct result *result);

#endif
