/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/thread_block.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PASSES 3 /* of destructors that a thread's end makes before copies are freed */

struct block {
    size_t size, alignment;
    char *image; /* NULL: zeros */
    unsigned version;
};

struct copy {
    char *start;
    unsigned version; /* of the image it was made from */
};

struct copies { /* of one thread */
    struct copy *at;
    size_t n;
    unsigned n_passes;
};

/* Written between cells only, while the slots that threads read stay where they are. */
static struct block *blocks[THREAD_BLOCKS_MAX];
static size_t n_blocks;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread struct copies *own;

/* Destructors of the cell's own keys may still ask for their thread's variables. */
static void free_copies(void *value)
{
    struct copies *copies = value;
    if (++copies->n_passes < PASSES) {
        pthread_setspecific(key, copies);
        return;
    }
    for (size_t i = 0; i < copies->n; i++)
        free(copies->at[i].start);
    free(copies->at);
    free(copies);
    own = NULL;
}

static void make_key(void)
{
    if (pthread_key_create(&key, free_copies))
        abort();
}

bool thread_block_new(size_t size, size_t alignment, size_t *ret)
{
    size_t at = 0;
    while (at < n_blocks && blocks[at])
        at++;
    if (at == THREAD_BLOCKS_MAX)
        return false;
    struct block *block = must_alloc(sizeof(*block));
    block->size = size;
    block->alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    blocks[at] = block;
    n_blocks = at == n_blocks ? n_blocks + 1 : n_blocks;
    *ret = at;
    return true;
}

void thread_block_set(size_t at, const void *image)
{
    struct block *block = blocks[at];
    char *old = block->image, *copy = must_alloc(block->size + 1);
    memcpy(copy, image, block->size);
    block->image = copy;
    block->version++;
    free(old);
}

void thread_block_free(size_t at)
{
    struct block *block = blocks[at];
    blocks[at] = NULL;
    free(block->image);
    free(block);
}

static struct copy *own_copy(size_t at)
{
    if (!own) {
        pthread_once(&once, make_key);
        own = must_alloc(sizeof(*own));
        pthread_setspecific(key, own);
    }
    if (at >= own->n) {
        size_t n = 2 * at + 8;
        own->at = must_realloc(own->at, n, sizeof(*own->at));
        memset(own->at + own->n, 0, (n - own->n) * sizeof(*own->at));
        own->n = n;
    }
    return &own->at[at];
}

struct thread_index thread_block_of_library(size_t module, size_t offset)
{
    return (struct thread_index){THREAD_BLOCKS_MAX + module, offset};
}

/* The dynamic linker's own. */
extern void *__tls_get_addr(struct thread_index *index);

void *thread_block_get(const struct thread_index *index)
{
    if (index->block >= THREAD_BLOCKS_MAX) {
        struct thread_index real = {index->block - THREAD_BLOCKS_MAX, index->offset};
        return __tls_get_addr(&real);
    }
    struct copies *copies = own;
    const struct block *block = blocks[index->block];
    if (copies && index->block < copies->n && copies->at[index->block].start &&
        copies->at[index->block].version == block->version)
        return copies->at[index->block].start + index->offset;
    struct copy *copy = own_copy(index->block);
    void *start = copy->start;
    if (!start && posix_memalign(&start, block->alignment, block->size + 1))
        abort();
    if (block->image)
        memcpy(start, block->image, block->size);
    else
        memset(start, 0, block->size);
    *copy = (struct copy){start, block->version};
    return copy->start + index->offset;
}
