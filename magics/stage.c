/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "magics/quantity.h"
#include "pickler/base/file.h"
#include "pickler/base/nameless.h"

#define COPY_AT_ONCE ((size_t)64 << 20) /* between two looks for an interrupt */

struct staging {
    struct magic_context *context;
    struct surroundings *to;
    const char *given; /* the word of --files that is being read */
    int file;
    uint64_t end;
    int depth;
    struct result *result;
};

static bool refuse(struct staging *staging, const char *path, const char *why)
{
    result_error(staging->result, "UsageError", "--files %s: %s%s%s%s", staging->given,
                 path ? "'" : "", path ? path : "", path ? "' " : "", why);
    return false;
}

static bool refuse_errno(struct staging *staging, const char *path, int error)
{
    CLEANUP(freep) char *why = must_format("cannot be read: %s", strerror(error));
    return refuse(staging, path, why);
}

static bool refuse_size(struct staging *staging, const char *path)
{
    CLEANUP(freep) char *size = quantity_show_size(SURROUNDINGS_BYTES_MAX);
    CLEANUP(freep)
    char *why = must_format("makes the files more than %d, or more than %s together: "
                            "tasks can read them where they are (--cwd)",
                            SURROUNDINGS_FILES_MAX, size);
    return refuse(staging, path, why);
}

static bool is_interrupted(const struct staging *staging)
{
    struct session *session = staging->context->session;
    struct pollfd fd = {.fd = session_interrupt_fd(session), .events = POLLIN};
    if (poll(&fd, 1, 0) <= 0 || !session_was_interrupted(session))
        return false;
    result_error(staging->result, "Interrupted",
                 "interrupted while files were read; nothing was sent");
    return true;
}

static ssize_t read_some(int from, int to)
{
    char part[16384];
    ssize_t n = read(from, part, sizeof(part));
    if (n < 0)
        return -errno;
    int r = write_all(to, part, (size_t)n);
    return r < 0 ? r : n;
}

/* Blocks are shared where that can be. Bytes, 0 at its end, or -errno. */
static ssize_t copy_some(int from, int to)
{
    ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_AT_ONCE, 0);
    if (n <= 0 && (n == 0 || (errno != ENOSPC && errno != EDQUOT)))
        n = sendfile(to, from, NULL, COPY_AT_ONCE);
    if (n < 0 && errno == EINVAL)
        return read_some(from, to); /* what is made when it is read, as in /proc */
    return n < 0 ? -errno : n;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The content as it was at one moment, or not at all. */
static bool copy_content(struct staging *staging, int from, const char *path,
                         const struct stat *before, uint64_t *ret_size)
{
    struct stat after;
    uint64_t size = 0;
    for (ssize_t n = 1; n;) {
        n = copy_some(from, staging->file);
        if (n == -EINTR)
            continue;
        if (n == -ENOSPC || n == -EDQUOT) {
            CLEANUP(freep)
            char *why = must_format("cannot be kept for the tasks: '%s' is full (TMPDIR "
                                    "says where copies go)",
                                    temporary_folder());
            return refuse(staging, path, why);
        }
        if (n < 0)
            return refuse_errno(staging, path, (int)-n);
        size += (uint64_t)n;
        if (staging->end + size > SURROUNDINGS_BYTES_MAX)
            return refuse_size(staging, path);
        if (is_interrupted(staging))
            return false;
    }
    bool is_whole = !before->st_size || (uint64_t)before->st_size == size;
    if (fstat(from, &after) < 0 || !is_same(before, &after) || !is_whole)
        return refuse(staging, path,
                      "changed while it was read: run the cell again when "
                      "nobody writes to it");
    *ret_size = size;
    return true;
}

/* Takes the file's name. */
static bool add(struct staging *staging, const char *path, struct staged_file file)
{
    if (staging->to->n_files == SURROUNDINGS_FILES_MAX) {
        free(file.name);
        free(file.pieces);
        return refuse_size(staging, path);
    }
    if (strlen(file.name) > SURROUNDINGS_NAME_MAX) {
        free(file.name);
        free(file.pieces);
        return refuse(staging, path, "has too long a name");
    }
    CLEANUP(freep) char *name = must_strdup(file.name);
    if (surroundings_add_file(staging->to, file))
        return true;
    CLEANUP(freep)
    char *why = must_format("would be the second '%s' in the tasks' folder", name);
    return refuse(staging, path, why);
}

