/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times and sizes as a person writes them. */
#ifndef ACHAR_MAGICS_QUANTITY_H
#define ACHAR_MAGICS_QUANTITY_H

#include <stdint.h>

#include "pickler/base/buffer.h"

/* "500ms", "1.5s", "10min", "2h" in ms; -1: it is something else. A number alone is that
 * many `unit_ms`; 0: it needs a unit. */
double quantity_time(const char *text, double unit_ms);
/* "64MB", "1.5g" in bytes; -1: it is something else. */
double quantity_size(const char *text);

/* "12 kB", "1.5 GB"; "2.5 s", "3 min 20 s"; owned. */
char *quantity_show_size(uint64_t bytes) MUST_USE;
char *quantity_show_time(double ms) MUST_USE;

#endif
