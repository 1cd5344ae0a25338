/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /proc/PID/task/TID/syscall says in which system call a thread sleeps, with its
 * arguments; descriptors are compared by the device behind them. Where a tracer's rights
 * over processes of the same user are denied even to their parent, wchan has to do, for
 * descriptor 0 only. */
#include "kernel/session/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 4096
#define PATH_SIZE 96
#define POLLED_MAX 64 /* descriptors of one poll that are looked at */

struct search {
    dev_t device;
    pid_t processes[READER_PROCESSES_MAX]; /* found; `at` is the one looked at */
    size_t n, at, n_threads;
    struct reader *found;
};

struct call {
    long number;
    uint64_t arguments[6];
};

/* The beginning of a small file as a string; false when it cannot be read. */
static bool read_text(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, to, size - 1);
    int code = errno;
    close(fd);
    errno = code;
    to[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static bool read_memory(pid_t process, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    return address &&
           process_vm_readv(process, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool is_terminal(const struct search *search, pid_t process, uint64_t fd)
{
    char path[PATH_SIZE];
    struct stat stat_;
    snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)process, (unsigned)fd);
    return fd <= INT32_MAX && stat(path, &stat_) == 0 && S_ISCHR(stat_.st_mode) &&
           stat_.st_rdev == search->device;
}

static bool is_long(int64_t ms)
{
    return ms < 0 || ms >= READER_PATIENCE_MS;
}

/* `address` of a struct timespec or, with `part` 1000, of a struct timeval; both are two
 * words. */
static bool is_long_time(pid_t process, uint64_t address, int64_t part)
{
    int64_t time[2];
    return !address || (read_memory(process, address, time, sizeof(time)) &&
                        is_long(time[0] * 1000 + time[1] / part));
}

static bool polls(const struct search *search, pid_t process, uint64_t address,
                  uint64_t n)
{
    struct pollfd polled[POLLED_MAX];
    n = n < POLLED_MAX ? n : POLLED_MAX;
    if (!n || !read_memory(process, address, polled, n * sizeof(*polled)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (polled[i].fd >= 0 && polled[i].events & (POLLIN | POLLRDNORM) &&
            is_terminal(search, process, (uint64_t)polled[i].fd))
            return true;
    return false;
}

static bool selects(const struct search *search, pid_t process, uint64_t n,
                    uint64_t address)
{
    uint64_t bits = 0;
    if (!read_memory(process, address, &bits, sizeof(bits)))
        return false;
    for (uint64_t fd = 0; fd < n && fd < 64; fd++)
        if (bits >> fd & 1 && is_terminal(search, process, fd))
            return true;
    return false;
}

/* An epoll set lists what it watches in its fdinfo: "tfd:  N events: ...". */
static bool watches(const struct search *search, pid_t process, uint64_t set)
{
    char path[PATH_SIZE], text[TEXT_MAX];
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", (int)process, (unsigned)set);
    if (!read_text(path, text, sizeof(text)))
        return false;
    for (const char *at = text; (at = strstr(at, "tfd:")); at += strlen("tfd:"))
        if (is_terminal(search, process, strtoul(at + strlen("tfd:"), NULL, 10)))
            return true;
    return false;
}

static bool waits_in(const struct search *search, pid_t process, const struct call *call)
{
    const uint64_t *a = call->arguments;
    switch (call->number) {
    case SYS_read:
    case SYS_readv:
        return is_terminal(search, process, a[0]);
#ifdef SYS_poll
    case SYS_poll:
        return is_long((int32_t)a[2]) && polls(search, process, a[0], a[1]);
#endif
    case SYS_ppoll:
        return is_long_time(process, a[2], 1000000) && polls(search, process, a[0], a[1]);
#ifdef SYS_select
    case SYS_select:
        return is_long_time(process, a[4], 1000) && selects(search, process, a[0], a[1]);
#endif
    case SYS_pselect6:
        return is_long_time(process, a[4], 1000000) &&
               selects(search, process, a[0], a[1]);
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
        return is_long((int32_t)a[3]) && watches(search, process, a[0]);
    default:
        return false;
    }
}

/* 1 with the call that the thread sleeps in, 0 when it runs, negative when unknown. */
static int read_call(pid_t process, pid_t thread, struct call *ret)
{
    char path[PATH_SIZE], text[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)process, (int)thread);
    if (!read_text(path, text, sizeof(text)))
        return errno == EPERM || errno == EACCES || errno == ENOENT ? -errno : 0;
    char *at = text;
    ret->number = strtol(at, &at, 10);
    if (at == text || ret->number < 0)
        return 0;
    for (int i = 0; i < 6; i++)
        ret->arguments[i] = strtoull(at, &at, 16);
    return 1;
}

static bool waits_by_name(const struct search *search, pid_t process, pid_t thread)
{
    char path[PATH_SIZE], text[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", (int)process, (int)thread);
    return read_text(path, text, sizeof(text)) &&
           (!strcmp(text, "n_tty_read") || !strcmp(text, "wait_woken")) &&
           is_terminal(search, process, 0);
}

static uint64_t count_sleeps(pid_t process, pid_t thread)
{
    char path[PATH_SIZE], text[TEXT_MAX];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)process, (int)thread);
    const char *label = "\nvoluntary_ctxt_switches:";
    const char *at = read_text(path, text, sizeof(text)) ? strstr(text, label) : NULL;
    return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

static bool look_at_thread(struct search *search, pid_t process, pid_t thread)
{
    struct call call;
    int r = read_call(process, thread, &call);
    if (r > 0 ? !waits_in(search, process, &call)
              : r == 0 || !waits_by_name(search, process, thread))
        return false;
    *search->found = (struct reader){process, thread, count_sleeps(process, thread)};
    return true;
}

static void add_children(struct search *search, pid_t process, pid_t thread)
{
    char path[PATH_SIZE], text[TEXT_MAX];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)process, (int)thread);
    if (!read_text(path, text, sizeof(text)))
        return;
    for (char *at = text, *end; search->n < READER_PROCESSES_MAX; at = end) {
        pid_t child = (pid_t)strtol(at, &end, 10);
        if (end == at)
            return;
        search->processes[search->n++] = child;
    }
}

static bool look_at_process(struct search *search, pid_t process)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    DIR *threads = opendir(path);
    bool is_found = false;
    const struct dirent *entry;
    while (threads && !is_found && (entry = readdir(threads)) &&
           search->n_threads < READER_THREADS_MAX) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread <= 0)
            continue;
        search->n_threads++;
        is_found = look_at_thread(search, process, thread);
        add_children(search, process, thread);
    }
    if (threads)
        closedir(threads);
    return is_found;
}

bool reader_find(pid_t root, dev_t device, struct reader *ret)
{
    struct search search = {.device = device, .found = ret, .n = 1};
    search.processes[0] = root;
    for (; search.at < search.n; search.at++)
        if (look_at_process(&search, search.processes[search.at]))
            return true;
    return false;
}
