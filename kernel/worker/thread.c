/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/thread.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ALTERNATE_STACK_SIZE ((size_t)64 << 10)
#define STACK_APART (16 << 10) /* left free where the stack is larger than ... */
#define STACK_ROOMY (256 << 10)

struct start {
    void *(*function)(void *); /* or the other */
    thrd_start_t c11_function;
    void *argument;
};

static __thread struct fault_stack own_stack;
static pthread_key_t alternate_key; /* whose destructor gives the stack back */
static pthread_once_t is_key_made = PTHREAD_ONCE_INIT;

const struct fault_stack *thread_stack(void)
{
    return own_stack.low ? &own_stack : NULL;
}

static void give_back(void *stack)
{
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(stack, ALTERNATE_STACK_SIZE);
}

static void make_key(void)
{
    pthread_key_create(&alternate_key, give_back);
}

static void prepare(void)
{
    pthread_attr_t attributes;
    void *low, *stack = mmap(NULL, ALTERNATE_STACK_SIZE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    size_t size;
    if (stack == MAP_FAILED)
        return; /* then it is only reported less well */
    pthread_setspecific(alternate_key, stack);
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = ALTERNATE_STACK_SIZE}, NULL);
    if (pthread_getattr_np(pthread_self(), &attributes))
        return;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0)
        own_stack = (struct fault_stack){low, (char *)low + size};
    pthread_attr_destroy(&attributes);
}

static __attribute__((noinline)) void *enter(const struct start *start)
{
    if (start->function)
        return start->function(start->argument);
    return (void *)(intptr_t)start->c11_function(start->argument);
}

/* What the thread writes behind its arrays should not reach the C library's record of it,
 * which stands at the stack's end. */
static __attribute__((noinline)) void *enter_apart(const struct start *start)
{
    char apart[STACK_APART];
    __asm__ volatile("" ::"r"(apart) : "memory");
    void *result = enter(start);
    __asm__ volatile("" ::"r"(apart) : "memory");
    return result;
}

static void *run(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    prepare();
    bool has_room = own_stack.high - own_stack.low > STACK_ROOMY;
    return has_room ? enter_apart(&start) : enter(&start);
}

static int create(pthread_t *ret, const pthread_attr_t *attributes,
                  const struct start *how)
{
    struct start *start = malloc(sizeof(*start));
    if (!start)
        return EAGAIN;
    *start = *how;
    pthread_once(&is_key_made, make_key);
    int r = pthread_create(ret, attributes, run, start);
    if (r)
        free(start);
    return r;
}

int thread_create(pthread_t *ret, const pthread_attr_t *attributes,
                  void *(*function)(void *), void *argument)
{
    struct start start = {.function = function, .argument = argument};
    return create(ret, attributes, &start);
}

int thread_create_c11(thrd_t *ret, thrd_start_t function, void *argument)
{
    struct start start = {.c11_function = function, .argument = argument};
    int r = create(ret, NULL, &start);
    return r == 0 ? thrd_success : r == ENOMEM || r == EAGAIN ? thrd_nomem : thrd_error;
}
