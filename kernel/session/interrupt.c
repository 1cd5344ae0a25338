/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/interrupt.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int interrupt_init(struct interrupt *interrupt)
{
    interrupt->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return interrupt->fd < 0 ? -errno : 0;
}

void interrupt_clear(struct interrupt *interrupt)
{
    if (interrupt->fd >= 0)
        close(interrupt->fd);
    interrupt->fd = -1;
}

void interrupt_raise(struct interrupt *interrupt)
{
    uint64_t one = 1;
    while (write(interrupt->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

bool interrupt_take(struct interrupt *interrupt)
{
    uint64_t count = 0;
    return read(interrupt->fd, &count, sizeof(count)) == sizeof(count) && count > 0;
}
