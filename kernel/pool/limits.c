/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/limits.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/peer/descent.h"
#include "kernel/pool/pool.h"

static bool is_busy(const struct worker *worker)
{
    return worker->task && !worker->is_gone;
}

static bool is_taken(const struct pool *pool, const struct worker *self, int cpu)
{
    for (size_t i = 0; i < pool->n_families; i++)
        for (const struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (worker != self && is_busy(worker) && worker->cpu == cpu)
                return true;
    return false;
}

void limits_pin(const struct pool *pool, struct worker *worker)
{
    const struct limits *limits = &pool->limits;
    if (!limits->is_pinned || (worker->cpu >= 0 && !is_taken(pool, worker, worker->cpu)))
        return;
    int cpu = -1;
    for (int i = 0; i < CPU_SETSIZE && cpu < 0; i++)
        if (CPU_ISSET(i, &limits->cpus) && !is_taken(pool, worker, i))
            cpu = i;
    if (cpu < 0) /* more tasks than processors: it stays where it was, or goes anywhere */
        return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(worker->pid, sizeof(one), &one) == 0)
        worker->cpu = cpu;
}

/* Memory of its own that a process has: a quick bound from above. Shared pages of what it
 * was forked from count too. See statm in proc(5). */
static uint64_t read_resident(const char *pid)
{
    char path[300];
    unsigned long resident, shared;
    snprintf(path, sizeof(path), "/proc/%s/statm", pid);
    FILE *file = fopen(path, "re");
    bool is_read = file && fscanf(file, "%*u %lu %lu", &resident, &shared) == 2;
    if (file)
        fclose(file);
    return is_read && resident > shared
               ? (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

/* Its share of it: a page counts by how many processes have it. */
static uint64_t read_share(const char *pid)
{
    char path[300], line[256];
    unsigned long long kb = 0, all = 0;
    snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Pss_Anon: %llu", &kb) == 1 ||
            sscanf(line, "Pss_Shmem: %llu", &kb) == 1)
            all += kb;
    if (file)
        fclose(file);
    return all * 1024;
}

static uint64_t sum(const pid_t *pids, size_t n, uint64_t (*read_one)(const char *pid))
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        char pid[16];
        snprintf(pid, sizeof(pid), "%d", (int)pids[i]);
        all += read_one(pid);
    }
    return all;
}

static size_t find_group(pid_t group, pid_t *ret)
{
    size_t n = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && n < DESCENT_MAX && (entry = readdir(folder));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && getpgid(pid) == group)
            ret[n++] = pid;
    }
    if (folder)
        closedir(folder);
    return n;
}

/* A job worker is the parent of all that its task starts, in the end: it adopts what is
 * left alone (subreaper). Where the kernel does not tell, it leads their group. */
static bool is_over_memory(const struct limits *limits, const struct worker *worker)
{
    pid_t pids[DESCENT_MAX];
    size_t n = descent_is_known() ? descent_all(worker->pid, pids)
                                  : find_group(worker->pid, pids);
    return sum(pids, n, read_resident) > limits->memory &&
           sum(pids, n, read_share) > limits->memory;
}

static void check_memory(struct pool *pool, uint64_t now)
{
    if (!pool->limits.memory || !pool->n_running ||
        now < pool->looked_at + LIMITS_LOOK_US)
        return;
    pool->looked_at = now;
    for (size_t i = 0; i < pool->n_families; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (is_busy(worker) && worker->started_at + LIMITS_LOOK_US / 2 < now &&
                worker->exceeds == EXCEEDS_NONE && is_over_memory(&pool->limits, worker))
                tasks_exceed(pool, pool->families[i], worker, EXCEEDS_MEMORY);
}

void limits_time(struct pool *pool, uint64_t now)
{
    uint64_t timeout = pool->limits.timeout_us;
    check_memory(pool, now);
    for (size_t i = 0; i < pool->n_families && timeout; i++)
        for (struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next)
            if (is_busy(worker) && worker->exceeds == EXCEEDS_NONE &&
                worker->started_at + timeout <= now)
                tasks_exceed(pool, pool->families[i], worker, EXCEEDS_TIME);
}

uint64_t limits_due(const struct pool *pool)
{
    uint64_t due = pool->limits.memory && pool->n_running
                       ? pool->looked_at + LIMITS_LOOK_US
                       : UINT64_MAX;
    for (size_t i = 0; i < pool->n_families && pool->limits.timeout_us; i++)
        for (const struct worker *worker = pool->families[i]->workers; worker;
             worker = worker->next) {
            uint64_t at = worker->started_at + pool->limits.timeout_us;
            if (is_busy(worker) && worker->exceeds == EXCEEDS_NONE && at < due)
                due = at;
        }
    return due;
}
