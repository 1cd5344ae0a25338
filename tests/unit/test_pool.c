/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pool, its client and the local executor around tasks that need no compiler
 * (tests/executors/fake_worker.c): what becomes of tasks, output and processes.
 * Arguments: the paths of achar-pool and of the fake worker. */
#include <poll.h>
#include <sys/resource.h>

#include "kernel/peer/memory_file.h"
#include "tests/executors/pool_test.h"

static enum outcome_kind send_payload(struct pool_client *client, const char *payload,
                                      uint8_t ret_hash[32])
{
    struct outcome outcome = send_bytes(client, payload, strlen(payload), ret_hash);
    enum outcome_kind kind = outcome.kind;
    outcome_clear(&outcome);
    return kind;
}

static uint32_t submit(struct pool_client *client, const uint8_t hash[32],
                       const char *task)
{
    return submit_bytes(client, hash, task, strlen(task));
}

static struct done run(struct pool_client *client, const uint8_t hash[32],
                       const char *task)
{
    return run_bytes(client, hash, task, strlen(task));
}

static void test_round_trip(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    CHECK_INT(pool_client_workers(client), 2);
    CHECK_INT(send_payload(client, "ok", hash), OUTCOME_OK);
    struct done done = run(client, hash, "echo hello");
    CHECK_INT(done.outcome.kind, OUTCOME_OK);
    CHECK_STRING(buffer_string(&done.result), "hello");
    CHECK_INT(done.n_outputs, 0);
    done_clear(&done);
    for (int i = 0; i < 100; i++) { /* globals are fresh each time */
        done = run(client, hash, "count");
        CHECK_STRING(buffer_string(&done.result), "1");
        done_clear(&done);
    }
    done = run(client, hash, "nonsense");
    CHECK_INT(done.outcome.kind, OUTCOME_FAULT);
    CHECK_STRING(done.outcome.name, "SIGILL");
    done_clear(&done);
    done = run(client, hash, "fork"); /* the copy of the task answers nothing */
    CHECK_INT(done.outcome.kind, OUTCOME_OK);
    done_clear(&done);
    pool_client_free(client);
    check_nothing_left("round trip");
}

static void test_output(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    struct done done = run(client, hash, "print 20000");
    struct buffer out = {0}, err = {0};
    for (int i = 0; i < 20000; i++) {
        buffer_format(&out, "line %d\n", i);
        if (i % 2)
            buffer_format(&err, "error %d\n", i);
    }
    CHECK_INT(done.out.size, out.size);
    CHECK(strcmp(buffer_string(&done.out), buffer_string(&out)) == 0);
    CHECK(strcmp(buffer_string(&done.err), buffer_string(&err)) == 0);
    CHECK(done.n_outputs < 500);
    buffer_clear(&out);
    buffer_clear(&err);
    done_clear(&done);
    done = run(client, hash, "text no newline");
    CHECK_STRING(buffer_string(&done.out), "no newline");
    done_clear(&done);
    /* It streams: the line is here long before the result. */
    uint64_t begin = now_ms();
    done.id = submit(client, hash, "say-and-sleep 500");
    CHECK(!wait_one(client, &done, 1));
    CHECK_STRING(buffer_string(&done.out), "at once\n");
    CHECK(now_ms() - begin < 400);
    while (!wait_one(client, &done, 1))
        ;
    CHECK(now_ms() - begin >= 490);
    done_clear(&done);
    pool_client_free(client);
    check_nothing_left("output");
}

static void test_two_at_once(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    uint64_t begin = now_ms();
    struct done all[3] = {{.id = submit(client, hash, "sleep 300")},
                          {.id = submit(client, hash, "sleep 300")},
                          {.id = submit(client, hash, "sleep 300")}};
    for (int n = 0; n < 2;)
        n += wait_one(client, all, 3);
    uint64_t two = now_ms() - begin;
    CHECK(two >= 290 && two < 580);
    while (!wait_one(client, all, 3)) /* never more than two */
        ;
    CHECK(now_ms() - begin >= 590);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(all[i].outcome.kind, OUTCOME_OK);
        done_clear(&all[i]);
    }
    pool_client_free(client);
    check_nothing_left("two at once");
}

