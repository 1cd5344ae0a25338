/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512

struct header { /* all fields are text; numbers are octal */
    char name[100], mode[8], owner[8], group[8], size[12], time[12], sum[8], type;
    char link[100], magic[6], version[2], owner_name[32], group_name[32];
    char device[2][8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

static void fill(struct buffer *tar, size_t size)
{
    static const char zeros[BLOCK];
    buffer_add(tar, zeros, size);
}

int tar_add(struct buffer *tar, const char *name, const void *data, size_t size,
            bool is_executable, struct error *err)
{
    struct header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    if (strlen(name) > TAR_NAME_MAX)
        return error_set(err, -ENAMETOOLONG, "the name '%s' is too long for an archive",
                         name);
    snprintf(header.name, sizeof(header.name), "%s", name);
    snprintf(header.mode, sizeof(header.mode), "%07o", is_executable ? 0755u : 0644u);
    snprintf(header.owner, sizeof(header.owner), "%07o", 0u);
    snprintf(header.group, sizeof(header.group), "%07o", 0u);
    snprintf(header.size, sizeof(header.size), "%011zo", size);
    snprintf(header.time, sizeof(header.time), "%011o", 0u);
    memset(header.sum, ' ', sizeof(header.sum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(header); i++)
        sum += ((const unsigned char *)&header)[i];
    snprintf(header.sum, sizeof(header.sum), "%06o", sum & 0777777);
    buffer_add(tar, &header, sizeof(header));
    if (size)
        buffer_add(tar, data, size);
    fill(tar, (BLOCK - size % BLOCK) % BLOCK);
    return 0;
}

int tar_add_file(struct buffer *tar, const char *name, const char *path,
                 bool is_executable, size_t max, struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0)
        return error_errno(err, -errno, "cannot read '%s'", path);
    size_t size = (size_t)about.st_size;
    if (tar->size + size > max)
        return error_set(err, -EFBIG, "'%s' would make the archive larger than %zu bytes",
                         path, max);
    CLEANUP(freep) char *data = must_realloc(NULL, size + 1, 1);
    size_t n = 0;
    for (ssize_t got; n < size && (got = read(fd, data + n, size - n)) > 0;)
        n += (size_t)got;
    if (n < size)
        return error_set(err, -EIO, "cannot read '%s'", path);
    return tar_add(tar, name, data, size, is_executable, err);
}

void tar_end(struct buffer *tar)
{
    fill(tar, BLOCK);
    fill(tar, BLOCK);
}
