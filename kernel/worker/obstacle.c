/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/obstacle.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/worker/mpi.h"
#include "pickler/base/memory.h"

#define OWN_FDS_MAX 1024
#define LIST_SIZE (32u << 10)
#define OMP_PAUSE_HARD 2   /* omp.h */
#define OMP_PATIENCE_MS 20 /* for its threads to be gone */

/* What each of the worker's own descriptors leads to, all 0: not its own. Global:
 * descriptors belong to the process. */
static struct {
    dev_t device;
    ino_t inode;
} own[OWN_FDS_MAX];

void obstacle_own(int fd)
{
    struct stat file;
    if (fd < 0 || fd >= OWN_FDS_MAX || fstat(fd, &file) < 0)
        return;
    own[fd].device = file.st_dev;
    own[fd].inode = file.st_ino;
}

void obstacle_init(void)
{
    for (int fd = 0; fd < OWN_FDS_MAX; fd++)
        obstacle_own(fd);
}

/* A cell that closes one of them may get its number. The output's descriptors are
 * replaced now and then. */
static bool is_own(int fd, const struct stat *file)
{
    return fd <= STDERR_FILENO || (fd < OWN_FDS_MAX && own[fd].inode == file->st_ino &&
                                   own[fd].inode && own[fd].device == file->st_dev);
}

/* The folder has a link for each thread beside "." and ".."; 0: it cannot be seen. */
static size_t count_threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? (size_t)tasks.st_nlink - 2 : 0;
}

/* A team of OpenMP waits for the next parallel region, which makes a new one. */
static bool is_single_threaded(void)
{
    if (count_threads() <= 1)
        return true;
    int (*pause_all)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "omp_pause_resource_all");
    if (!pause_all || pause_all(OMP_PAUSE_HARD))
        return false;
    for (int i = 0; i < OMP_PATIENCE_MS && count_threads() > 1; i++)
        poll(NULL, 0, 1);
    return count_threads() <= 1;
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0;
}

/* Memory that is neither a file's nor shared. */
static uint64_t own_memory(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    char *at = text;
    strtoull(at, &at, 10);
    uint64_t resident = n > 0 ? strtoull(at, &at, 10) : 0;
    uint64_t shared = strtoull(at, &at, 10);
    return (resident > shared ? resident - shared : 0) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- mappings --- */

/* The kernel's question for the next mapping with given rights (Linux 6.11). */
struct mapping_query {
    uint64_t size, flags, address;
    uint64_t start, end, rights, page_size, offset, inode;
    uint32_t device_major, device_minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define MAPPING_QUERY _IOWR('f', 17, struct mapping_query)
#define MAPPING_WRITABLE 0x02
#define MAPPING_SHARED 0x08
#define MAPPING_THIS_OR_NEXT 0x10

/* "address-address rw-s ..." */
static bool is_shared_line(const char *line)
{
    const char *rights = strchr(line, ' ');
    return rights && strlen(rights) > 4 && rights[2] == 'w' && rights[4] == 's';
}

static bool read_mappings(int fd)
{
    FILE *file = fdopen(fd, "r");
    char line[512];
    bool is_found = false, is_start = true;
    while (file && !is_found && fgets(line, sizeof(line), file)) {
        is_found = is_start && is_shared_line(line);
        is_start = strchr(line, '\n') != NULL;
    }
    if (file)
        fclose(file);
    else
        close(fd);
    return is_found;
}

static bool has_shared_memory(void)
{
    struct mapping_query query = {.size = sizeof(query),
                                  .flags = MAPPING_WRITABLE | MAPPING_SHARED |
                                           MAPPING_THIS_OR_NEXT};
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    int r = ioctl(fd, MAPPING_QUERY, &query);
    if (r < 0 && errno != ENOENT)
        return read_mappings(fd);
    close(fd);
    return r == 0;
}

/* What timer_create() has made: a copy of the process does not have it. The worker itself
 * makes some, which signal a thread of its own choice. */
static bool has_timers(void)
{
    char text[4096];
    int fd = open("/proc/self/timers", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    for (const char *at = text; (at = strstr(at, "\nnotify: ")); at++)
        if (strncmp(at, "\nnotify: signal/tid", 19) != 0)
            return true;
    return false;
}

/* --- descriptors --- */

/* What is neither a file nor a folder: named by the link that stands for it. */
static const char *describe_other(int fd)
{
    char path[64], target[128];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    if (strstr(target, "eventpoll"))
        return "holds an epoll descriptor";
    if (strstr(target, "eventfd"))
        return "holds an eventfd";
    if (strstr(target, "timerfd"))
        return "holds a timerfd";
    return "holds a descriptor that cannot be copied";
}

static bool is_locked(int fd)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0)
        return false;
    ssize_t n = read(info, text, sizeof(text) - 1);
    close(info);
    text[n < 0 ? 0 : n] = '\0';
    return strstr(text, "\nlock:") != NULL;
}

static const char *look_at_file(int fd, const struct stat *file, struct surroundings *ret)
{
    if (S_ISREG(file->st_mode) && is_locked(fd))
        return "holds a lock on a file";
    if (ret->n_files == OBSTACLE_FILES_MAX)
        return "has too many files open";
    ret->files[ret->n_files++] = (struct open_file){.fd = fd,
                                                    .device = file->st_dev,
                                                    .inode = file->st_ino,
                                                    .position = lseek(fd, 0, SEEK_CUR),
                                                    .size = file->st_size,
                                                    .flags = fcntl(fd, F_GETFL),
                                                    .modified = file->st_mtim};
    return NULL;
}

static const char *look_at(int fd, struct surroundings *ret)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || is_own(fd, &file))
        return NULL;
    switch (file.st_mode & S_IFMT) {
    case S_IFIFO:
        return "holds a pipe";
    case S_IFSOCK:
        return "holds a socket";
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
    case S_IFCHR:
        return look_at_file(fd, &file, ret);
    default:
        return describe_other(fd);
    }
}

