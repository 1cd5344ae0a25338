/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel is asked to do the read: process_vm_readv() on ourselves, or, where a
 * sandbox forbids that, write() into a pipe. Both answer EFAULT instead of raising a
 * signal. */
#include "kernel/display/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pickler/base/memory.h"

#define PROBE_PAGE ((uintptr_t)4096) /* no mapping begins inside the smallest page */
#define PAGES_AT_ONCE 64

static size_t to_page_end(uintptr_t at, size_t size)
{
    size_t rest = PROBE_PAGE - at % PROBE_PAGE;
    return rest < size ? rest : size;
}

/* At most one page. */
static size_t copy_through_pipe(const void *address, void *to, size_t size)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return 0;
    CLEANUP(closep) int in = fds[0];
    CLEANUP(closep) int out = fds[1];
    ssize_t written = write(out, address, size);
    if (written <= 0)
        return 0;
    ssize_t got = read(in, to, (size_t)written);
    return got > 0 ? (size_t)got : 0;
}

static size_t copy_page(const void *address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got >= 0)
        return (size_t)got;
    return errno == EFAULT ? 0 : copy_through_pipe(address, to, size);
}

size_t probe_copy(const void *address, void *to, size_t size)
{
    uintptr_t at = (uintptr_t)address;
    size_t done = 0;
    if (size > UINTPTR_MAX - at)
        size = UINTPTR_MAX - at;
    while (done < size) {
        size_t part = to_page_end(at + done, size - done);
        size_t got = copy_page((const void *)(at + done), (char *)to + done, part);
        done += got;
        if (got < part)
            break;
    }
    return done;
}

/* Looks at the first byte in each of up to PAGES_AT_ONCE pages; returns how many bytes of
 * the range that covers, 0 when one of them cannot be read. */
static size_t probe_pages(uintptr_t at, size_t size)
{
    struct iovec remote[PAGES_AT_ONCE];
    char bytes[PAGES_AT_ONCE];
    size_t covered = 0, n = 0;
    while (n < PAGES_AT_ONCE && covered < size) {
        remote[n++] = (struct iovec){(void *)(at + covered), 1};
        covered += to_page_end(at + covered, size - covered);
    }
    struct iovec local = {bytes, n};
    ssize_t got = process_vm_readv(getpid(), &local, 1, remote, n, 0);
    if (got >= 0 || errno == EFAULT)
        return got == (ssize_t)n ? covered : 0;
    for (size_t i = 0; i < n; i++)
        if (!copy_through_pipe(remote[i].iov_base, bytes, 1))
            return 0;
    return covered;
}

bool probe_is_readable(const void *address, size_t size)
{
    uintptr_t at = (uintptr_t)address;
    if (size > UINTPTR_MAX - at)
        return false;
    while (size) {
        size_t covered = probe_pages(at, size);
        if (!covered)
            return false;
        at += covered;
        size -= covered;
    }
    return true;
}
