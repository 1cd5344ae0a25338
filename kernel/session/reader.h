/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who waits for input: a thread of a process or of its descendants that sleeps in a read
 * of a terminal, or in a poll or select that watches it. Told by /proc, so that it holds
 * for whatever reads: the C library, any other library, programs that were started. */
#ifndef ACHAR_SESSION_READER_H
#define ACHAR_SESSION_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define READER_PROCESSES_MAX 64 /* looked at; those further down are not seen */
#define READER_THREADS_MAX 256  /* of all of them */
/* A poll that ends sooner only has a look: its program does not wait for a person. */
#define READER_PATIENCE_MS 200

struct reader {
    pid_t process, thread;
    uint64_t sleeps; /* how often it went to sleep so far: the same, the same sleep */
};

/* False: nobody waits. `device` is the terminal's. */
bool reader_find(pid_t root, dev_t device, struct reader *ret);

#endif
