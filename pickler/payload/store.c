/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pickler/base/file.h"

static int fill(int fd, const void *data, size_t size, mode_t mode)
{
    int r = write_all(fd, data, size);
    if (r < 0)
        return r;
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

/* link() instead of rename() fails when the name is taken. */
static int publish(const char *temporary, const char *path, bool is_new)
{
    if (!is_new)
        return rename(temporary, path) < 0 ? -errno : 0;
    int r = link(temporary, path) < 0 ? -errno : 0;
    if (r == 0)
        unlink(temporary);
    return r;
}

int store_write(const char *path, const void *data, size_t size, mode_t mode, bool is_new,
                struct error *err)
{
    CLEANUP(freep) char *temporary = must_format("%s.XXXXXX", path);
    CLEANUP(closep) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, "cannot write '%s'", path);
    int r = fill(fd, data, size, mode);
    if (r == 0)
        r = publish(temporary, path, is_new);
    if (r == 0)
        return 0;
    unlink(temporary);
    return error_errno(err, r, "cannot write '%s'", path);
}

static int check_file(const char *path, int fd, size_t max, mode_t forbidden, size_t *ret,
                      struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_errno(err, -errno, "cannot read '%s'", path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, -EINVAL, "'%s' is not a regular file", path);
    if (forbidden && status.st_uid != geteuid() && status.st_uid != 0)
        return error_set(err, -EPERM, "'%s' belongs to another user", path);
    if (status.st_mode & forbidden)
        return error_set(err, -EPERM,
                         "'%s' is open to others (mode %04o): run 'chmod %04o %s'", path,
                         (unsigned)status.st_mode & 07777,
                         (unsigned)(status.st_mode & 07777 & ~forbidden), path);
    if (status.st_size < 0 || (uint64_t)status.st_size > max)
        return error_set(err, -EFBIG, "'%s' is larger than %zu bytes", path, max);
    *ret = (size_t)status.st_size;
    return 0;
}

static int read_all(int fd, size_t size, struct buffer *out)
{
    char *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, data + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = -errno;
            free(data);
            return r;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    data[got] = '\0';
    buffer_clear(out);
    *out = (struct buffer){.data = data, .size = got, .capacity = size + 1};
    return 0;
}

int store_read(const char *path, size_t max, mode_t forbidden, struct buffer *out,
               struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, -errno, "cannot read '%s'", path);
    size_t size = 0;
    int r = check_file(path, fd, max, forbidden, &size, err);
    if (r < 0)
        return r;
    r = read_all(fd, size, out);
    return r < 0 ? error_errno(err, r, "cannot read '%s'", path) : 0;
}

int store_make_folder(const char *path, struct error *err)
{
    CLEANUP(freep) char *part = must_strdup(path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return error_errno(err, -errno, "cannot make the folder '%s'", part);
        *slash = '/';
    }
    if (mkdir(part, 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, "cannot make the folder '%s'", part);
    return 0;
}
