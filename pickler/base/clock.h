/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The time since some moment in the past, which only grows. */
#ifndef ACHAR_BASE_CLOCK_H
#define ACHAR_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_us(void);
int64_t clock_ms(void);

#endif
