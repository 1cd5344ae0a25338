/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MPI's headers and library, found by themselves when a cell includes mpi.h. */
#ifndef ACHAR_MAGICS_MPI_HEADERS_H
#define ACHAR_MAGICS_MPI_HEADERS_H

#include "magics/context.h"

/* Where the source includes mpi.h and the session has no MPI yet: asks pkg-config, then
 * mpicc, and adds what they say. Where neither knows MPI the include fails by itself. */
int mpi_headers_use(struct magic_context *context, const char *source,
                    struct result *result, struct error *err) MUST_USE;

/* The same, wanted by an executor: the library's file, borrowed until the session's
 * libraries change. NULL after a mistake, told in the result: there is no MPI. */
int mpi_headers_library(struct magic_context *context, const char **ret,
                        struct result *result, struct error *err) MUST_USE;

#endif
