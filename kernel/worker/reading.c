/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/reading.h"

#include <pthread.h>
#include <unistd.h>

/* Global, as the engine is that of the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_changing;          /* of the worker's own thread */
static __thread int cancel_state; /* while it reads */

static bool is_own_thread(void)
{
    return gettid() == getpid();
}

void reading_begin(void)
{
    if (is_own_thread())
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    pthread_mutex_lock(&lock);
}

void reading_end(void)
{
    if (is_own_thread())
        return;
    pthread_mutex_unlock(&lock);
    pthread_setcancelstate(cancel_state, NULL);
}

void changing_begin(void)
{
    pthread_mutex_lock(&lock);
    is_changing = true;
}

void changing_end(void)
{
    is_changing = false;
    pthread_mutex_unlock(&lock);
}

bool changing_try(void)
{
    if (pthread_mutex_trylock(&lock) != 0)
        return false;
    is_changing = true;
    return true;
}

bool changing_pause(void)
{
    bool was_changing = is_changing;
    if (was_changing)
        changing_end();
    return was_changing;
}

void changing_resume(bool was_changing)
{
    if (was_changing)
        changing_begin();
}
