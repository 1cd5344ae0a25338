/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The first bytes of a frame, for a process that has a descriptor but no channel: it
 * reads and writes whole frames and waits. As channel.c has them. */
#ifndef ACHAR_PEER_FRAME_HEADER_H
#define ACHAR_PEER_FRAME_HEADER_H

#include <stdint.h>
#include <stdlib.h>

#define FRAME_HEADER_SIZE 16

struct frame_header {
    uint64_t size; /* of what follows it; 0 too where the bytes are no header */
    uint32_t id;
    uint16_t kind, n_fds;
};

static inline void frame_header_put(char *at, uint32_t value, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (char)(value >> (8 * i));
}

static inline uint32_t frame_header_get(const char *at, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint32_t)(uint8_t)at[i] << (8 * i);
    return value;
}

static inline void frame_header_write(char *at, uint16_t kind, uint32_t id, size_t size)
{
    frame_header_put(at, (uint32_t)size + FRAME_HEADER_SIZE - 4, 4);
    frame_header_put(at + 4, kind, 2);
    frame_header_put(at + 6, 0, 2); /* descriptors */
    frame_header_put(at + 8, 0, 4); /* generation */
    frame_header_put(at + 12, id, 4);
}

static inline struct frame_header frame_header_read(const char *at)
{
    uint32_t size = frame_header_get(at, 4);
    return (struct frame_header){
        .size = size < FRAME_HEADER_SIZE - 4 ? 0 : size - (FRAME_HEADER_SIZE - 4),
        .kind = (uint16_t)frame_header_get(at + 4, 2),
        .n_fds = (uint16_t)frame_header_get(at + 6, 2),
        .id = frame_header_get(at + 12, 4)};
}

#endif
