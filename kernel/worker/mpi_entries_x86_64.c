/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/mpi_entries.h"

__asm__(".text\n.balign 32\n.hidden mpi_calls_entries\n.globl mpi_calls_entries\n"
        ".type mpi_calls_entries, @function\nmpi_calls_entries:\n"
        ".set mpi_calls_entry, 0\n"
        ".rept 512\n"
        "    incq mpi_calls_made(%rip)\n"
        "    jmp *mpi_calls_targets+8*mpi_calls_entry(%rip)\n"
        "    .balign 32\n"
        "    .set mpi_calls_entry, mpi_calls_entry+1\n"
        ".endr\n.size mpi_calls_entries, . - mpi_calls_entries\n");
