/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/release.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

extern void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer,
                                  void (*routine)(void *), void *argument);
extern void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int runs);

static void ignore_argument(void *argument)
{
    (void)argument;
}

void release_handlers(const void *base)
{
    struct _pthread_cleanup_buffer probe, *top;
    _pthread_cleanup_push(&probe, ignore_argument, NULL);
    top = probe.__prev;
    _pthread_cleanup_pop(&probe, 0);
    while (top && (const void *)top < base) {
        const FILE *stream = top->__arg;
        bool is_unlock = top->__routine == (void (*)(void *))(void (*)(void))funlockfile;
        struct _pthread_cleanup_buffer *next = top->__prev;
        _pthread_cleanup_pop(top, !is_unlock || stream->_lock);
        top = next;
    }
}

/* A cell that was stopped inside printf() may have left the lock of a stream behind: it
 * is recursive and ours, so it is released as often as it was taken. */
static void release_stream(FILE *stream)
{
    struct lock { /* _IO_lock_t of glibc */
        int lock, count;
        void *owner;
    } *lock = stream->_lock;
    for (int i = 0; lock && lock->owner == (void *)pthread_self() && i < 1000; i++)
        funlockfile(stream);
}

void release_streams(void)
{
    release_stream(stdin);
    release_stream(stdout);
    release_stream(stderr);
}
