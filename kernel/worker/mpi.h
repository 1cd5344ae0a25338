/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MPI in a process that outlives programs: it starts once, and what cells call to start
 * and end it changes nothing afterwards, so that a whole MPI program runs again and again
 * in one process. Known by its names alone: no header and no library of MPI's is needed
 * to build this, and a process without MPI pays nothing. */
#ifndef ACHAR_WORKER_MPI_H
#define ACHAR_WORKER_MPI_H

#include <stdbool.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

/* Opens the library and starts MPI, as a rank does before it takes requests. Handlers of
 * signals that are there stay. */
int mpi_start(const char *library, struct error *err) MUST_USE;
/* It has been started, by whomever. */
bool mpi_is_started(void);
/* What stands for a function of the library in cells; NULL: nothing does. */
void *mpi_find(const char *name);

#endif
