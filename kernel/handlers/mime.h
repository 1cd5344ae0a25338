/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bundles as Jupyter's `data` and `metadata`: text as it is, JSON as values, all else in
 * base64. https://jupyter-client.readthedocs.io/en/stable/messaging.html#display-data */
#ifndef ACHAR_HANDLERS_MIME_H
#define ACHAR_HANDLERS_MIME_H

#include <jansson.h>

#include "kernel/peer/bundle.h"

/* Both are owned objects; a part that is no JSON though its type says so is left out, and
 * named in `problem` (NULL: not asked for). */
json_t *mime_data(const struct bundle *bundle, struct error *problem) MUST_USE;
json_t *mime_metadata(const struct bundle *bundle, struct error *problem) MUST_USE;

#endif
