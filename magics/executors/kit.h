/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a machine needs on which nothing is installed: the pool and its workers, the
 * libraries they were linked with down to the dynamic linker, and the headers of the C
 * library for libtcc, as one tar.gz. For our own kind of machine it is made from what is
 * installed here; for another it was put beside our executables.
 *
 *     bin/achar-pool bin/achar-worker   the executables
 *     run/achar-pool run/achar-worker   scripts that start them by lib/ld.so
 *     lib/ld.so lib/libc.so.6 ...       shared libraries
 *     include/ tcc/                     headers */
#ifndef ACHAR_EXECUTORS_KIT_H
#define ACHAR_EXECUTORS_KIT_H

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define KIT_SIZE_MAX (256u << 20) /* of all files together */

struct kit {
    char name[65];       /* of the content: hexadecimal */
    char sum[65];        /* SHA-256 of `packed`; set by kit_pack() */
    struct buffer plain; /* the tar; empty when only `packed` was there */
    struct buffer packed;
};

/* For a machine of this kind (uname -m). -ENOENT: there is none, and what to do. */
int kit_make(const char *machine, struct kit *ret, struct error *err) MUST_USE;
/* Where a kit's parts are. */
struct kit_source {
    const char *machine; /* as uname -m says there */
    const char *folder;  /* a build folder; NULL: what belongs to this process */
    const char *root; /* in front of the paths of libraries and headers; "": our own. Of
                         another machine: its qemu-MACHINE is run */
};
int kit_make_of(const struct kit_source *source, struct kit *ret,
                struct error *err) MUST_USE;
/* Compresses, where that was not done yet. */
int kit_pack(struct kit *kit, struct error *err) MUST_USE;
void kit_free(struct kit *kit);

#endif
