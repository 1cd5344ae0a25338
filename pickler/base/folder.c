/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define START "achar-"
#define RANDOM_SIZE 6 /* characters at the end of a name */
#define YOUNG_SECONDS                                                                    \
    60               /* between its making and its locking nobody takes it for stale */
#define DEPTH_MAX 16 /* descriptors that a removal uses */

static const char *const purposes[] = {"output", "link", "check", "headers", "ranks"};

static const char *default_place(void)
{
    const char *place = getenv("TMPDIR");
    return place && *place ? place : "/tmp";
}

int folder_make(struct folder *folder, const char *place, const char *purpose,
                struct error *err)
{
    CLEANUP(freep)
    char *path =
        must_format("%s/" START "%s-XXXXXX", place ? place : default_place(), purpose);
    if (!mkdtemp(path)) /* 0700 */
        return error_errno(err, -errno, "cannot make the folder '%s'", path);
    int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0)
        flock(lock, LOCK_EX | LOCK_NB);
    *folder = (struct folder){TAKE(path), lock};
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, DEPTH_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void folder_remove(struct folder *folder)
{
    if (!folder->path)
        return;
    remove_all(folder->path);
    closep(&folder->lock);
    free(folder->path);
    *folder = (struct folder){0};
}

static bool is_ours(const char *name)
{
    if (strncmp(name, START, strlen(START)) != 0)
        return false;
    name += strlen(START);
    for (size_t i = 0; i < sizeof(purposes) / sizeof(*purposes); i++) {
        size_t size = strlen(purposes[i]);
        if (!strncmp(name, purposes[i], size) && name[size] == '-' &&
            strlen(name + size + 1) == RANDOM_SIZE)
            return true;
    }
    return false;
}

/* Nobody holds its lock. */
static bool is_left(int place, const char *name)
{
    struct stat info;
    CLEANUP(closep)
    int fd = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &info) == 0 && info.st_uid == geteuid() &&
           info.st_mtime + YOUNG_SECONDS < time(NULL) &&
           flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void folder_sweep(void)
{
    const char *place = default_place();
    DIR *all = opendir(place);
    struct dirent *entry;
    while (all && (entry = readdir(all))) {
        if (!is_ours(entry->d_name) || !is_left(dirfd(all), entry->d_name))
            continue;
        CLEANUP(freep) char *path = must_format("%s/%s", place, entry->d_name);
        remove_all(path);
    }
    if (all)
        closedir(all);
}
