/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/display.h"

#include <errno.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (BUNDLE_SIZE_MAX + (1u << 20)) /* with types and metadata */

/* A file that is no memory file might make the reader wait for ever. */
static bool is_file(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static int read_file(int fd, size_t size, struct buffer *ret, struct error *err)
{
    buffer_reserve(ret, size);
    while (ret->size < size) {
        ssize_t n = pread(fd, ret->data + ret->size, size - ret->size, (off_t)ret->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, -EBADMSG, "what is to be shown was cut short");
        ret->size += (size_t)n;
    }
    return 0;
}

int display_bytes(const struct frame *frame, struct buffer *ret, struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size = (size_t)unpack_max(&in, FILE_SIZE_MAX);
    if (!unpack_done(&in) || !frame->n_fds || !is_file(frame->fds[0]))
        return error_set(err, -EBADMSG, "what is to be shown cannot be read");
    return read_file(frame->fds[0], size, ret, err);
}

int display_receive(const struct frame *frame, struct bundle *ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    int r = display_bytes(frame, &bytes, err);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    return r < 0 ? r : bundle_unpack(&in, ret, err);
}

void display_done(struct frame *frame)
{
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    frame->n_fds = 0;
}
