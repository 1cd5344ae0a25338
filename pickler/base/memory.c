/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t)4096)

static void *checked(void *memory)
{
    if (!memory) {
        fputs("achar: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *must_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *must_realloc(void *old, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    return checked(realloc(old, total ? total : 1));
}

void memory_prefer_huge(void *memory, size_t size)
{
    uintptr_t start = ((uintptr_t)memory + PAGE - 1) / PAGE * PAGE;
    uintptr_t end = ((uintptr_t)memory + size) / PAGE * PAGE;
    if (size >= MEMORY_HUGE_MIN)
        madvise((void *)start, end - start, MADV_HUGEPAGE);
}

char *must_strdup(const char *text)
{
    return text ? checked(strdup(text)) : NULL;
}

char *must_strndup(const char *text, size_t size)
{
    char *copy = must_alloc(size + 1);
    memcpy(copy, text, size);
    return copy;
}

char *must_vformat(const char *format, va_list args)
{
    char *text = NULL;
    return checked(vasprintf(&text, format, args) < 0 ? NULL : text);
}

char *must_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = must_vformat(format, args);
    va_end(args);
    return text;
}
