/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/tier_compiler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "pickler/code/cc.h"

#define NICENESS 10

struct job_list {
    struct tier_job *first, **end;
};

struct tier_compiler {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct job_list waiting, finished; /* these are under the lock */
    size_t load;
    bool is_ending;
    bool is_started; /* of the user's thread */
    int finished_fd, stop_fd;
};

void tier_job_free(struct tier_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->n_flags; i++)
        free(job->flags[i]);
    free(job->flags);
    free(job->text);
    free(job->chosen);
    free(job->why);
    buffer_clear(&job->object);
    buffer_clear(&job->request);
    free(job);
}

static void list_add(struct job_list *list, struct tier_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct tier_job *list_take(struct job_list *list)
{
    struct tier_job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

struct tier_compiler *tier_compiler_new(void)
{
    struct tier_compiler *compiler = must_alloc(sizeof(*compiler));
    pthread_mutex_init(&compiler->lock, NULL);
    pthread_cond_init(&compiler->changed, NULL);
    compiler->waiting.end = &compiler->waiting.first;
    compiler->finished.end = &compiler->finished.first;
    compiler->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    compiler->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return compiler;
}

static void run(struct tier_compiler *compiler, struct tier_job *job)
{
    struct error err = {0};
    struct cc_options options = {.flags = (const char *const *)job->flags,
                                 .n_flags = job->n_flags,
                                 .chosen = job->chosen,
                                 .wake_fd = compiler->stop_fd,
                                 .is_whole = true,
                                 .is_cached = true};
    int r = cc_compile(job->text, &options, &job->object, &job->why, &err);
    job->is_ok = r == 0;
    if (r < 0)
        job->why = must_strdup(err.text);
}

static void *serve(void *context)
{
    struct tier_compiler *compiler = context;
    struct tier_job *job;
    uint64_t one = 1;
    setpriority(PRIO_PROCESS, 0,
                NICENESS); /* Linux: of this thread, and what it starts */
    pthread_mutex_lock(&compiler->lock);
    while (!compiler->is_ending) {
        job = list_take(&compiler->waiting);
        if (!job) {
            pthread_cond_wait(&compiler->changed, &compiler->lock);
            continue;
        }
        pthread_mutex_unlock(&compiler->lock);
        run(compiler, job);
        pthread_mutex_lock(&compiler->lock);
        list_add(&compiler->finished, job);
        compiler->load--;
        (void)!write(compiler->finished_fd, &one, sizeof(one));
    }
    pthread_mutex_unlock(&compiler->lock);
    return NULL;
}

static bool start(struct tier_compiler *compiler)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&compiler->thread, NULL, serve, compiler);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0;
}

void tier_compiler_push(struct tier_compiler *compiler, struct tier_job *job)
{
    if (!compiler->is_started)
        compiler->is_started = start(compiler);
    pthread_mutex_lock(&compiler->lock);
    list_add(&compiler->waiting, job);
    compiler->load++;
    pthread_cond_signal(&compiler->changed);
    pthread_mutex_unlock(&compiler->lock);
}

struct tier_job *tier_compiler_pop(struct tier_compiler *compiler)
{
    uint64_t count;
    pthread_mutex_lock(&compiler->lock);
    struct tier_job *job = list_take(&compiler->finished);
    if (!compiler->finished.first)
        (void)!read(compiler->finished_fd, &count, sizeof(count));
    pthread_mutex_unlock(&compiler->lock);
    return job;
}

size_t tier_compiler_load(struct tier_compiler *compiler)
{
    pthread_mutex_lock(&compiler->lock);
    size_t load = compiler->load;
    pthread_mutex_unlock(&compiler->lock);
    return load;
}

int tier_compiler_fd(const struct tier_compiler *compiler)
{
    return compiler->finished_fd;
}

static void free_all(struct job_list *list)
{
    struct tier_job *job;
    while ((job = list_take(list)))
        tier_job_free(job);
}

void tier_compiler_free(struct tier_compiler *compiler)
{
    uint64_t one = 1;
    if (!compiler)
        return;
    pthread_mutex_lock(&compiler->lock);
    compiler->is_ending = true;
    (void)!write(compiler->stop_fd, &one, sizeof(one));
    pthread_cond_signal(&compiler->changed);
    pthread_mutex_unlock(&compiler->lock);
    if (compiler->is_started)
        pthread_join(compiler->thread, NULL);
    free_all(&compiler->waiting);
    free_all(&compiler->finished);
    close(compiler->finished_fd);
    close(compiler->stop_fd);
    pthread_mutex_destroy(&compiler->lock);
    pthread_cond_destroy(&compiler->changed);
    free(compiler);
}
