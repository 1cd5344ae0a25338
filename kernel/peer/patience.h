/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether to look again for a moment before going to sleep: to wake up costs more than to
 * wait for what takes a few microseconds. While it looks it offers the processor to
 * others at every turn, and it stops doing so where that does not pay: where things take
 * longer, and where others need the processors. */
#ifndef ACHAR_PEER_PATIENCE_H
#define ACHAR_PEER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* {0} at first. Whatever it holds does no harm. */
struct patience {
    uint32_t n_vain;       /* in a row */
    int64_t crowded_until; /* us */
};

/* Until there is something, for PATIENCE_US at most; false: there is nothing. */
#define PATIENCE_US 50
bool patience_wait(struct patience *patience, bool (*is_there)(void *context),
                   void *context);
/* So long was slept until there was something: it might have been worth waiting for. */
void patience_slept(struct patience *patience, int64_t microseconds);

#endif
