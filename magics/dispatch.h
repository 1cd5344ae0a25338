/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads that go to crews, and outcomes that come back. */
#ifndef ACHAR_MAGICS_DISPATCH_H
#define ACHAR_MAGICS_DISPATCH_H

#include "magics/capture.h"

/* Makes sure that a pool has the payload, which the crew has; false after a refusal, told
 * in the result. */
bool dispatch_payload(struct magic_context *context, struct crew *crew,
                      const uint8_t hash[PAYLOAD_HASH_SIZE], struct result *result);

/* An outcome that is not a success, as the cell's error. */
void dispatch_report(struct magic_context *context, const struct outcome *outcome,
                     struct result *result);

#endif