/* The pids of two tasks that sleep: killing one of them in the midst of a hundred. */
static void test_kill_one(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    struct done all[100] = {0};
    for (int i = 0; i < 100; i++) {
        char task[32];
        if (i == 50)
            snprintf(task, sizeof(task), "kill 9");
        else
            snprintf(task, sizeof(task), "echo %d", i);
        all[i].id = submit(client, hash, task);
    }
    for (int n = 0; n < 100;)
        n += wait_one(client, all, 100);
    for (int i = 0; i < 100; i++) {
        char expected[32] = "";
        if (i != 50)
            snprintf(expected, sizeof(expected), "%d", i);
        CHECK_STRING(buffer_string(&all[i].result), expected);
        CHECK_INT(all[i].outcome.kind, i == 50 ? OUTCOME_DIED : OUTCOME_OK);
        if (i == 50) {
            CHECK_STRING(all[i].outcome.name, "SIGKILL");
            CHECK_STRING(buffer_string(&all[i].out), "last words\n");
        }
        done_clear(&all[i]);
    }
    struct done done = run(client, hash, "exit 7");
    CHECK_INT(done.outcome.kind, OUTCOME_DIED);
    CHECK_STRING(done.outcome.name, "WorkerExit");
    CHECK(strstr(done.outcome.message, "status 7") != NULL);
    done_clear(&done);
    pool_client_free(client);
    check_nothing_left("kill one");
}

/* SIGKILL from outside, to every job worker in turn that shows itself. */
static void test_kill_from_outside(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    struct done victim = {.id = submit(client, hash, "say-and-sleep 100000")};
    CHECK(!wait_one(client, &victim, 1));
    struct done zygote = run(client, hash, "pid");
    int pid = 0, parent = 0;
    CHECK_INT(sscanf(buffer_string(&zygote.result), "%d %d", &pid, &parent), 2);
    /* All children of the zygote: one that runs, the others wait. */
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300];
        int of = 0;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%d %*s %*c %d", &pid, &of) == 2 && of == parent)
            kill(pid, SIGKILL);
        if (file)
            fclose(file);
    }
    closedir(folder);
    struct done other = {.id = submit(client, hash, "echo other")};
    struct done both[2] = {victim, other};
    for (int n = 0; n < 2;)
        n += wait_one(client, both, 2);
    CHECK_INT(both[0].outcome.kind, OUTCOME_DIED);
    CHECK_STRING(both[0].outcome.name, "SIGKILL");
    CHECK_INT(both[1].outcome.kind, OUTCOME_OK);
    CHECK_STRING(buffer_string(&both[1].result), "other");
    /* The zygote itself: what runs is lost, what waits is not. */
    struct done all[6] = {{.id = submit(client, hash, "say-and-sleep 100000")}};
    CHECK(!wait_one(client, all, 1));
    for (int i = 1; i < 6; i++)
        all[i].id = submit(client, hash, i == 1 ? "say-and-sleep 100000" : "echo again");
    CHECK(!wait_one(client, all, 6));
    kill(parent, SIGKILL);
    for (int n = 0; n < 6;)
        n += wait_one(client, all, 6);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(all[i].outcome.kind, i < 2 ? OUTCOME_DIED : OUTCOME_OK);
        CHECK_STRING(all[i].outcome.name, i < 2 ? "WorkerLost" : NULL);
        done_clear(&all[i]);
    }
    done_clear(&both[0]);
    done_clear(&both[1]);
    done_clear(&zygote);
    pool_client_free(client);
    check_nothing_left("kill from outside");
}

static void test_cancel(void)
{
    struct pool_client *client = start("1");
    uint8_t hash[32];
    struct error err = {0};
    send_payload(client, "ok", hash);
    struct done all[4] = {{.id = submit(client, hash, "deaf")},
                          {.id = submit(client, hash, "echo waiting")},
                          {.id = submit(client, hash, "flood")},
                          {.id = submit(client, hash, "echo last")}};
    CHECK_OK(pool_client_cancel(client, all[1].id, &err), err);
    CHECK(wait_one(client, all, 4));
    CHECK_INT(all[1].outcome.kind, OUTCOME_INTERRUPTED);
    uint64_t begin = now_ms();
    CHECK_OK(pool_client_cancel(client, all[0].id, &err), err);
    CHECK_OK(pool_client_cancel(client, all[0].id, &err), err);
    CHECK(wait_one(client, all, 4));
    CHECK_INT(all[0].outcome.kind, OUTCOME_INTERRUPTED);
    CHECK_STRING(all[0].outcome.name, "Cancelled");
    CHECK(now_ms() - begin < 1000);
    for (int i = 0; i < 20; i++) /* it does print without end */
        CHECK(!wait_one(client, all, 4));
    CHECK_OK(pool_client_cancel(client, all[2].id, &err), err);
    for (int n = 0; n < 2;)
        n += wait_one(client, all, 4);
    CHECK_INT(all[2].outcome.kind, OUTCOME_INTERRUPTED);
    CHECK_INT(all[3].outcome.kind, OUTCOME_OK);
    CHECK_OK(pool_client_cancel(client, 4711, &err), err); /* nobody's */
    for (int i = 0; i < 4; i++)
        done_clear(&all[i]);
    pool_client_free(client);
    check_nothing_left("cancel");
}

