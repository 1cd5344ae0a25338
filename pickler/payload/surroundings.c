/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/surroundings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "pickler/base/file.h"
#include "pickler/base/nameless.h"

#define FOLDER_PREFIX "achar-files-"
#define COPY_AT_ONCE ((size_t)1 << 30)

static void clear_file(struct staged_file *file, bool is_lent)
{
    free(file->name);
    free(file->pieces);
    if (!is_lent)
        free(file->data);
}

void surroundings_clear(struct surroundings *surroundings)
{
    for (size_t i = 0; i < surroundings->n_settings; i++)
        free(surroundings->settings[i]);
    for (size_t i = 0; i < surroundings->n_files; i++)
        clear_file(&surroundings->files[i], surroundings->is_lent);
    free(surroundings->settings);
    free(surroundings->files);
    free(surroundings->folder);
    name_ids_clear(&surroundings->names);
    *surroundings = (struct surroundings){0};
}

bool surroundings_are_empty(const struct surroundings *surroundings)
{
    return !surroundings->folder && !surroundings->n_settings && !surroundings->n_files;
}

bool surroundings_add_file(struct surroundings *surroundings, struct staged_file file)
{
    size_t size = strlen(file.name);
    CLEANUP(freep)
    char *name = must_strndup(file.name, size - (file.name[size - 1] == '/'));
    if (name_ids_get(&surroundings->names, name, strlen(name))) {
        clear_file(&file, surroundings->is_lent);
        return false;
    }
    GROW(surroundings->files, surroundings->n_files, surroundings->files_capacity);
    surroundings->files[surroundings->n_files++] = file;
    name_ids_set(&surroundings->names, name, (uint32_t)surroundings->n_files);
    return true;
}

void surroundings_add_setting(struct surroundings *surroundings, const char *setting)
{
    surroundings->settings =
        must_realloc(surroundings->settings, surroundings->n_settings + 1,
                     sizeof(*surroundings->settings));
    surroundings->settings[surroundings->n_settings++] = must_strdup(setting);
}

/* ---- as bytes ---- */

void surroundings_pack(const struct surroundings *surroundings, bool is_bare,
                       struct buffer *out)
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
        pack_bytes(out, file->data, is_bare ? 0 : (size_t)file->size);
    }
}

/* A name that stays in the folder it is put into. */
static bool is_inside(const char *name)
{
    if (!name || !*name || strlen(name) > SURROUNDINGS_NAME_MAX)
        return false;
    for (int depth = 0; *name; depth++) {
        size_t size = strcspn(name, "/");
        bool is_dots = size <= 2 && !strncmp(name, "..", size);
        if (!size || size > NAME_MAX || is_dots || depth > SURROUNDINGS_DEPTH_MAX)
            return false;
        name += size + (name[size] == '/');
    }
    return true;
}

static bool is_folder(const struct staged_file *file)
{
    return file->name[strlen(file->name) - 1] == '/';
}

static void unpack_file(struct unpack *in, struct surroundings *ret, uint64_t *left)
{
    CLEANUP(freep) char *name = unpack_string(in);
    bool is_executable = unpack_bool(in);
    size_t size;
    const void *data = unpack_bytes(in, &size);
    in->failed |= !is_inside(name) || size > *left;
    if (in->failed)
        return;
    struct staged_file file = {
        .name = TAKE(name), .is_executable = is_executable, .size = size};
    *left -= size;
    if (size) {
        file.data = must_realloc(NULL, size, 1);
        memcpy(file.data, data, size);
    }
    in->failed |= (size && is_folder(&file)) || !surroundings_add_file(ret, file);
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
    uint64_t left = SURROUNDINGS_BYTES_MAX;
    for (size_t i = 0; i < n && !in->failed; i++)
        unpack_file(in, ret, &left);
    in->failed |= (ret->folder && !*ret->folder) || surroundings_are_empty(ret);
}

/* ---- in the process ---- */

static char *folder_of(pid_t pid)
{
    return must_format("%s/" FOLDER_PREFIX "%d", temporary_folder(), (int)pid);
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
    DIR *folder = opendir(temporary_folder());
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

/* From one file to another; blocks are shared where the file system can. */
static int copy_range(int from, uint64_t offset, int to, uint64_t size)
{
    bool may_share = true;
    while (size) {
        off_t at = (off_t)offset;
        size_t part = size < COPY_AT_ONCE ? (size_t)size : COPY_AT_ONCE;
        ssize_t n = may_share ? copy_file_range(from, &at, to, NULL, part, 0) : -1;
        if (n < 0 && errno != ENOSPC && errno != EDQUOT) {
            may_share = false;
            at = (off_t)offset;
            n = sendfile(to, from, &at, part);
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

static int write_file(int folder, const struct staged_file *file)
{
    if (is_folder(file))
        return mkdirat(folder, file->name, 0700) < 0 ? -errno : 0;
    CLEANUP(closep)
    int fd = openat(folder, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    file->is_executable ? 0700 : 0600);
    int r = fd < 0 ? -errno : 0;
    if (r == 0 && file->data)
        r = write_all(fd, file->data, (size_t)file->size);
    for (size_t i = 0; r == 0 && i < file->n_pieces; i++) {
        const struct staged_piece *piece = &file->pieces[i];
        r = piece->data ? write_all(fd, piece->data, (size_t)piece->size)
                        : copy_range(piece->fd, piece->offset, fd, piece->size);
    }
    return r;
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
        if (r == 0)
            continue;
        surroundings_remove(getpid());
        return error_errno(
            err, r, "cannot write '%s/%s'%s", path, surroundings->files[i].name,
            r == -ENOSPC || r == -EDQUOT ? " (TMPDIR says where the tasks' files go)"
                                         : "");
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
