/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the texts that are made of a payload share; for files of this folder. */
#ifndef ACHAR_PAYLOAD_UNIT_H
#define ACHAR_PAYLOAD_UNIT_H

#include "pickler/graph/emit.h"
#include "pickler/payload/payload.h"

/* The definition of this id; NULL: none. `payload` is a struct payload. */
const struct definition *payload_find(void *payload, uint32_t id);
/* Its entry, under the newest macros. */
void payload_add_entry(const struct payload *payload, struct emitter *emitter,
                       struct buffer *out);

#endif
