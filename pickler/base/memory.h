/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ownership helpers. Small allocations never fail: a process that cannot get a few bytes
 * ends, and its parent replaces it. Sizes that a peer, a file or a cell decides are
 * checked against a limit first, or allocated with plain malloc() and an error. */
#ifndef ACHAR_BASE_MEMORY_H
#define ACHAR_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_USE __attribute__((warn_unused_result))

/* CLEANUP(cell_freep) struct cell *cell = NULL; calls cell_freep(&cell) at scope end. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hands a pointer over: yields it and leaves NULL behind. */
#define TAKE(pointer)                                                                    \
    ({                                                                                   \
        __typeof__(pointer) taken_ = (pointer);                                          \
        (pointer) = NULL;                                                                \
        taken_;                                                                          \
    })

/* Declares static inline void name_freep(type **), for CLEANUP. */
#define DEFINE_FREEP(type, free_function)                                                \
    static inline void free_function##p(type **pointer)                                  \
    {                                                                                    \
        free_function(*pointer);                                                         \
    }

/* These abort the process when memory is exhausted. */
void *must_alloc(size_t size) MUST_USE __attribute__((malloc)); /* zero-filled */
void *must_realloc(void *old, size_t count, size_t size) MUST_USE;
char *must_strdup(const char *text) MUST_USE; /* NULL stays NULL */
char *must_strndup(const char *text, size_t size) MUST_USE;
char *must_format(const char *format, ...) MUST_USE __attribute__((format(printf, 1, 2)));
char *must_vformat(const char *format, va_list arguments) MUST_USE
    __attribute__((format(printf, 1, 0)));

/* For memory that was just allocated and will be filled: where it is large, the kernel
 * gives it in huge pages, which are there many times faster. */
#define MEMORY_HUGE_MIN ((size_t)4 << 20)
void memory_prefer_huge(void *memory, size_t size);

/* Makes room for one more element of *array: doubles its capacity when full. */
#define GROW(array, n, capacity)                                                         \
    do {                                                                                 \
        if ((n) == (capacity)) {                                                         \
            (capacity) = (capacity) ? 2 * (capacity) : 8;                                \
            (array) = must_realloc((array), (capacity), sizeof(*(array)));               \
        }                                                                                \
    } while (0)

static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
