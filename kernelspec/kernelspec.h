/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The files of the kernelspec, inside the executable: what `achar install` writes is the
 * same from a build tree and from an installation. The definitions are generated from the
 * files of this folder by embed.py. */
#ifndef ACHAR_KERNELSPEC_KERNELSPEC_H
#define ACHAR_KERNELSPEC_KERNELSPEC_H

#include <stddef.h>

struct kernelspec_file {
    const char *name; /* "kernel.json.in", "logo-32x32.png"; NULL ends the list */
    const unsigned char *data; /* not NUL-terminated */
    size_t size;
};

extern const struct kernelspec_file kernelspec_files[];

#endif
