/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pickler/base/file.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int memory_file_make(const struct iovec *parts, int n_parts)
{
    int fd = memfd_create("achar-data", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = fd < 0 ? -errno : 0;
    for (int i = 0; r == 0 && i < n_parts; i++)
        r = write_all(fd, parts[i].iov_base, parts[i].iov_len);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        r = -errno;
    if (r == 0)
        return fd;
    closep(&fd);
    return r;
}

bool memory_file_is_sealed(int fd, size_t size)
{
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);
    return size && seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &file) == 0 &&
           (size_t)file.st_size >= size;
}

void *memory_file_map(int fd, size_t size)
{
    if (!memory_file_is_sealed(fd, size))
        return NULL;
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

void memory_file_unmap(void *data, size_t size)
{
    if (data)
        munmap(data, size);
}
