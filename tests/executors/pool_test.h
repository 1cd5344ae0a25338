/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What tests of pools share: a client whose tasks are collected as they end, and a look
 * at the processes that are left. For one translation unit a program. */
#ifndef ACHAR_TESTS_POOL_TEST_H
#define ACHAR_TESTS_POOL_TEST_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "magics/executors/pool_client.h"
#include "pickler/payload/payload.h"
#include "tests/unit/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_ASAN 1
#endif
#endif
#ifndef IS_ASAN
#define IS_ASAN 0
#endif

#ifndef WAIT_MS
#define WAIT_MS 10000
#endif

static inline struct pool_client *start(const char *workers)
{
    struct error err = {0};
    struct pool_client *client = NULL;
    struct executor_option options[] = {{"workers", workers}};
    if (!CHECK_OK(pool_client_new(&executor_local, options, 1, &client, &err), err))
        exit(1);
    return client;
}

static inline struct outcome send_bytes(struct pool_client *client, const void *payload,
                                        size_t size, uint8_t ret_hash[32])
{
    struct error err = {0};
    struct outcome outcome = {0};
    payload_hash(payload, size, ret_hash);
    CHECK_OK(pool_client_payload(client, ret_hash, payload, size, &outcome, &err), err);
    return outcome;
}

static inline uint32_t submit_bytes(struct pool_client *client, const uint8_t hash[32],
                                    const void *task, size_t size)
{
    struct error err = {0};
    uint32_t id = 0;
    CHECK_OK(pool_client_submit(client, hash, task, size, &id, &err), err);
    return id;
}

/* What a task did, from its events to its result. */
struct done {
    uint32_t id;
    struct outcome outcome;
    struct buffer result, out, err;
    unsigned n_outputs;
};

static inline void done_clear(struct done *done)
{
    outcome_clear(&done->outcome);
    buffer_clear(&done->result);
    buffer_clear(&done->out);
    buffer_clear(&done->err);
    *done = (struct done){0};
}

/* Waits for one event and adds it to that of `all` with its id; true when that ended. */
static inline bool wait_one(struct pool_client *client, struct done *all, size_t n)
{
    struct pool_event event;
    struct error err = {0};
    if (!CHECK_OK(pool_client_wait(client, -1, WAIT_MS, &event, &err), err))
        exit(1);
    if (!CHECK(event.kind == POOL_EVENT_OUTPUT || event.kind == POOL_EVENT_RESULT))
        exit(1);
    for (size_t i = 0; i < n; i++) {
        struct done *done = &all[i];
        if (done->id != event.id)
            continue;
        if (event.kind == POOL_EVENT_OUTPUT) {
            buffer_add(event.stream == 1 ? &done->out : &done->err, event.data,
                       event.size);
            done->n_outputs++;
            return false;
        }
        done->outcome = event.outcome;
        buffer_add(&done->result, event.data, event.size);
        return true;
    }
    CHECK(!"an event of an unknown task");
    outcome_clear(&event.outcome);
    return false;
}

static inline struct done run_bytes(struct pool_client *client, const uint8_t hash[32],
                                    const void *task, size_t size)
{
    struct done done = {.id = submit_bytes(client, hash, task, size)};
    while (!wait_one(client, &done, 1))
        ;
    return done;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Whether a process runs one of our executables, or was left by a task. */
static bool is_ours(const char *pid)
{
    char path[300], text[256];
    char *environment = NULL;
    size_t capacity = 0;
    bool found = false;
    if (*pid < '0' || *pid > '9' || strtol(pid, NULL, 10) == getpid())
        return false;
    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    FILE *file = fopen(path, "r");
    ssize_t size = file ? getdelim(&environment, &capacity, -1, file) : -1;
    if (size > 0) {
        snprintf(text, sizeof(text), "ACHAR_LIBEXEC=%s", getenv("ACHAR_LIBEXEC"));
        found = memmem(environment, (size_t)size, text, strlen(text)) != NULL;
    }
    free(environment);
    if (file)
        fclose(file);
    return found;
}

static int count_processes(uint64_t *ret_sum)
{
    int n = 0;
    DIR *folder = opendir("/proc");
    *ret_sum = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!is_ours(entry->d_name))
            continue;
        uint64_t pid = strtoul(entry->d_name, NULL, 10);
        *ret_sum += pid * pid;
        n++;
    }
    closedir(folder);
    return n;
}

/* A number that stays while these processes are the same ones. */
static inline uint64_t which_processes(void)
{
    uint64_t sum;
    count_processes(&sum);
    return sum;
}

#define CHILDREN_MAX 64

static inline size_t find_children(int parent, int *ret)
{
    size_t n = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300];
        int pid, of;
        char state;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        bool is_process = *entry->d_name >= '0' && *entry->d_name <= '9';
        FILE *file = is_process ? fopen(path, "r") : NULL;
        if (file && fscanf(file, "%d %*s %c %d", &pid, &state, &of) == 3 &&
            of == parent && state != 'Z' && n < CHILDREN_MAX)
            ret[n++] = pid;
        if (file)
            fclose(file);
    }
    closedir(folder);
    return n;
}

/* The first line of its stat: number, name, state, parent, ... */
static void print_process(const char *pid)
{
    char path[300], line[160] = "";
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof(line), file))
        fprintf(stderr, "  left: %.60s\n", line);
    if (file)
        fclose(file);
}

static void check_nothing_left(const char *where)
{
    int left = 0;
    uint64_t sum;
    for (uint64_t end = now_ms() + 2000;
         (left = count_processes(&sum)) && now_ms() < end;)
        usleep(5000);
    if (CHECK_INT(left, 0))
        return;
    fprintf(stderr, "  after: %s\n", where);
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (is_ours(entry->d_name))
            print_process(entry->d_name);
    closedir(folder);
}

static void link_helper(const char *program, const char *folder, const char *name)
{
    CLEANUP(freep) char *path = must_format("%s/%s", folder, name);
    CLEANUP(freep) char *target = realpath(program, NULL);
    if (!target || symlink(target, path) < 0) {
        fprintf(stderr, "cannot link '%s': %s\n", program, strerror(errno));
        exit(1);
    }
}

/* A folder with the helpers as the executor looks for them. */
static char *make_folder(const char *pool, const char *worker)
{
    static char folder[] = "/tmp/achar-test-pool-XXXXXX";
    if (!mkdtemp(folder))
        exit(1);
    link_helper(pool, folder, "achar-pool");
    link_helper(worker, folder, "achar-worker");
    setenv("ACHAR_LIBEXEC", folder, 1);
    return folder;
}

static void remove_folder(const char *folder)
{
    CLEANUP(freep) char *pool_link = must_format("%s/achar-pool", folder);
    CLEANUP(freep) char *worker_link = must_format("%s/achar-worker", folder);
    unlink(pool_link);
    unlink(worker_link);
    rmdir(folder);
}

#endif