static void test_payloads(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32], other[32], slow[32];
    struct error err = {0};
    struct outcome outcome = {0};
    CHECK_INT(send_payload(client, "refused", hash), OUTCOME_REFUSED);
    CHECK_INT(send_payload(client, "refused", hash), OUTCOME_REFUSED);
    struct done done = run(client, hash, "echo x");
    CHECK_STRING(done.outcome.name, "UnknownPayload");
    done_clear(&done);
    CHECK_INT(send_payload(client, "die", hash), OUTCOME_DIED);
    CHECK_OK(pool_client_payload(client, other, "ok", 2, &outcome, &err), err);
    CHECK_INT(outcome.kind, OUTCOME_REFUSED); /* not its hash */
    outcome_clear(&outcome);
    CHECK_INT(send_payload(client, "slow", slow), OUTCOME_OK);
    /* More payloads than zygotes: the first is asleep by then, and wakes up. */
    for (int i = 0; i < 20; i++) {
        char payload[16];
        snprintf(payload, sizeof(payload), "ok %d", i);
        CHECK_INT(send_payload(client, payload, i ? other : hash), OUTCOME_OK);
    }
    struct done all[3] = {{.id = submit(client, other, "echo 19")},
                          {.id = submit(client, hash, "echo 0")},
                          {.id = submit(client, slow, "echo slow")}};
    for (int n = 0; n < 3;)
        n += wait_one(client, all, 3);
    CHECK_STRING(buffer_string(&all[0].result), "19");
    CHECK_STRING(buffer_string(&all[1].result), "0");
    CHECK_STRING(buffer_string(&all[2].result), "slow");
    for (int i = 0; i < 3; i++)
        done_clear(&all[i]);
    pool_client_free(client);
    check_nothing_left("payloads");
}

static struct pool_event next(struct pool_client *client)
{
    struct pool_event event = {0};
    struct error err = {0};
    while (event.kind == POOL_EVENT_NONE) {
        struct pollfd fds[POOL_CLIENT_FDS];
        int timeout_ms = WAIT_MS;
        size_t n = pool_client_poll(client, fds, &timeout_ms);
        if (!pool_client_sleep(client))
            CHECK(poll(fds, n, timeout_ms) > 0 || timeout_ms < WAIT_MS);
        if (!CHECK_OK(pool_client_next(client, &event, &err), err))
            exit(1);
    }
    return event;
}

static void check_refused(struct pool_client *client, uint32_t id)
{
    struct pool_event event = next(client);
    CHECK_INT(event.id, id);
    CHECK_INT(event.outcome.kind, OUTCOME_REFUSED);
    CHECK_STRING(event.outcome.name, "BadPayload");
    outcome_clear(&event.outcome);
}

static uint32_t post_recipe(struct pool_client *client, const char *word,
                            struct parcel_piece *piece, uint8_t ret_hash[32])
{
    struct recipe recipe = {.payload = word, .payload_size = strlen(word)};
    struct buffer bytes = {0};
    struct error err = {0};
    uint32_t id = 0;
    recipe_add(&recipe.values,
               (struct recipe_piece){.size = piece->blob->size, .hash = piece->hash});
    recipe_write(&recipe, &bytes);
    payload_hash(bytes.data, bytes.size, ret_hash);
    struct blob *blob = blob_take(&bytes);
    CHECK_OK(pool_client_post_payload(client, ret_hash, blob, &id, &err), err);
    blob_unref(blob);
    recipe_clear(&recipe);
    return id;
}

static uint64_t answer(struct pool_client *client, const struct parcel *parcel,
                       uint32_t id)
{
    struct error err = {0};
    uint64_t size = 0;
    struct pool_event event = next(client);
    CHECK(event.kind == POOL_EVENT_PIECES && event.id == id);
    CHECK_OK(pool_client_post_pieces(client, parcel, event.data, event.size, &size, &err),
             err);
    return size;
}

/* Two payloads share a piece that cannot be had: whoever waits is told, a task that came
 * too early as well. It is asked for again then. */
