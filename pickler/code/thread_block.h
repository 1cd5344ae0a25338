/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Thread-local storage of loaded code. A block is what every thread has its own copy of:
 * a named variable, or the variables of a unit that have no public name. Code asks for
 * an address through __tls_get_addr() (the "general dynamic" model of the System V ABI),
 * which the loader binds to thread_block_get(). A copy is made when a thread first asks,
 * and freed when the thread ends. The table is global because that call has no context.
 */
#ifndef ACHAR_CODE_THREAD_BLOCK_H
#define ACHAR_CODE_THREAD_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "pickler/base/memory.h"

#define THREAD_BLOCKS_MAX ((size_t)1 << 16)

/* What code hands over: the two words that the ABI calls tls_index. */
struct thread_index {
    size_t block, offset;
};

/* Room for one more block; false: there are too many. */
bool thread_block_new(size_t size, size_t alignment, size_t *ret) MUST_USE;
/* A copy of `image` is what every copy starts as from now on, those of threads that have
 * one already too. */
void thread_block_set(size_t block, const void *image);
/* Only when no code can refer to it. */
void thread_block_free(size_t block);

/* What stands for a thread-local variable of a shared library: its module's number and
 * the offset there, as the dynamic linker has them. */
struct thread_index thread_block_of_library(size_t module, size_t offset);

/* The address in the calling thread's copy. */
void *thread_block_get(const struct thread_index *index);

#endif
