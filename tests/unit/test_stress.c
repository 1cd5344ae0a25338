/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Many tasks on one pool while its processes are killed, its tasks cancelled, its
 * payloads changed: every task ends once, with its own result, and nothing is left or
 * grows. Arguments: the paths of achar-pool and of the fake worker. */
#include "tests/executors/pool_test.h"

#define IN_FLIGHT 8
#define BIG (1u << 20)

/* The same every time. */
static unsigned next_random(void)
{
    static unsigned state = 12345;
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

/* A process that is `depth` generations below the pool, chosen by chance; 0: none. */
static int find_descendant(int pool, int depth)
{
    int all[CHILDREN_MAX];
    int at = pool;
    for (int i = 0; i < depth; i++) {
        size_t n = find_children(at, all);
        if (!n)
            return 0;
        at = all[next_random() % n];
    }
    return at;
}

static int find_pool(void)
{
    int all[CHILDREN_MAX];
    size_t n = find_children(getpid(), all);
    CHECK_INT(n, 1);
    return n ? all[0] : 0;
}

static void send_payload(struct pool_client *client, const char *payload,
                         uint8_t ret_hash[32])
{
    struct outcome outcome = send_bytes(client, payload, strlen(payload), ret_hash);
    CHECK_INT(outcome.kind, OUTCOME_OK);
    outcome_clear(&outcome);
}

/* Task number `i`: short or long, small or large. The result says the number again. */
static uint32_t submit_number(struct pool_client *client, const uint8_t hash[32], int i)
{
    static char text[BIG];
    static const char *const words[] = {"echo", "dirty", "spin"};
    snprintf(text, sizeof(text), "%s %d", words[next_random() % 3], i);
    size_t size = strlen(text);
    if (next_random() % 4 == 0) { /* fill with what the number ends at */
        memset(text + size, ' ', BIG - size);
        size = BIG;
    }
    return submit_bytes(client, hash, text, size);
}

struct running {
    struct done done[IN_FLIGHT]; /* id 0: free */
    int number[IN_FLIGHT];
    int n, n_ok, n_died;
};

static void fill(struct pool_client *client, struct running *running,
                 uint8_t hashes[2][32], int *number, int n_tasks)
{
    for (int k = 0; k < IN_FLIGHT && *number < n_tasks; k++) {
        if (running->done[k].id)
            continue;
        running->number[k] = *number;
        running->done[k].id = submit_number(client, hashes[*number / 10 % 2], *number);
        ++*number;
        running->n++;
    }
}

/* An event of a task that is not open fails in wait_one(). */
static void take_one(struct pool_client *client, struct running *running)
{
    if (!wait_one(client, running->done, IN_FLIGHT))
        return;
    for (int k = 0; k < IN_FLIGHT; k++) {
        struct done *done = &running->done[k];
        if (!done->id || (done->outcome.kind == OUTCOME_OK && !done->result.size))
            continue;
        if (done->outcome.kind == OUTCOME_OK) {
            CHECK_INT(strtol(buffer_string(&done->result), NULL, 10), running->number[k]);
            running->n_ok++;
        } else if (CHECK_INT(done->outcome.kind, OUTCOME_DIED)) {
            running->n_died++;
        } else {
            fprintf(stderr, "  %s: %s\n", done->outcome.name, done->outcome.message);
        }
        done_clear(done);
        running->n--;
    }
}

static void test_kills(int n_kills, int depth)
{
    struct pool_client *client = start("2");
    uint8_t hashes[2][32];
    struct running running = {0};
    int number = 0, n_killed = 0, pool = find_pool();
    send_payload(client, "ok", hashes[0]);
    send_payload(client, "ok too", hashes[1]);
    while (number < 200 || running.n) {
        fill(client, &running, hashes, &number, 200);
        int victim =
            n_killed < n_kills && next_random() % 2 ? find_descendant(pool, depth) : 0;
        if (victim) {
            kill(victim, SIGKILL);
            n_killed++;
        }
        take_one(client, &running);
    }
    CHECK_INT(running.n_ok + running.n_died, 200);
    CHECK(running.n_died <= (depth == 2 ? n_killed : 200));
    CHECK(running.n_ok > 0);
    struct done done = run_bytes(client, hashes[0], "count", 5);
    CHECK_STRING(buffer_string(&done.result), "1");
    done_clear(&done);
    pool_client_free(client);
    check_nothing_left("kills");
}

/* Job workers that cannot be renewed, though they said so, take no task with them: those
 * of one round are about to end while the next one's are given out. */
static void test_none_is_lost(void)
{
    struct pool_client *client = start("8");
    uint8_t hash[32];
    static char text[BIG] = "echo 5";
    memset(text + 6, ' ', BIG - 6);
    send_payload(client, "ok", hash);
    for (int round = 0; round < 60; round++) {
        struct done done[8] = {0};
        for (int k = 0; k < 8; k++)
            done[k].id = round % 2 ? submit_bytes(client, hash, text, BIG)
                                   : submit_bytes(client, hash, "dirty 5", 7);
        for (int n = 0; n < 8;)
            n += wait_one(client, done, 8);
        for (int k = 0; k < 8; k++) {
            if (!CHECK_INT(done[k].outcome.kind, OUTCOME_OK))
                fprintf(stderr, "  %s: %s\n", done[k].outcome.name,
                        done[k].outcome.message);
            done_clear(&done[k]);
        }
        usleep(100);
    }
    pool_client_free(client);
    check_nothing_left("none is lost");
}

struct usage {
    int n_fds, n_children;
    long resident; /* KiB */
};

static struct usage measure(int pid)
{
    struct usage usage = {0};
    int all[CHILDREN_MAX];
    char path[64];
    long pages = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        usage.n_fds++;
    if (folder)
        closedir(folder);
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
    if (file)
        fclose(file);
    usage.resident = pages * 4;
    usage.n_children = (int)find_children(pid, all);
    return usage;
}

static bool has_grown(struct usage before, struct usage after)
{
    return after.n_fds > before.n_fds + 8 || after.n_children > before.n_children + 2 ||
           (!IS_ASAN && after.resident > before.resident + 512);
}

/* What has answered ends in its own time: growth is what stays. */
static void check_usage(const char *what, struct usage before, int pid)
{
    struct usage after = measure(pid);
    for (int i = 0; i < 500 && has_grown(before, after); i++) {
        usleep(10000);
        after = measure(pid);
    }
    if (!CHECK(!has_grown(before, after)))
        fprintf(stderr, "  %s: %d fds, %d children, %ld KiB; before %d, %d, %ld\n", what,
                after.n_fds, after.n_children, after.resident, before.n_fds,
                before.n_children, before.resident);
}

/* Renewed ones, and ones that print and end. */
static void test_growth(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    struct usage pool_before = {0}, zygote_before = {0};
    int zygote = 0, worker = 0, pool = find_pool();
    send_payload(client, "ok", hash);
    struct done done = run_bytes(client, hash, "pid", 3);
    CHECK_INT(sscanf(buffer_string(&done.result), "%d %d", &worker, &zygote), 2);
    done_clear(&done);
    for (int i = 0; i < 2500; i++) {
        const char *task = i % 5 ? "count" : "print 1";
        done = run_bytes(client, hash, task, strlen(task));
        CHECK_INT(done.outcome.kind, OUTCOME_OK);
        CHECK_STRING(buffer_string(&done.result), i % 5 ? "1" : "");
        CHECK_STRING(buffer_string(&done.out), i % 5 ? "" : "line 0\n");
        done_clear(&done);
        if (i != 500)
            continue;
        pool_before = measure(pool);
        zygote_before = measure(zygote);
    }
    check_usage("pool", pool_before, pool);
    check_usage("zygote", zygote_before, zygote);
    pool_client_free(client);
    check_nothing_left("growth");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ACHAR_POOL FAKE_WORKER\n", argv[0]);
        return 2;
    }
    char *folder = make_folder(argv[1], argv[2]);
    test_none_is_lost();
    test_kills(100, 2);
    test_kills(20, 1);
    test_growth();
    remove_folder(folder);
    return check_status();
}