static void test_pieces_that_do_not_come(void)
{
    struct pool_client *client = start("2");
    struct parcel_piece piece = {.blob = blob_new("content", 7)};
    struct parcel empty = {0}, parcel = {.pieces = &piece, .n_pieces = 1};
    struct error err = {0};
    uint8_t hash[32], other[32];
    uint32_t task = 0;
    payload_hash("content", 7, piece.hash);
    uint32_t first = post_recipe(client, "first", &piece, hash);
    uint32_t second = post_recipe(client, "second", &piece, other);
    CHECK_OK(pool_client_post_task(client, hash, "echo x", 6, &task, &err), err);
    CHECK_INT(answer(client, &empty, first), 0);
    check_refused(client, first);
    check_refused(client, task);
    check_refused(client, second);
    second = post_recipe(client, "second", &piece, other);
    CHECK_INT(answer(client, &parcel, second), 7);
    struct pool_event event = next(client);
    CHECK(event.kind == POOL_EVENT_PAYLOAD && event.outcome.kind == OUTCOME_OK);
    outcome_clear(&event.outcome);
    blob_unref(piece.blob);
    pool_client_free(client);
    check_nothing_left("pieces that do not come");
}

/* Large arguments and results both ways at once, nobody reading in between. */
static void test_big(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    struct error err = {0};
    send_payload(client, "ok", hash);
    size_t size = 6u << 20;
    CLEANUP(freep) char *big = must_alloc(size);
    memcpy(big, "size ", 5);
    memset(big + 5, 'x', size - 5);
    struct done all[24] = {0};
    for (int i = 0; i < 24; i++) {
        if (i % 2)
            all[i].id = submit(client, hash, "big 6000000");
        else
            CHECK_OK(pool_client_submit(client, hash, big, size, &all[i].id, &err), err);
    }
    for (int n = 0; n < 24;)
        n += wait_one(client, all, 24);
    for (int i = 0; i < 24; i++) {
        CHECK_INT(all[i].outcome.kind, OUTCOME_OK);
        if (i % 2)
            CHECK_INT(all[i].result.size, 6000000);
        else
            CHECK_STRING(buffer_string(&all[i].result), "6291456");
        done_clear(&all[i]);
    }
    pool_client_free(client);
    check_nothing_left("big");
}

#define MANY 80 /* more than go in files at a time */

static void test_files(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    size_t size = MEMORY_FILE_MIN + 5;
    CLEANUP(freep) char *large = must_alloc(size);
    struct done all[MANY] = {0};
    send_payload(client, "ok", hash);
    memcpy(large, "echo ", 5);
    for (size_t i = 0; i < MANY; i++) {
        memset(large + 5, 'a' + (int)(i % 26), size - 5);
        all[i].id = submit_bytes(client, hash, large, size);
    }
    for (size_t n = 0; n < MANY;)
        n += wait_one(client, all, MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_INT(all[i].outcome.kind, OUTCOME_OK);
        CHECK_INT(all[i].result.size, size - 5);
        CHECK_INT(buffer_string(&all[i].result)[size - 6], 'a' + (int)(i % 26));
        done_clear(&all[i]);
    }
    /* What a task makes of this is no result, and no harm. */
    static const char *const forged[] = {"forge 1000000", "forge-sealed 1000000"};
    for (size_t i = 0; i < 2; i++) {
        struct done done = run(client, hash, forged[i]);
        CHECK_INT(done.outcome.kind, OUTCOME_DIED);
        CHECK_STRING(done.outcome.name, "BadResult");
        done_clear(&done);
        done = run(client, hash, "echo after");
        CHECK_STRING(buffer_string(&done.result), "after");
        done_clear(&done);
    }
    pool_client_free(client);
    check_nothing_left("files");
}

/* Nothing survives: hung tasks, deaf ones, background processes, detached ones. */
static void test_end(void)
{
    struct pool_client *client = start("4");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    struct done left = run(client, hash, "leave");
    done_clear(&left);
    submit(client, hash, "deaf");
    submit(client, hash, "leave");
    submit(client, hash, "sleep 100000");
    struct done done = {.id = submit(client, hash, "say-and-sleep 100000")};
    struct pool_event event;
    struct error err = {0};
    do {
        CHECK_OK(pool_client_wait(client, -1, WAIT_MS, &event, &err), err);
        outcome_clear(&event.outcome);
    } while (event.id != done.id);
    uint64_t begin = now_ms();
    pool_client_free(client);
    CHECK(now_ms() - begin < 2000);
    check_nothing_left("end");
}

