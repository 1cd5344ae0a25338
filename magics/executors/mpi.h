/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ACHAR_EXECUTORS_MPI_H
#define ACHAR_EXECUTORS_MPI_H

#include "magics/executors/executor.h"
#include "magics/executors/ranks_client.h"

/* The command line that an executor of type mpi is started with. */
int mpi_command(const struct executor_option *options, size_t n_options,
                struct ranks_command *ret, struct error *err) MUST_USE;

#endif
