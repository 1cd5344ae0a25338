/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/patience.h"

#include <sched.h>

#include "pickler/base/clock.h"

#define VAIN_MAX 3         /* times in a row, then it waits no more ... */
#define CLOSE_US 100       /* ... until a sleep was so short that it would have paid */
#define AWAY_US 400        /* who is away for so long shares the processor with others */
#define CROWDED_US 20000   /* for so long after that it does not try again */
#define CALM_MAX_US 100000 /* what is further away was not written here */

bool patience_wait(struct patience *patience, bool (*is_there)(void *context),
                   void *context)
{
    if (is_there(context))
        return true;
    int64_t now = clock_us(), end = now + PATIENCE_US;
    if (patience->n_vain >= VAIN_MAX ||
        (patience->crowded_until > now && patience->crowded_until < now + CALM_MAX_US))
        return false;
    while (now < end) {
        int64_t before = now;
        sched_yield();
        now = clock_us();
        if (now - before > AWAY_US)
            patience->crowded_until = now + CROWDED_US;
        if (is_there(context)) {
            patience->n_vain = 0;
            return true;
        }
    }
    patience->n_vain++;
    return false;
}

void patience_slept(struct patience *patience, int64_t microseconds)
{
    if (microseconds < CLOSE_US)
        patience->n_vain = 0;
}
