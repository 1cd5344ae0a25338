/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An interrupt on its way from the thread that received it to the thread that runs a
 * request: a counter and a descriptor to poll. */
#ifndef ACHAR_SESSION_INTERRUPT_H
#define ACHAR_SESSION_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
    int fd; /* eventfd, readable while an interrupt has not been taken */
};

int interrupt_init(struct interrupt *interrupt); /* 0 or negative errno */
void interrupt_clear(struct interrupt *interrupt);
void interrupt_raise(struct interrupt *interrupt); /* any thread */
bool interrupt_take(struct interrupt *interrupt);  /* true once for all raised so far */

#endif
