/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/mpi_calls.h"

#include <stddef.h>

#include "kernel/worker/mpi_entries.h"

/* Global: the entries reach nothing else. */
uint64_t mpi_calls_made;
void *mpi_calls_targets[MPI_CALLS_MAX];

void *mpi_calls_through(void *function)
{
    size_t i = 0;
    while (i < MPI_CALLS_MAX && mpi_calls_targets[i] && mpi_calls_targets[i] != function)
        i++;
    if (i == MPI_CALLS_MAX)
        return function;
    mpi_calls_targets[i] = function;
    return (void *)(uintptr_t)(mpi_calls_entries + i * MPI_CALLS_ENTRY_SIZE);
}

uint32_t mpi_calls_count(void)
{
    return (uint32_t)mpi_calls_made;
}