static bool add_regular(struct staging *staging, int fd, const char *path,
                        const char *name, const struct stat *about)
{
    uint64_t size = 0, offset = staging->end;
    if (!copy_content(staging, fd, path, about, &size))
        return false;
    staging->end += size;
    struct staged_file file = {.name = must_strdup(name),
                               .is_executable = about->st_mode & S_IXUSR,
                               .size = size};
    file.pieces = must_alloc(sizeof(*file.pieces));
    file.pieces[file.n_pieces++] = (struct staged_piece){.fd = -1, .offset = offset};
    return add(staging, path, file);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in the folder in their order, owned; *ret_n of them. */
static char **list(DIR *folder, size_t *ret_n)
{
    char **names = NULL;
    size_t n = 0, capacity = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        GROW(names, n, capacity);
        names[n++] = must_strdup(entry->d_name);
    }
    if (n)
        qsort(names, n, sizeof(*names), by_name);
    *ret_n = n;
    return names;
}

static bool add_path(struct staging *staging, const char *path, const char *name);

/* Takes the descriptor. */
static bool add_folder(struct staging *staging, int fd, const char *path,
                       const char *name)
{
    DIR *folder = fdopendir(fd);
    size_t n = 0;
    if (!folder) {
        close(fd);
        return refuse_errno(staging, path, errno);
    }
    char **names = list(folder, &n);
    closedir(folder);
    bool is_good =
        staging->depth < SURROUNDINGS_DEPTH_MAX
            ? add(staging, path, (struct staged_file){.name = must_format("%s/", name)})
            : refuse(staging, path, "is too deep in folders (a link that leads back?)");
    staging->depth++;
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *inside = must_format("%s/%s", path, names[i]);
        CLEANUP(freep) char *inside_name = must_format("%s/%s", name, names[i]);
        is_good = is_good && add_path(staging, inside, inside_name);
        free(names[i]);
    }
    staging->depth--;
    free(names);
    return is_good;
}

/* Links are followed; a pipe must not hold us up. */
static bool add_path(struct staging *staging, const char *path, const char *name)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    if (fd < 0)
        return refuse_errno(staging, path, errno);
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode))
        return add_folder(staging, fd, path, name);
    bool is_good = S_ISREG(about.st_mode)
                       ? add_regular(staging, fd, path, name, &about)
                       : refuse(staging, path, "is neither a file nor a folder");
    close(fd);
    return is_good;
}

static bool add_word(struct staging *staging)
{
    CLEANUP(freep) char *path = magic_path(staging->context, staging->given);
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
        return refuse(staging, NULL, "give the folder by its name");
    return add_path(staging, path, name);
}

/* Contents are where the copy is mapped. */
static bool lend(struct staging *staging, struct blob **ret)
{
    struct surroundings *to = staging->to;
    struct blob *blob = blob_map(staging->file, (size_t)staging->end);
    staging->file = -1;
    if (!blob)
        return refuse(staging, NULL, "there is no memory to map the copy");
    for (size_t i = 0; i < to->n_files; i++) {
        struct staged_file *file = &to->files[i];
        if (file->size)
            file->data = blob->data + file->pieces[0].offset;
        free(TAKE(file->pieces));
        file->n_pieces = 0;
    }
    *ret = blob;
    return true;
}

bool stage(struct magic_context *context, const struct job_options *options,
           struct surroundings *surroundings, struct blob **ret, struct result *result)
{
    struct staging staging = {.context = context,
                              .to = surroundings,
                              .file = nameless_file(),
                              .result = result};
    surroundings->is_lent = true;
    bool is_good = true;
    for (size_t i = 0; i < options->n_files && is_good; i++) {
        staging.given = options->files[i];
        is_good = staging.file >= 0
                      ? add_word(&staging)
                      : refuse_errno(&staging, temporary_folder(), -staging.file);
    }
    is_good = is_good && lend(&staging, ret);
    closep(&staging.file);
    return is_good;
}
