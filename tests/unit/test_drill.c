/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tasks on a real pool while its job workers, zygotes and the pool itself are killed at
 * random: each ends exactly once, with its right result or a failure that has a name, and
 * nothing is left behind. Arguments: the paths of achar-pool and achar-worker. With
 * $ACHAR_DRILL=full the numbers are 1,000 tasks among kills and 10,000 without. */
#include <sys/wait.h>

#include "tests/executors/pool_test.h"

#define TASKS_MAX 10000
#define BATCH 40     /* in flight */
#define POOL_EVERY 4 /* rounds: so often the pool itself is killed */

static const char program[] = "#include <time.h>\n"
                              "int achar_value;\n"
                              "static int seen;\n"
                              "void achar_entry(void) {\n"
                              "    struct timespec now, end;\n"
                              "    clock_gettime(CLOCK_MONOTONIC, &end);\n"
                              "    do clock_gettime(CLOCK_MONOTONIC, &now);\n"
                              "    while ((now.tv_sec - end.tv_sec) * 1000000000L + "
                              "now.tv_nsec - end.tv_nsec < %ld);\n"
                              "    achar_value = 41 + ++seen; }\n";

struct tally {
    unsigned ended[TASKS_MAX]; /* how often, of each task */
    size_t n_right, n_failed, n_wrong, n_kills, n_lost_pools;
};

static void make_payload(long nanoseconds, struct buffer *ret)
{
    struct error err = {0};
    CLEANUP(freep) char *text = must_format(program, nanoseconds);
    struct payload payload = {.entry = PAYLOAD_CALL, .entry_text = text};
    types_init(&payload.types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    payload.value_type = types_add(&payload.types, &integer);
    CHECK_OK(payload_pack(&payload, ret, &err), err);
    types_clear(&payload.types);
}

/* Of all descendants of this process one by chance: job workers are most of them. */
static void kill_one(struct tally *tally, unsigned *seed, bool is_pool_too)
{
    int all[4 * CHILDREN_MAX], below[CHILDREN_MAX];
    size_t n = find_children(getpid(), all), first = is_pool_too ? 0 : n;
    for (size_t i = 0; i < n && n < 3 * CHILDREN_MAX; i++) {
        size_t n_below = find_children(all[i], below);
        memcpy(all + n, below, n_below * sizeof(*below));
        n += n_below;
    }
    if (n <= first)
        return;
    *seed = *seed * 1103515245u + 12345u;
    int victim = all[first + (*seed >> 8) % (n - first)];
    tally->n_kills += kill(is_pool_too ? all[0] : victim, SIGKILL) == 0;
}

static void count(struct tally *tally, const struct pool_event *event, uint32_t first_id,
                  size_t first)
{
    size_t i = first + (event->id - first_id);
    if (!CHECK(i < TASKS_MAX))
        return;
    tally->ended[i]++;
    bool is_ok = event->outcome.kind == OUTCOME_OK;
    bool is_right = is_ok && !strcmp(event->outcome.value_text, "42");
    tally->n_right += is_right;
    tally->n_wrong += is_ok && !is_right;
    tally->n_failed += !is_ok;
    if (!is_ok && !CHECK(event->outcome.name && event->outcome.message))
        fprintf(stderr, "  task %zu failed without a name\n", i);
}

/* A burst of tasks, and a kill now and then; *client is another one when it was lost. */
static void run_batch(struct pool_client **client, const struct buffer *payload,
                      size_t first, size_t n, struct tally *tally, unsigned *seed,
                      unsigned kills)
{
    uint8_t hash[32];
    struct error err = {0};
    struct pool_event event;
    uint32_t first_id = 0, id;
    struct outcome outcome = send_bytes(*client, payload->data, payload->size, hash);
    CHECK_INT(outcome.kind, OUTCOME_OK);
    outcome_clear(&outcome);
    for (size_t i = 0; i < n; i++) {
        id = submit_bytes(*client, hash, "", 0);
        first_id = i ? first_id : id;
    }
    for (size_t n_ended = 0; n_ended < n;) {
        if (!CHECK_OK(pool_client_wait(*client, -1, WAIT_MS, &event, &err), err))
            exit(1);
        if (!CHECK_INT(event.kind, POOL_EVENT_RESULT)) /* silent for so long */
            exit(1);
        count(tally, &event, first_id, first);
        outcome_clear(&event.outcome);
        n_ended++;
        if (kills && n_ended % (n / kills) == 1)
            kill_one(tally, seed, false);
        if (kills && n_ended == n / 2 && first / BATCH % POOL_EVERY == POOL_EVERY - 1)
            kill_one(tally, seed, true);
    }
    if (pool_client_is_alive(*client) &&
        pool_client_wait(*client, -1, 0, &event, &err) == 0)
        CHECK_INT(event.kind, POOL_EVENT_NONE); /* none twice */
    if (pool_client_is_alive(*client))
        return;
    tally->n_lost_pools++;
    pool_client_free(*client);
    *client = start("2");
}

static void drill(const char *name, size_t n, long nanoseconds, unsigned kills)
{
    CLEANUP(freep) struct tally *tally = must_alloc(sizeof(*tally));
    CLEANUP(buffer_clear) struct buffer payload = {0};
    unsigned seed = 7;
    make_payload(nanoseconds, &payload);
    struct pool_client *client = start("2");
    for (size_t i = 0; i < n; i += BATCH)
        run_batch(&client, &payload, i, BATCH, tally, &seed, kills);
    pool_client_free(client);
    size_t n_once = 0;
    for (size_t i = 0; i < n; i++)
        n_once += tally->ended[i] == 1;
    CHECK_INT(n_once, n);
    CHECK_INT(tally->n_wrong, 0);
    CHECK_INT(tally->n_right + tally->n_failed, n);
    if (!kills)
        CHECK_INT(tally->n_right, n);
    CHECK(!kills || tally->n_kills > 0);
    fprintf(stderr,
            "# %s: %zu tasks, %zu right, %zu failed by name, %zu wrong; %zu kills, %zu "
            "pools lost\n",
            name, n, tally->n_right, tally->n_failed, tally->n_wrong, tally->n_kills,
            tally->n_lost_pools);
    check_nothing_left(name);
}

static size_t count_entries(const char *path, const char *part)
{
    size_t n = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        n += strstr(entry->d_name, part) != NULL;
    if (folder)
        closedir(folder);
    return n;
}

/* Death must be an event soon, not after some time-out. */
static void test_death_is_noticed(void)
{
    uint8_t hash[32];
    CLEANUP(buffer_clear) struct buffer payload = {0};
    make_payload(1000000000000L, &payload);
    struct pool_client *client = start("2");
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct outcome outcome = send_bytes(client, payload.data, payload.size, hash);
        outcome_clear(&outcome);
        int pools[CHILDREN_MAX], zygotes[CHILDREN_MAX], workers[CHILDREN_MAX];
        struct done done = {.id = submit_bytes(client, hash, "", 0)};
        usleep(100000); /* it spins by now, or its death is told the same */
        CHECK_INT(find_children(getpid(), pools), 1);
        for (size_t n = find_children(pools[0], zygotes); n; n--)
            for (size_t k = find_children(zygotes[n - 1], workers); k; k--)
                kill(workers[k - 1], SIGKILL);
        uint64_t begin = now_ms();
        while (!wait_one(client, &done, 1))
            ;
        best = now_ms() - begin < best ? now_ms() - begin : best;
        CHECK_INT(done.outcome.kind, OUTCOME_DIED);
        CHECK_STRING(done.outcome.name, "SIGKILL");
        done_clear(&done);
    }
    fprintf(stderr, "# a death is noticed within %llu ms\n", (unsigned long long)best);
    pool_client_free(client);
    check_nothing_left("death");
}