/* The pool itself is killed: every open task ends, once, and the client says so. */
static void test_pool_killed(void)
{
    struct pool_client *client = start("2");
    uint8_t hash[32];
    send_payload(client, "ok", hash);
    struct done pid = run(client, hash, "pid");
    int worker, zygote, pool = 0;
    CHECK_INT(sscanf(buffer_string(&pid.result), "%d %d", &worker, &zygote), 2);
    done_clear(&pid);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", zygote);
    FILE *file = fopen(path, "r");
    CHECK(file && fscanf(file, "%*d %*s %*c %d", &pool) == 1 && pool > 1);
    if (file)
        fclose(file);
    struct done all[3] = {0};
    for (int i = 0; i < 3; i++)
        all[i].id = submit(client, hash, "deaf");
    kill(pool, SIGKILL);
    for (int n = 0; n < 3;)
        n += wait_one(client, all, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_STRING(all[i].outcome.name, "PoolLost");
        done_clear(&all[i]);
    }
    struct pool_event event;
    struct error err = {0};
    CHECK_INT(pool_client_wait(client, -1, 1000, &event, &err), -EPIPE);
    CHECK(!pool_client_is_alive(client));
    err = (struct error){0};
    uint32_t id;
    CHECK_INT(pool_client_submit(client, hash, "x", 1, &id, &err), -EPIPE);
    pool_client_free(client);
    check_nothing_left("pool killed");
}

static void test_options(void)
{
    struct pool_client *client = NULL;
    struct error err = {0};
    struct executor_option bad[] = {{"wrokers", "2"}};
    CHECK_INT(pool_client_new(&executor_local, bad, 1, &client, &err), -EINVAL);
    CHECK_STRING(err.text, "executor 'local' has no option '--wrokers'; it has "
                           "--workers, --pin, --memory, --timeout, --prologue, "
                           "--lease, --prestart");
    struct executor_option zero[] = {{"workers", "0"}};
    err = (struct error){0};
    CHECK_INT(pool_client_new(&executor_local, zero, 1, &client, &err), -EINVAL);
    CHECK(client == NULL);
}

/* More job workers than descriptors: they are raised, or there are fewer. */
static void test_few_descriptors(void)
{
    struct rlimit before, few;
    uint8_t hash[32];
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 128;
    setrlimit(RLIMIT_NOFILE, &few);
    struct pool_client *client = start("300");
    CHECK_INT(pool_client_workers(client),
              before.rlim_max < 1456 ? (before.rlim_max - 256) / 4 : 300);
    struct done done[120] = {0};
    send_payload(client, "ok", hash);
    for (int i = 0; i < 120; i++)
        done[i].id = submit(client, hash, "sleep 100");
    uint64_t begin = now_ms();
    for (int n = 0; n < 120;)
        n += wait_one(client, done, 120);
    CHECK(now_ms() - begin < 5000);
    for (int i = 0; i < 120; i++) {
        CHECK_INT(done[i].outcome.kind, OUTCOME_OK);
        done_clear(&done[i]);
    }
    pool_client_free(client);
    setrlimit(RLIMIT_NOFILE, &before);
    check_nothing_left("few descriptors");
}

static void test_wake(void)
{
    struct pool_client *client = start("1");
    uint8_t hash[32];
    struct error err = {0};
    struct pool_event event;
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    send_payload(client, "ok", hash);
    submit(client, hash, "flood");
    CHECK_OK(pool_client_wait(client, ends[0], WAIT_MS, &event, &err), err);
    CHECK_INT(event.kind, POOL_EVENT_OUTPUT);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_OK(pool_client_wait(client, ends[0], WAIT_MS, &event, &err), err);
    CHECK_INT(event.kind, POOL_EVENT_WAKE);
    close(ends[0]);
    close(ends[1]);
    pool_client_free(client);
    check_nothing_left("wake");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ACHAR_POOL FAKE_WORKER\n", argv[0]);
        return 2;
    }
    char *folder = make_folder(argv[1], argv[2]);
    test_options();
    test_round_trip();
    test_output();
    test_two_at_once();
    test_kill_one();
    test_kill_from_outside();
    test_cancel();
    test_payloads();
    test_pieces_that_do_not_come();
    test_big();
    test_files();
    test_end();
    test_pool_killed();
    test_few_descriptors();
    test_wake();
    remove_folder(folder);
    return check_status();
}
