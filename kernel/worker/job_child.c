/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/job_child.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/peer/forked.h"
#include "kernel/peer/lane.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/heap_scratch.h"
#include "kernel/worker/renewal.h"

static void run_task(const struct zygote_work *work, const struct job_task *task,
                     struct buffer *answer)
{
    struct unpack in = unpack_init(task->data, task->size);
    size_t size;
    const void *argument = unpack_bytes(&in, &size);
    struct outcome outcome = {0};
    struct buffer result = {0};
    if (work->begin_task)
        work->begin_task(work->context, task->id);
    if (unpack_done(&in)) {
        work->run(work->context, argument, size, &outcome, &result);
    } else {
        outcome.kind = OUTCOME_REFUSED;
        outcome.name = must_strdup("BadTask");
        outcome.message = must_strdup("the task cannot be read");
    }
    renewal_watch(); /* a stream may lead to code of the task's */
    fflush(NULL);
    renewal_unwatch();
    if (forked_is_child()) /* the task forked and its child came back to us */
        _exit(0);
    renewal_watch();
    outcome_pack(&outcome, answer);
    pack_bytes(answer, result.data, result.size);
    renewal_unwatch();
}

/* One task; true when this process may take another. */
static bool take_task(const struct zygote_work *work, const struct job_link *link)
{
    struct job_task task = {0};
    struct buffer answer = {0};
    job_link_wait(link, &task);
    heap_scratch_use(true);
    run_task(work, &task, &answer);
    if (job_link_answer_file(link, task.id, &answer))
        return false;
    bool is_renewed = renewal_is_possible();
    bool is_in_lane =
        is_renewed && lane_answer(link->lane, task.id, answer.data, answer.size);
    if (!is_in_lane)
        job_link_write(link, is_renewed ? TASK_DONE_READY : TASK_DONE, task.id,
                       answer.data, answer.size);
    if (task.is_in_lane)
        lane_finish(link->lane);
    if (is_in_lane)
        job_link_tell(link);
    return is_renewed;
}

/* It has started nothing that could outlive it: what it starts is its own child, also
 * when its parent ends (subreaper). */
static bool is_alone(void)
{
    siginfo_t none;
    return __libc_single_threaded &&
           waitid(P_ALL, 0, &none, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* Each task starts where the first one did: restore comes back to sigsetjmp(). */
_Noreturn void job_child_run(const struct zygote_work *work, const struct job_link *link)
{
    if (link->lane && renewal_prepare(link->lane, lane_size()) &&
        sigsetjmp(*renewal_start(), 0) == 0)
        renewal_snapshot();
    if (take_task(work, link))
        renewal_restore();
    _exit(is_alone() ? JOB_CHILD_ALONE : 0);
}
