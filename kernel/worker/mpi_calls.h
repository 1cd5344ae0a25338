/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts the calls that cells make of MPI's functions: a rank that is seen twice inside
 * the same function, with the same count, has not come out of it in between. */
#ifndef ACHAR_WORKER_MPI_CALLS_H
#define ACHAR_WORKER_MPI_CALLS_H

#include <stdint.h>

#define MPI_CALLS_MAX 512 /* functions; more are not counted */

/* What stands for a function of the library in cells: it counts and goes there. The same
 * each time; the function itself where there is no room. */
void *mpi_calls_through(void *function);
uint32_t mpi_calls_count(void);

#endif
