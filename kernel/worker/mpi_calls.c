/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One entry a function, all alike: they touch no register and no stack, so that arguments
 * and backtraces are what they were. */
#include "kernel/worker/mpi_calls.h"

#include <stddef.h>

#define ENTRY_SIZE 16

/* Global: the entries reach nothing else. */
uint64_t mpi_calls_made __attribute__((visibility("hidden")));
void *mpi_calls_targets[MPI_CALLS_MAX] __attribute__((visibility("hidden")));
extern const char mpi_calls_entries[] __attribute__((visibility("hidden")));

__asm__(".text\n.balign 16\n.hidden mpi_calls_entries\n.globl mpi_calls_entries\n"
        ".type mpi_calls_entries, @function\nmpi_calls_entries:\n"
        ".set mpi_calls_entry, 0\n"
        ".rept 512\n"
        "    incq mpi_calls_made(%rip)\n"
        "    jmp *mpi_calls_targets+8*mpi_calls_entry(%rip)\n"
        "    .balign 16\n"
        "    .set mpi_calls_entry, mpi_calls_entry+1\n"
        ".endr\n.size mpi_calls_entries, . - mpi_calls_entries\n");

void *mpi_calls_through(void *function)
{
    size_t i = 0;
    while (i < MPI_CALLS_MAX && mpi_calls_targets[i] && mpi_calls_targets[i] != function)
        i++;
    if (i == MPI_CALLS_MAX)
        return function;
    mpi_calls_targets[i] = function;
    return (void *)(uintptr_t)(mpi_calls_entries + i * ENTRY_SIZE);
}

uint32_t mpi_calls_count(void)
{
    return (uint32_t)mpi_calls_made;
}
