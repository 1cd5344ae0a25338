/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/surroundings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pickler/base/file.h"

#define FOLDER_PREFIX "achar-files-"

void surroundings_clear(struct surroundings *surroundings)
{
    for (size_t i = 0; i < surroundings->n_settings; i++)
        free(surroundings->settings[i]);
    for (size_t i = 0; i < surroundings->n_files; i++) {
        free(surroundings->files[i].name);
        free(surroundings->files[i].data);
    }
    free(surroundings->settings);
    free(surroundings->files);
    free(surroundings->folder);
    *surroundings = (struct surroundings){0};
}

bool surroundings_are_empty(const struct surroundings *surroundings)
{
    return !surroundings->folder && !surroundings->n_settings && !surroundings->n_files;
}

static size_t total(const struct surroundings *surroundings)
{
    size_t size = 0;
    for (size_t i = 0; i < surroundings->n_files; i++)
        size += surroundings->files[i].size;
    return size;
}

/* Takes name and data. */
static void add_file(struct surroundings *surroundings, struct staged_file file)
{
    surroundings->files = must_realloc(surroundings->files, surroundings->n_files + 1,
                                       sizeof(*surroundings->files));
    surroundings->files[surroundings->n_files++] = file;
}

static bool has_file(const struct surroundings *surroundings, const char *name)
{
    for (size_t i = 0; i < surroundings->n_files; i++)
        if (!strcmp(surroundings->files[i].name, name))
            return true;
    return false;
}

static int check_file(const struct surroundings *surroundings, const char *path,
                      const char *name, const struct stat *about, struct error *err)
{
    if (!S_ISREG(about->st_mode))
        return error_set(err, -EINVAL, "'%s' is no regular file", path);
    if (surroundings->n_files == SURROUNDINGS_FILES_MAX ||
        (uint64_t)about->st_size > SURROUNDINGS_BYTES_MAX - total(surroundings))
        return error_set(err, -EFBIG,
                         "with '%s' the files are more than %d, or than %zu bytes", path,
                         SURROUNDINGS_FILES_MAX, SURROUNDINGS_BYTES_MAX);
    if (has_file(surroundings, name))
        return error_set(err, -EEXIST, "two files are called '%s'", name);
    return 0;
}

int surroundings_add_file(struct surroundings *surroundings, const char *path,
                          struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0)
        return error_errno(err, -errno, "cannot read '%s'", path);
    int r = check_file(surroundings, path, name, &about, err);
    if (r < 0)
        return r;
    size_t size = (size_t)about.st_size, at = 0;
    CLEANUP(freep) char *data = must_realloc(NULL, size + 1, 1);
    while (at < size) {
        ssize_t n = read(fd, data + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, n < 0 ? -errno : -EIO, "cannot read '%s'", path);
        at += (size_t)n;
    }
    add_file(surroundings, (struct staged_file){.name = must_strdup(name),
                                                .is_executable = about.st_mode & S_IXUSR,
                                                .data = TAKE(data),
                                                .size = size});
    return 0;
}

void surroundings_add_setting(struct surroundings *surroundings, const char *setting)
{
    surroundings->settings =
        must_realloc(surroundings->settings, surroundings->n_settings + 1,
                     sizeof(*surroundings->settings));
    surroundings->settings[surroundings->n_settings++] = must_strdup(setting);
}

/* ---- as bytes ---- */

void surroundings_pack(const struct surroundings *surroundings, struct buffer *out)
{
    pack_string(out, surroundings->folder);
    pack_u64(out, surroundings->n_settings);
    for (size_t i = 0; i < surroundings->n_settings; i++)
        pack_string(out, surroundings->settings[i]);
    pack_u64(out, surroundings->n_files);
    for (size_t i = 0; i < surroundings->n_files; i++) {
        const struct staged_file *file = &surroundings->files[i];
        pack_string(out, file->name);
        pack_u64(out, file->is_executable);
        pack_bytes(out, file->data, file->size);
    }
}

/* A name that stays in the folder it is put into. */
static bool is_plain_name(const char *name)
{
    return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && strlen(name) <= NAME_MAX;
}

