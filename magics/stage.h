/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The files of --files as they are when a job is submitted: copied into one file without
 * a name, which shares their blocks where the file system can, so that they are neither
 * in memory nor changed by what happens to them later. */
#ifndef ACHAR_MAGICS_STAGE_H
#define ACHAR_MAGICS_STAGE_H

#include "kernel/peer/blob.h"
#include "magics/context.h"
#include "magics/job_options.h"
#include "pickler/payload/surroundings.h"

/* Adds files and folders, with all that is in them, under the last parts of their paths.
 * Their contents are lent by *ret. False: the result says which cannot be read, and why.
 */
bool stage(struct magic_context *context, const struct job_options *options,
           struct surroundings *surroundings, struct blob **ret, struct result *result);

#endif
