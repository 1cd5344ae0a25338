/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of pixels as a PNG file. */
#ifndef ACHAR_WORKER_PNG_H
#define ACHAR_WORKER_PNG_H

#include <stdint.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define PNG_SIDE_MAX 32768         /* pixels */
#define PNG_BYTES_MAX (256u << 20) /* of all pixels */

/* -EINVAL or -EFBIG when there cannot be such a picture. */
int png_check(uint32_t width, uint32_t height, unsigned bytes,
              struct error *err) MUST_USE;
/* `bytes` a pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; rows from the top without
 * gaps. */
int png_add(struct buffer *out, const void *pixels, uint32_t width, uint32_t height,
            unsigned bytes, struct error *err) MUST_USE;

#endif
