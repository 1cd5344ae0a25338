/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ranks of an MPI program that stay up between requests. `achar-pool --ranks` serves the
 * front: it has an engine's launcher (mpirun, srun) start `achar-pool --rank` once a
 * rank, which starts the rank itself, a session worker, and tells how it ended; no
 * launcher's exit status is waited for. A request goes to every rank, and comes to an end
 * whatever becomes of each: what cannot answer any more is ended, and the whole world of
 * ranks is started again, as MPI knows no half worlds.
 *
 * Reading order: rank_parent.c (beside each rank), launcher.h, world.h (one generation of
 * ranks), ranks_inside.h and the files that it names. */
#ifndef ACHAR_POOL_RANKS_H
#define ACHAR_POOL_RANKS_H

#include "kernel/peer/channel.h"

#define RANKS_ADDRESS                                                                    \
    "ACHAR_RANKS"           /* environment: "NAME TOKEN" of the socket, abstract */
#define RANKS_TOKEN_SIZE 32 /* characters */

/* Serves until the front closes the channel; returns the exit status. */
int ranks_serve(struct channel *front);

/* The parent of one rank, started by a launcher; `library` is MPI's. */
int rank_parent_run(const char *library);

#endif
