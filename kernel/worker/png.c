/* SPDX-License-Identifier: BSD-3-Clause
 *
 * https://www.w3.org/TR/png-3: signature, IHDR, one IDAT, IEND. Every row is filtered by
 * "up" (type 2), which suits plots: equal rows become zeros. */
#include "kernel/worker/png.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void add_chunk(struct buffer *out, const char *type, const void *data, size_t size)
{
    unsigned char word[4];
    put32(word, (uint32_t)size);
    buffer_add(out, word, 4);
    size_t start = out->size;
    buffer_add(out, type, 4);
    buffer_add(out, data, size);
    put32(word, (uint32_t)crc32(0, (const Bytef *)out->data + start, (uInt)(size + 4)));
    buffer_add(out, word, 4);
}

/* One row behind its filter's number. */
static void filter_up(unsigned char *to, const unsigned char *row,
                      const unsigned char *above, size_t size)
{
    *to++ = above ? 2 : 0;
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(row[i] - (above ? above[i] : 0));
}

static int compress_rows(const unsigned char *pixels, size_t row, uint32_t height,
                         struct buffer *out, struct error *err)
{
    z_stream stream = {0};
    if (deflateInit(&stream, Z_DEFAULT_COMPRESSION) != Z_OK)
        return error_set(err, -ENOMEM, "there is no memory to compress a picture");
    buffer_reserve(out, deflateBound(&stream, (uLong)((row + 1) * height)));
    CLEANUP(freep) unsigned char *line = must_alloc(row + 1);
    stream.next_out = (Bytef *)out->data;
    stream.avail_out = (uInt)out->capacity;
    for (uint32_t y = 0; y < height; y++) {
        const unsigned char *at = pixels + y * row;
        filter_up(line, at, y ? at - row : NULL, row);
        stream.next_in = line;
        stream.avail_in = (uInt)(row + 1);
        deflate(&stream, y + 1 == height ? Z_FINISH : Z_NO_FLUSH);
    }
    out->size = stream.total_out;
    deflateEnd(&stream);
    return 0;
}

int png_check(uint32_t width, uint32_t height, unsigned bytes, struct error *err)
{
    if (!width || !height || width > PNG_SIDE_MAX || height > PNG_SIDE_MAX)
        return error_set(
            err, -EINVAL,
            "a picture has 1 to %d pixels in a row and a column, not %u x %u",
            PNG_SIDE_MAX, width, height);
    if (!bytes || bytes > 4)
        return error_set(err, -EINVAL, "a pixel has 1 to 4 bytes, not %u", bytes);
    if ((uint64_t)width * height * bytes > PNG_BYTES_MAX)
        return error_set(err, -EFBIG, "a picture has at most %u bytes of pixels",
                         PNG_BYTES_MAX);
    return 0;
}

int png_add(struct buffer *out, const void *pixels, uint32_t width, uint32_t height,
            unsigned bytes, struct error *err)
{
    static const unsigned char colour_types[] = {0, 0, 4, 2, 6};
    CLEANUP(buffer_clear) struct buffer data = {0};
    int r = png_check(width, height, bytes, err);
    if (r == 0)
        r = compress_rows(pixels, (size_t)width * bytes, height, &data, err);
    if (r < 0)
        return r;
    unsigned char header[13] = {[8] = 8, [9] = colour_types[bytes]};
    put32(header, width);
    put32(header + 4, height);
    buffer_add(out, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(out, "IHDR", header, sizeof(header));
    add_chunk(out, "IDAT", data.data, data.size);
    add_chunk(out, "IEND", NULL, 0);
    return 0;
}
