/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/wire/meter.h"

#include <stdbool.h>

#define BIN_US (METER_WINDOW_US / METER_BINS)

/* True when a message fits beside what is still in the window at bin `number`. */
static bool fits(const struct meter *meter, int64_t number, size_t size)
{
    size_t bytes = 0, messages = 0;
    for (int i = 0; i < METER_BINS; i++)
        if (meter->bins[i].number > number - METER_BINS) {
            bytes += meter->bins[i].size;
            messages += meter->bins[i].messages;
        }
    if (messages == 0)
        return true;
    return bytes + size <= METER_SIZE_MAX && messages < METER_MESSAGES_MAX;
}

int64_t meter_due(const struct meter *meter, int64_t now, size_t size)
{
    int64_t number = now / BIN_US;
    if (fits(meter, number, size))
        return now;
    do
        number++;
    while (!fits(meter, number, size));
    return number * BIN_US;
}

void meter_count(struct meter *meter, int64_t now, size_t size)
{
    int64_t number = now / BIN_US;
    struct meter_bin *bin = &meter->bins[number % METER_BINS];
    if (bin->number != number)
        *bin = (struct meter_bin){.number = number};
    bin->size += size;
    bin->messages++;
}
