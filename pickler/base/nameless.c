/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/nameless.h"

#include <errno.h>
#include <fcntl.h>

const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

int nameless_file(void)
{
    int fd = open(temporary_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd < 0 ? -errno : fd;
    /* A file system that does not know them. */
    CLEANUP(freep) char *path = must_format("%s/achar-XXXXXX", temporary_folder());
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}
