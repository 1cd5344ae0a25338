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

#define RANKS_TOKEN_SIZE 32     /* characters */
#define RANKS_LEASE_MS 10000    /* of a rank, unless the front says */
#define RANKS_MARK "achar-rank" /* with the token behind: before the hash of a key */

/* Serves until the front closes the channel; returns the exit status. */
int ranks_serve(struct channel *front);

/* The parent of one rank, started by a launcher; `library` is MPI's. `door` says how the
 * pool is reached: "LEASE_MS,NAME,TOKEN", NAME of a socket of this host, abstract; then a
 * comma and what callback_describe() wrote, where ranks on other hosts are expected. All
 * of this may be known to everybody: the socket belongs to a user, and the others prove
 * who they are by keys, of which the launcher's output tells. */
int rank_parent_run(const char *library, const char *door);

#endif
