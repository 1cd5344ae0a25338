/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A file: "ACHAROBJ1", {n (s header, u size, i mtime in ns)}, {b object}, SHA-256. */
#include "pickler/code/object_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pickler/base/file.h"
#include "pickler/base/pack.h"
#include "pickler/graph/digest.h"

#define MARK "ACHAROBJ1"
#define FILES_MAX 200000 /* looked at in one sweep */
#define SWEEP_TO 4 / 5   /* of the limit */
#define UNFINISHED_S 3600
#define KEY_SIZE (2 * DIGEST_SIZE)

/* ---- the folder ----------------------------------------------------------------------
 */

static char *folder_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return must_format("%s/achar/objects", cache);
    return home && *home == '/' ? must_format("%s/.cache/achar/objects", home) : NULL;
}

static bool is_ours(const struct stat *info)
{
    return info->st_uid == geteuid() && !(info->st_mode & (S_IWGRP | S_IWOTH));
}

/* Makes what is missing of the path. */
static void make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    mkdir(path, 0700);
}

static int open_folder(void)
{
    CLEANUP(freep) char *path = folder_path();
    struct stat info;
    if (!path)
        return -1;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        make_folders(path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0 || fstat(fd, &info) < 0 || !is_ours(&info))
        return -1;
    int ret = fd;
    fd = -1;
    return ret;
}

/* ---- keys ----------------------------------------------------------------------------
 */

static char *hexadecimal(const uint8_t *bytes)
{
    char *text = must_alloc(KEY_SIZE + 1);
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

static void add_file(const char *path, struct buffer *out)
{
    struct stat info = {0};
    (void)!stat(path, &info);
    pack_string(out, path);
    pack_u64(out, (uint64_t)info.st_size);
    pack_i64(out, info.st_mtim.tv_sec * 1000000000LL + info.st_mtim.tv_nsec);
}

/* What -march=native depends on. */
static void add_processor(struct buffer *out)
{
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof(line), file) && *line != '\n')
        if (!strncmp(line, "model name", 10) || !strncmp(line, "flags", 5))
            pack_string(out, line);
    if (file)
        fclose(file);
}

char *object_cache_key(const char *text, const char *compiler, const char *const *argv,
                       size_t n)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    uint8_t hash[DIGEST_SIZE];
    pack_string(&bytes, MARK);
    pack_string(&bytes, text);
    add_file(compiler, &bytes);
    for (size_t i = 0; i < n; i++)
        pack_string(&bytes, argv[i]);
    add_processor(&bytes);
    digest(bytes.data, bytes.size, hash);
    return hexadecimal(hash);
}

/* ---- reading -------------------------------------------------------------------------
 */

static bool read_file(int folder, const char *key, struct buffer *out)
{
    CLEANUP(closep) int fd = openat(folder, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || !is_ours(&info) ||
        info.st_size > OBJECT_CACHE_FILE_MAX)
        return false;
    buffer_reserve(out, (size_t)info.st_size);
    while (out->size < (size_t)info.st_size) {
        ssize_t n = read(fd, out->data + out->size, (size_t)info.st_size - out->size);
        if (n <= 0)
            return false;
        out->size += (size_t)n;
    }
    futimens(fd, NULL); /* it has been used */
    return true;
}

static bool is_whole(const struct buffer *file)
{
    uint8_t hash[DIGEST_SIZE];
    if (file->size < DIGEST_SIZE)
        return false;
    digest(file->data, file->size - DIGEST_SIZE, hash);
    return !memcmp(hash, file->data + file->size - DIGEST_SIZE, DIGEST_SIZE);
}

static bool headers_are_same(struct unpack *in)
{
    size_t n = (size_t)unpack_max(in, OBJECT_CACHE_HEADERS_MAX);
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *path = unpack_string(in);
        uint64_t size = unpack_u64(in);
        int64_t time = unpack_i64(in);
        struct stat info;
        if (in->failed || !path || stat(path, &info) < 0 ||
            (uint64_t)info.st_size != size ||
            info.st_mtim.tv_sec * 1000000000LL + info.st_mtim.tv_nsec != time)
            return false;
    }
    return !in->failed;
}

bool object_cache_get(const char *key, struct buffer *ret_object)
{
    CLEANUP(closep) int folder = open_folder();
    CLEANUP(buffer_clear) struct buffer file = {0};
    if (folder < 0 || !read_file(folder, key, &file))
        return false;
    struct unpack in = unpack_init(file.data, file.size - DIGEST_SIZE);
    CLEANUP(freep) char *mark = is_whole(&file) ? unpack_string(&in) : NULL;
    if (!mark) { /* damaged, or cut short */
        unlinkat(folder, key, 0);
        return false;
    }
    if (strcmp(mark, MARK) != 0 || !headers_are_same(&in))
        return false;
    size_t size;
    const void *object = unpack_bytes(&in, &size);
    if (!unpack_done(&in))
        return false;
    buffer_add(ret_object, object, size);
    return true;
}

