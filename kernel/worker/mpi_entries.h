/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One entry a function, all alike, MPI_CALLS_MAX of them: each counts, and jumps to its
 * target. They touch no argument and no stack, so that backtraces are what they were.
 * Written for each processor. */
#ifndef ACHAR_WORKER_MPI_ENTRIES_H
#define ACHAR_WORKER_MPI_ENTRIES_H

#include "kernel/worker/mpi_calls.h"

#define MPI_CALLS_ENTRY_SIZE 32

extern uint64_t mpi_calls_made __attribute__((visibility("hidden")));
extern void *mpi_calls_targets[MPI_CALLS_MAX] __attribute__((visibility("hidden")));
extern const char mpi_calls_entries[] __attribute__((visibility("hidden")));

#endif
