/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file is a pipe that nobody writes to, whose size is not asked for. read() of this
 * file stands in the executable, so libraries call it in place of the C library's. */
#include "kernel/unit/ahead.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define GUARD_SIZE (1ul << 20) /* below a stack, not to be touched */

struct ahead {
    int ends[2];
    struct stat about; /* of the pipe */
    char path[64];
    char *stack;
    size_t stack_size;
    ucontext_t inside, outside;
    void (*work)(void *context);
    void *context;
    const char *text; /* borrowed; NULL: not there yet */
    size_t size, taken;
    bool is_waiting;
};

/* Global: read() has no other way to know. Whose stack this is; NULL: the thread's. */
static struct ahead *running;

static bool is_asked_for(const struct ahead *ahead, int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && about.st_ino == ahead->about.st_ino &&
           about.st_dev == ahead->about.st_dev;
}

static void leave(struct ahead *ahead)
{
    running = NULL;
    swapcontext(&ahead->inside, &ahead->outside);
}

static ssize_t read_text(struct ahead *ahead, void *to, size_t size)
{
    if (!ahead->text) {
        ahead->is_waiting = true;
        leave(ahead);
    }
    size_t left = ahead->size - ahead->taken;
    if (size > left)
        size = left;
    memcpy(to, ahead->text + ahead->taken, size);
    ahead->taken += size;
    return (ssize_t)size;
}

__attribute__((visibility("default"))) ssize_t read(int fd, void *to, size_t size)
{
    if (running && is_asked_for(running, fd))
        return read_text(running, to, size);
    return syscall(SYS_read, fd, to, size);
}

/* Whether it is this read() that libraries call: one that waits for the pipe would wait
 * for ever. */
static bool is_in_place(void)
{
#ifdef ACHAR_ASAN /* which does not follow changes of the stack */
    return false;
#else
    return dlsym(RTLD_DEFAULT, "read") == (void *)read;
#endif
}

static bool map_stack(struct ahead *ahead, size_t size)
{
    ahead->stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (ahead->stack == MAP_FAILED) {
        ahead->stack = NULL;
        return false;
    }
    ahead->stack_size = size;
    return mprotect(ahead->stack, GUARD_SIZE, PROT_NONE) == 0;
}

struct ahead *ahead_new(size_t stack_size)
{
    if (!is_in_place())
        return NULL;
    CLEANUP(ahead_freep) struct ahead *ahead = must_alloc(sizeof(*ahead));
    ahead->ends[0] = ahead->ends[1] = -1;
    if (pipe2(ahead->ends, O_CLOEXEC) < 0 || fstat(ahead->ends[0], &ahead->about) < 0 ||
        !map_stack(ahead, stack_size + GUARD_SIZE))
        return NULL;
    snprintf(ahead->path, sizeof(ahead->path), AHEAD_FOLDER "%d", ahead->ends[0]);
    return TAKE(ahead);
}

void ahead_free(struct ahead *ahead)
{
    if (!ahead)
        return;
    if (ahead->is_waiting)
        ahead_finish(ahead, "", 0);
    if (ahead->stack)
        munmap(ahead->stack, ahead->stack_size);
    closep(&ahead->ends[0]);
    closep(&ahead->ends[1]);
    free(ahead);
}

const char *ahead_path(const struct ahead *ahead)
{
    return ahead->path;
}

static void enter(struct ahead *ahead)
{
    running = ahead;
    swapcontext(&ahead->outside, &ahead->inside);
}

/* Never returns: there is nothing below it on its stack. */
static void run_inside(void)
{
    struct ahead *ahead = running;
    ahead->work(ahead->context);
    leave(ahead);
}

bool ahead_begin(struct ahead *ahead, void (*work)(void *context), void *context)
{
    if (getcontext(&ahead->inside) < 0)
        return false;
    ahead->inside.uc_stack.ss_sp = ahead->stack + GUARD_SIZE;
    ahead->inside.uc_stack.ss_size = ahead->stack_size - GUARD_SIZE;
    ahead->inside.uc_link = NULL;
    ahead->work = work;
    ahead->context = context;
    ahead->text = NULL;
    ahead->size = ahead->taken = 0;
    makecontext(&ahead->inside, run_inside, 0);
    enter(ahead);
    return ahead->is_waiting;
}

bool ahead_is_waiting(const struct ahead *ahead)
{
    return ahead && ahead->is_waiting;
}

void ahead_finish(struct ahead *ahead, const char *text, size_t size)
{
    ahead->is_waiting = false;
    ahead->text = text;
    ahead->size = size;
    enter(ahead);
    ahead->text = NULL;
}
