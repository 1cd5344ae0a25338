/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of types that a payload is rebuilt with: its own, under the same ids, and
 * behind them those that only its values have. Whoever compiles the unit and whoever
 * loads the values must number layouts alike, so both ask here. */
#ifndef ACHAR_PAYLOAD_LAYOUTS_H
#define ACHAR_PAYLOAD_LAYOUTS_H

#include "pickler/payload/payload.h"

int payload_layouts(const struct payload *payload, struct types *ret,
                    struct error *err) MUST_USE;

#endif
