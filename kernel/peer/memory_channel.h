/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A channel between two processes of one machine whose bytes go through memory that they
 * share: while both are awake a frame costs no system call. Beside it is a socket, which
 * wakes a side that sleeps and shows when the other one has ended.
 *
 * Each side keeps its own places and checks those of the other, so that whatever is
 * written there a side reads and writes within the memory only. */
#ifndef ACHAR_PEER_MEMORY_CHANNEL_H
#define ACHAR_PEER_MEMORY_CHANNEL_H

#include "kernel/peer/channel.h"

#define MEMORY_CHANNEL_RING (1u << 20) /* bytes on the way in one direction */

/* A descriptor of such memory, empty; -errno. */
int memory_channel_make(void) MUST_USE;

/* Takes the socket, and the memory when it returns a channel; NULL: it cannot be mapped
 * or is no such memory. Of the two sides one is the first. What has no room is kept
 * (channel_post()); channel_sleep() goes before poll(2). */
struct channel *memory_channel_new(int socket, int memory, bool is_first) MUST_USE;

#endif