static const char *look_at_descriptors(struct surroundings *ret)
{
    const char *why = NULL;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    if (!folder)
        return "has no descriptor left to look around with";
    while (!why && (entry = readdir(folder))) {
        int fd = *entry->d_name == '.' ? -1 : (int)strtol(entry->d_name, NULL, 10);
        if (fd >= 0 && fd != dirfd(folder))
            why = look_at(fd, ret);
    }
    closedir(folder);
    return why;
}

const char *obstacle_find(uint64_t budget, struct surroundings *ret)
{
    ret->n_files = 0;
    ret->bytes = own_memory();
    if (!budget)
        return "has them switched off";
    for (int i = 0; i < 3; i++)
        getitimer((__itimer_which_t)i, &ret->timers[i]);
    if (count_threads() == 0)
        return "has no /proc to look at itself with";
    if (mpi_is_started()) /* which has threads and sockets as well */
        return "has started MPI";
    if (!is_single_threaded())
        return "has threads of its own";
    if (has_children())
        return "has child processes";
    if (has_timers())
        return "has a timer (timer_create)";
    if (has_shared_memory())
        return "shares memory with other processes";
    const char *why = look_at_descriptors(ret);
    if (!why && ret->bytes > budget)
        why = "has more memory than the budget of %checkpoint";
    return why;
}

void obstacle_restore(const struct surroundings *surroundings,
                      void (*changed)(void *context, const char *path), void *context)
{
    for (int i = 0; i < 3; i++)
        setitimer((__itimer_which_t)i, &surroundings->timers[i], NULL);
    for (size_t i = 0; i < surroundings->n_files; i++) {
        const struct open_file *then = &surroundings->files[i];
        struct stat now;
        if (fstat(then->fd, &now) < 0 || now.st_ino != then->inode ||
            now.st_dev != then->device)
            continue;
        if (then->position >= 0)
            lseek(then->fd, then->position, SEEK_SET);
        if (then->flags >= 0)
            fcntl(then->fd, F_SETFL, then->flags);
        if (!S_ISREG(now.st_mode))
            continue;
        if (now.st_size == then->size && now.st_mtim.tv_sec == then->modified.tv_sec &&
            now.st_mtim.tv_nsec == then->modified.tv_nsec)
            continue;
        char link[64], path[4096];
        snprintf(link, sizeof(link), "/proc/self/fd/%d", then->fd);
        ssize_t n = readlink(link, path, sizeof(path) - 1);
        path[n < 0 ? 0 : n] = '\0';
        changed(context, path);
    }
}
