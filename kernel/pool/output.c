/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/output.h"

#include <errno.h>
#include <sys/ioctl.h>

void output_clear(struct output *output)
{
    closep(&output->fd);
    output->fd = -1;
    buffer_clear(&output->unsent);
}

void output_read(struct output *output)
{
    char chunk[OUTPUT_CHUNK];
    ssize_t n = output->fd < 0 ? -1 : read(output->fd, chunk, sizeof(chunk));
    if (n > 0)
        buffer_add(&output->unsent, chunk, (size_t)n);
    if (n == 0) {
        close(output->fd);
        output->fd = -1;
    }
}

void output_read_rest(struct output *output)
{
    int there = 0;
    if (output->fd < 0 || ioctl(output->fd, FIONREAD, &there) < 0)
        return;
    size_t end = output->unsent.size +
                 ((size_t)there < OUTPUT_REST_MAX ? (size_t)there : OUTPUT_REST_MAX);
    for (size_t before = SIZE_MAX;
         output->unsent.size < end && output->unsent.size != before;) {
        before = output->unsent.size;
        output_read(output);
    }
}

uint64_t output_due(const struct output *output)
{
    if (!output->unsent.size)
        return UINT64_MAX;
    return output->unsent.size >= OUTPUT_CHUNK ? 0 : output->sent_at + OUTPUT_DELAY_US;
}
