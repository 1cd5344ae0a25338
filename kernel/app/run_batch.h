/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar run --batch`: parts of a batch job, on the node where an engine has started it
 * (magics/executors/batch_file.h). */
#ifndef ACHAR_APP_RUN_BATCH_H
#define ACHAR_APP_RUN_BATCH_H

struct run_batch {
    const char *folder;
    const char *trust;          /* hexadecimal: the key that must have signed it */
    const char *index, *stride; /* parts index, index + stride, ...; as text */
};

/* The exit status: 0 when all of them have a result, whatever it is. A part that has one
 * already, since the engine has begun the job anew, is not run again. */
int run_batch(const struct run_batch *order);

#endif
