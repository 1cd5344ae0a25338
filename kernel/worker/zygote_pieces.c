/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/zygote_pieces.h"

#include <errno.h>
#include <unistd.h>

void zygote_pieces_clear(struct zygote_pieces *pieces)
{
    for (size_t i = 0; i < pieces->n; i++) {
        int fd = pieces->places[i].fd;
        if (fd < 0)
            continue;
        close(fd);
        for (size_t k = i; k < pieces->n; k++)
            if (pieces->places[k].fd == fd)
                pieces->places[k].fd = -1;
    }
    free(TAKE(pieces->places));
    pieces->n = 0;
}

int zygote_pieces_take(struct zygote_pieces *pieces, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    bool is_used = false;
    for (size_t n = unpack_count(&in); n && !in.failed && frame->n_fds == 1; n--) {
        size_t index = (size_t)unpack_max(&in, RECIPE_PIECES_MAX);
        uint64_t offset = unpack_u64(&in);
        if (in.failed)
            break;
        if (index >= pieces->n) {
            pieces->places =
                must_realloc(pieces->places, index + 1, sizeof(*pieces->places));
            while (pieces->n <= index)
                pieces->places[pieces->n++] = (struct recipe_place){.fd = -1};
        }
        pieces->places[index] =
            (struct recipe_place){.fd = frame->fds[0], .offset = offset};
        is_used = true;
    }
    for (size_t i = 0; i < frame->n_fds && !is_used; i++)
        close(frame->fds[i]);
    return unpack_done(&in) && frame->n_fds == 1 ? 0 : -EBADMSG;
}