/* With tasks that run, and more that wait. */
static void test_front_is_killed(void)
{
    uint64_t sum;
    pid_t front = fork();
    if (front == 0) {
        uint8_t hash[32];
        struct buffer payload = {0};
        make_payload(1000000000000L, &payload);
        struct pool_client *client = start("2");
        struct outcome outcome = send_bytes(client, payload.data, payload.size, hash);
        outcome_clear(&outcome);
        for (int i = 0; i < BATCH; i++)
            submit_bytes(client, hash, "", 0);
        for (;;)
            pause();
    }
    /* Pool, zygotes and job workers are there. */
    for (uint64_t end = now_ms() + WAIT_MS; count_processes(&sum) < 6 && now_ms() < end;)
        usleep(5000);
    CHECK(count_processes(&sum) >= 6);
    kill(front, SIGKILL);
    CHECK_INT(waitpid(front, NULL, 0), front);
    check_nothing_left("SIGKILL of the front");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ACHAR_POOL ACHAR_WORKER\n", argv[0]);
        return 2;
    }
    const char *size = getenv("ACHAR_DRILL");
    bool is_full = size && strcmp(size, "full") == 0;
    char *folder = make_folder(argv[1], argv[2]);
    size_t memory = count_entries("/dev/shm", "achar");
    size_t files = count_entries("/proc/self/fd", "");
    drill("kills", is_full ? 1000 : 160, 200000, 4);
    drill("no kills", is_full ? TASKS_MAX : 2000, 1000, 0);
    test_death_is_noticed();
    test_front_is_killed();
    CHECK_INT(count_entries("/dev/shm", "achar"), memory);
    CHECK_INT(count_entries("/proc/self/fd", ""), files);
    remove_folder(folder);
    return check_status();
}
