/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much was sent lately, in bins of a sliding window. Jupyter's servers drop output
 * above 1000 messages or 1 MB a second over 3 s; we stay below that. */
#ifndef ACHAR_WIRE_METER_H
#define ACHAR_WIRE_METER_H

#include <stddef.h>
#include <stdint.h>

#define METER_WINDOW_US 3100000 /* the server's and one bin, whose start is not known */
#define METER_SIZE_MAX 2500000  /* bytes in a window */
#define METER_MESSAGES_MAX 2000 /* in a window */
#define METER_BINS 31

struct meter {
    struct meter_bin {
        int64_t number; /* of the bin since time 0; older ones count as empty */
        size_t size, messages;
    } bins[METER_BINS];
};

/* When a message of `size` bytes may go: `now` or later. One that is larger than the
 * whole window goes when the window is empty. */
int64_t meter_due(const struct meter *meter, int64_t now, size_t size);
void meter_count(struct meter *meter, int64_t now, size_t size);

#endif
