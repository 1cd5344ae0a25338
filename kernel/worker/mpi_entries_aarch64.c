/* SPDX-License-Identifier: BSD-3-Clause
 *
 * x16 and x17 are those that a call may change on its way. */
#include "kernel/worker/mpi_entries.h"

__asm__(".text\n.balign 32\n.hidden mpi_calls_entries\n.globl mpi_calls_entries\n"
        ".type mpi_calls_entries, @function\nmpi_calls_entries:\n"
        ".set mpi_calls_entry, 0\n"
        ".rept 512\n"
        "    adrp x16, mpi_calls_made\n"
        "    ldr x17, [x16, :lo12:mpi_calls_made]\n"
        "    add x17, x17, #1\n"
        "    str x17, [x16, :lo12:mpi_calls_made]\n"
        "    adrp x16, mpi_calls_targets+8*mpi_calls_entry\n"
        "    ldr x16, [x16, :lo12:mpi_calls_targets+8*mpi_calls_entry]\n"
        "    br x16\n"
        "    .balign 32\n"
        "    .set mpi_calls_entry, mpi_calls_entry+1\n"
        ".endr\n.size mpi_calls_entries, . - mpi_calls_entries\n");
