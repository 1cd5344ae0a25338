/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting for an answer awake: a processor that falls asleep takes longer to come back
 * than a short answer does. */
#include <poll.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include "kernel/peer/channel.h"
#include "pickler/base/clock.h"

/* Whether so many processors and one more have been idle of late. */
static bool has_idle_processors(unsigned n_busy)
{
    struct sysinfo info;
    cpu_set_t ours;
    if (sysinfo(&info) < 0 || sched_getaffinity(0, sizeof(ours), &ours) < 0)
        return false;
    unsigned long n = (unsigned long)CPU_COUNT(&ours);
    return n > n_busy && info.loads[0] < (n << SI_LOAD_SHIFT) / 2;
}

void channel_linger(struct channel *channel, unsigned microseconds, unsigned n_busy)
{
    struct pollfd fd = {.fd = channel_fd(channel), .events = POLLIN};
    if (!has_idle_processors(n_busy))
        return;
    int64_t end = clock_us() + microseconds;
    while (poll(&fd, 1, 0) == 0 && clock_us() < end)
        ;
}
