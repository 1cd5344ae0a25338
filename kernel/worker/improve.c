/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The zygote puts the object into a memory file that its job workers have from birth, and
 * sends SIGURG to those that it forked before. The file says all: nothing is read from a
 * channel in the middle of a task. */
#include "kernel/worker/improve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/worker/frames.h"
#include "kernel/worker/reading.h"
#include "pickler/base/file.h"
#include "pickler/code/redirect.h"

#define OBJECT_FD 100 /* or above: user code has the low ones to itself */
/* That is searched. Below the process's stack the kernel keeps so much free of mappings:
 * who is further up stands on no other stack. */
#define STACK_MAX ((size_t)120 << 20)

/* Global: a signal handler uses it. */
static struct {
    struct job *job;
    int file; /* -1: none */
    bool is_taken;
    const void *const *stack_end;
} improve = {.file = -1};

static int load(const void *object, size_t size, struct unit **ret, struct error *err)
{
    struct job *job = improve.job;
    int r = redirect_load(&job->engine->names, object, size, ret, err);
    if (r < 0)
        return r;
    improve.is_taken = true;
    job_add_sites(job, *ret);
    return 0;
}

bool improve_is_possible(void *context)
{
    const struct job *job = context;
    return job->unit && job->is_by_tcc && payload_is_improvable(job->payload);
}

/* Its tasks begin in the new entry, if there is one. */
int improve_take(void *context, const void *object, size_t size, struct error *err)
{
    struct job *job = context;
    struct unit *unit;
    if (!improve_is_possible(job) || improve.is_taken)
        return error_set(err, -EINVAL, "the payload's code is not to be replaced");
    int r = load(object, size, &unit, err);
    if (r == 0 && payload_has_loop(job->payload) &&
        image_address(unit->image, "achar_entry"))
        job->unit = unit;
    if (r == 0 && improve.file >= 0 && write_all(improve.file, object, size) < 0)
        (void)!ftruncate(improve.file, 0); /* then tasks that run go on as they are */
    if (r == 0 && improve.file >= 0)
        fcntl(improve.file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    return r;
}

/* Not in a signal handler of the task's, which may have interrupted an allocation:
 * `handler_end` is where those return to as well. And nobody goes on inside of what is
 * written: no return address is there, so a word that looks like one tells. */
__attribute__((no_sanitize("address"))) static bool may_change(const ucontext_t *context,
                                                               const void *handler_end)
{
    const struct names *names = &improve.job->engine->names;
    const void *const *at = (const void *const *)registers_sp(context);
    if (!__libc_single_threaded || (uintptr_t)at % sizeof(*at) ||
        at > improve.stack_end ||
        (size_t)(improve.stack_end - at) > STACK_MAX / sizeof(*at) ||
        registers_hold(context, (uintptr_t)handler_end, (uintptr_t)handler_end) ||
        !redirect_may_resume(names, registers_ip(context)))
        return false;
    for (; at < improve.stack_end; at++)
        if (*at == handler_end)
            return false;
        else if (arena_has_code(names->arena, *at) && !redirect_may_resume(names, *at))
            return false;
    return true;
}

static void take_file(void)
{
    struct stat info;
    struct unit *unit;
    if (fstat(improve.file, &info) < 0 || info.st_size <= 0)
        return;
    void *object =
        mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, improve.file, 0);
    if (object == MAP_FAILED)
        return;
    if (load(object, (size_t)info.st_size, &unit, NULL) < 0)
        improve.is_taken = true; /* not again */
    munmap(object, (size_t)info.st_size);
}

/* In code of the task itself there may be allocated; anywhere else nothing is done, and
 * the zygote asks again. */
static void on_urgent(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    (void)number;
    (void)info;
    if (!improve.is_taken && improve.stack_end && guard_is_in_cell(context) &&
        may_change(context, __builtin_return_address(0)) && changing_try()) {
        take_file();
        changing_end();
    }
    errno = saved_errno;
}

void improve_init(struct job *job)
{
    improve.job = job;
    int fd = memfd_create("achar-object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    improve.file = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OBJECT_FD);
    closep(&fd);
    struct sigaction on = {.sa_sigaction = on_urgent,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigaddset(&on.sa_mask, SIGINT);
    sigaction(SIGURG, &on, NULL);
}

__attribute__((noinline)) void improve_begin(void)
{
    improve.stack_end = __builtin_frame_address(0);
}