static void unpack_file(struct unpack *in, struct surroundings *ret)
{
    CLEANUP(freep) char *name = unpack_string(in);
    bool is_executable = unpack_bool(in);
    size_t size;
    const void *data = unpack_bytes(in, &size);
    in->failed |= !is_plain_name(name) || size > SURROUNDINGS_BYTES_MAX - total(ret) ||
                  has_file(ret, name);
    if (in->failed)
        return;
    char *copy = must_realloc(NULL, size + 1, 1);
    if (size)
        memcpy(copy, data, size);
    add_file(ret, (struct staged_file){.name = TAKE(name),
                                       .is_executable = is_executable,
                                       .data = copy,
                                       .size = size});
}

void surroundings_unpack(struct unpack *in, struct surroundings *ret)
{
    ret->folder = unpack_string(in);
    size_t n = unpack_count(in);
    in->failed |= n > SURROUNDINGS_SETTINGS_MAX;
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *setting = unpack_string(in);
        const char *equals = setting ? strchr(setting, '=') : NULL;
        in->failed |= !equals || equals == setting;
        if (!in->failed)
            surroundings_add_setting(ret, setting);
    }
    n = unpack_count(in);
    in->failed |= n > SURROUNDINGS_FILES_MAX || (n && ret->folder);
    for (size_t i = 0; i < n && !in->failed; i++)
        unpack_file(in, ret);
    in->failed |= (ret->folder && !*ret->folder) || surroundings_are_empty(ret);
}

/* ---- in the process ---- */

static const char *temporary(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

static char *folder_of(pid_t pid)
{
    return must_format("%s/" FOLDER_PREFIX "%d", temporary(), (int)pid);
}

/* The files in it; folders that tasks have made too. Links are not followed. */
static void remove_all(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        closep(&fd);
        (void)unlinkat(parent, name, 0);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_all(fd, entry->d_name);
    closedir(folder);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

void surroundings_remove(pid_t pid)
{
    CLEANUP(freep) char *path = folder_of(pid);
    struct stat about;
    if (pid > 0 && lstat(path, &about) == 0 && about.st_uid == geteuid())
        remove_all(AT_FDCWD, path);
}

/* Of processes that were killed together with who should have removed them. */
static void remove_stale(void)
{
    DIR *folder = opendir(temporary());
    size_t prefix = strlen(FOLDER_PREFIX);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, FOLDER_PREFIX, prefix) != 0)
            continue;
        char *end;
        long pid = strtol(entry->d_name + prefix, &end, 10);
        if (!*end && pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) < 0 &&
            errno == ESRCH)
            surroundings_remove((pid_t)pid);
    }
    closedir(folder);
}

static int write_file(int folder, const struct staged_file *file)
{
    CLEANUP(closep)
    int fd = openat(folder, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    file->is_executable ? 0700 : 0600);
    return fd < 0 ? -errno : write_all(fd, file->data, file->size);
}

static int write_files(const struct surroundings *surroundings, const char *path,
                       struct error *err)
{
    remove_stale();
    surroundings_remove(getpid());
    if (mkdir(path, 0700) < 0)
        return error_errno(err, -errno, "cannot make the tasks' folder '%s'", path);
    CLEANUP(closep) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < surroundings->n_files; i++) {
        int r = folder < 0 ? -errno : write_file(folder, &surroundings->files[i]);
        if (r < 0)
            return error_errno(err, r, "cannot write '%s/%s'", path,
                               surroundings->files[i].name);
    }
    return 0;
}

int surroundings_enter(const struct surroundings *surroundings, struct error *err)
{
    CLEANUP(freep)
    char *path =
        surroundings->n_files ? folder_of(getpid()) : must_strdup(surroundings->folder);
    int r = surroundings->n_files ? write_files(surroundings, path, err) : 0;
    if (r < 0)
        return r;
    if (path && chdir(path) < 0)
        return error_errno(err, -errno, "the tasks cannot run in '%s'", path);
    for (size_t i = 0; i < surroundings->n_settings; i++) {
        const char *setting = surroundings->settings[i];
        size_t size = strcspn(setting, "=");
        CLEANUP(freep) char *name = must_strndup(setting, size);
        if (setenv(name, setting + size + 1, 1) < 0)
            return error_errno(err, -errno, "cannot set '%s'", name);
    }
    return 0;
}
