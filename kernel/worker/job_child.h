/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a job worker, from its first task to its end. */
#ifndef ACHAR_WORKER_JOB_CHILD_H
#define ACHAR_WORKER_JOB_CHILD_H

#include "kernel/worker/job_link.h"
#include "kernel/worker/zygote.h"

/* Its exit status when it has answered and leaves nothing behind. */
#define JOB_CHILD_ALONE 113

/* Takes a task, and others as long as its memory can be put back. */
_Noreturn void job_child_run(const struct zygote_work *work, const struct job_link *link);

#endif