/* ---- writing -------------------------------------------------------------------------
 */

/* The next word of a make rule, with "\ " for a blank in it; NULL at the end. Owned. */
static char *next_word(const char **at)
{
    struct buffer word = {0};
    const char *p = *at;
    while (*p == ' ' || *p == '\n' || (*p == '\\' && p[1] == '\n'))
        p += *p == '\\' ? 2 : 1;
    while (*p && *p != ' ' && *p != '\n' && !(*p == '\\' && p[1] == '\n')) {
        if ((*p == '\\' && (p[1] == ' ' || p[1] == '#')) || (*p == '$' && p[1] == '$'))
            p++;
        buffer_add_char(&word, *p++);
    }
    *at = p;
    if (word.size)
        return buffer_take(&word);
    buffer_clear(&word);
    return NULL;
}

/* False when there are too many. */
static bool add_headers(const char *rule, struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer list = {0};
    const char *at = strstr(rule, ": ");
    size_t n = 0;
    while (at) {
        at += at[0] == ':';
        CLEANUP(freep) char *path = next_word(&at);
        if (!path)
            break;
        if (!strncmp(path, "/proc/", 6)) /* the unit itself */
            continue;
        add_file(path, &list);
        n++;
    }
    pack_u64(out, n);
    buffer_add(out, list.data, list.size);
    return n <= OBJECT_CACHE_HEADERS_MAX;
}

static void write_file(int folder, const char *key, const struct buffer *file)
{
    CLEANUP(freep) char *name = must_format("new.%d.%.16s", (int)getpid(), key);
    CLEANUP(closep)
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write_all(fd, file->data, file->size) < 0 ||
        renameat(folder, name, folder, key) < 0)
        unlinkat(folder, name, 0);
}

struct entry {
    char name[KEY_SIZE + 1];
    int64_t size, used;
};

struct sweep {
    struct entry *at;
    size_t n, capacity;
    int64_t size;
};

static void look_at(struct sweep *sweep, int folder, const char *name)
{
    struct stat info;
    if (*name == '.' || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!strncmp(name, "new.", 4) && info.st_mtim.tv_sec + UNFINISHED_S < time(NULL))
        unlinkat(folder, name, 0);
    if (strlen(name) != KEY_SIZE || !S_ISREG(info.st_mode))
        return;
    GROW(sweep->at, sweep->n, sweep->capacity);
    struct entry *entry = &sweep->at[sweep->n++];
    *entry = (struct entry){.size = info.st_size, .used = info.st_mtim.tv_sec};
    memcpy(entry->name, name, KEY_SIZE);
    sweep->size += info.st_size;
}

static void sweep_read(struct sweep *sweep, int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *at;
    if (!directory) {
        if (copy >= 0)
            close(copy);
        return;
    }
    while (sweep->n < FILES_MAX && (at = readdir(directory)))
        look_at(sweep, folder, at->d_name);
    closedir(directory);
}

static int compare_use(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used;
}

static void make_room(int folder)
{
    struct sweep sweep = {0};
    sweep_read(&sweep, folder);
    if (sweep.size > OBJECT_CACHE_MAX) {
        qsort(sweep.at, sweep.n, sizeof(*sweep.at), compare_use);
        for (size_t i = 0;
             i < sweep.n && sweep.size > (int64_t)OBJECT_CACHE_MAX * SWEEP_TO; i++)
            if (unlinkat(folder, sweep.at[i].name, 0) == 0)
                sweep.size -= sweep.at[i].size;
    }
    free(sweep.at);
}

void object_cache_put(const char *key, const char *rule, const struct buffer *object)
{
    CLEANUP(buffer_clear) struct buffer file = {0};
    uint8_t hash[DIGEST_SIZE];
    if (object->size > OBJECT_CACHE_FILE_MAX / 2)
        return;
    CLEANUP(closep) int folder = open_folder();
    pack_string(&file, MARK);
    if (folder < 0 || !add_headers(rule, &file))
        return;
    pack_bytes(&file, object->data, object->size);
    digest(file.data, file.size, hash);
    buffer_add(&file, hash, sizeof(hash));
    write_file(folder, key, &file);
    if (key[0] == '0') /* one time in sixteen */
        make_room(folder);
}

char *object_cache_describe(uint64_t *ret_size, size_t *ret_n)
{
    struct sweep sweep = {0};
    CLEANUP(closep) int folder = open_folder();
    if (folder < 0)
        return NULL;
    sweep_read(&sweep, folder);
    *ret_size = (uint64_t)sweep.size;
    *ret_n = sweep.n;
    free(sweep.at);
    return folder_path();
}
