/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Crews: tasks on several pools, whatever happens to these: every task ends once. */
#include "magics/executors/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "tests/executors/pool_test.h"

#define TASKS 400
/* 7 at a pool that has 5 ms of work ahead, of which the time is an estimate. */
#define LOST_MAX 21
/* Seconds; long enough for a machine with much else to do. */
#define LEASE (IS_ASAN ? 5 : 2)
#define LEASE_TEXT (IS_ASAN ? "5" : "2")

static struct crew *start_crew(const struct executor_type *type,
                               const struct executor_option *options, size_t n)
{
    struct crew *crew = NULL;
    struct error err = {0};
    if (!CHECK_OK(crew_new(type, options, n, &crew, &err), err))
        exit(1);
    return crew;
}

/* Two pools of two workers behind pipes, with short leases. */
static struct crew *start_two(void)
{
    struct executor_option options[] = {
        {"pools", "2"}, {"workers", "2"}, {"lease", LEASE_TEXT}, {"", "{pool}"}};
    return start_crew(&executor_command, options, 4);
}

static void load(struct crew *crew, const char *payload, uint8_t hash[32])
{
    struct outcome outcome = {0};
    struct error err = {0};
    payload_hash(payload, strlen(payload), hash);
    crew_payload(crew, hash, payload, strlen(payload));
    if (CHECK_INT(crew_load(crew, hash, -1, WAIT_MS, &outcome, &err), 1))
        CHECK_INT(outcome.kind, OUTCOME_OK);
    else
        fprintf(stderr, "  %s\n", err.text);
    outcome_clear(&outcome);
}

static void wait_for_pools(struct crew *crew, unsigned n)
{
    struct pool_event event;
    for (uint64_t end = now_ms() + WAIT_MS; crew_pools(crew) < n && now_ms() < end;)
        CHECK_INT(crew_wait(crew, NULL, -1, 20, &event, NULL), 0);
    CHECK_INT(crew_pools(crew), n);
}

static uint32_t submit(struct crew *crew, const uint8_t hash[32], const char *text,
                       unsigned retries)
{
    uint32_t id = 0;
    struct error err = {0};
    struct crew_task_options options = {.retries = retries};
    CHECK_OK(crew_submit(crew, hash, text, strlen(text), &options, &id, &err), err);
    return id;
}

/* The next result; its outcome is the caller's. */
static struct pool_event next_result(struct crew *crew)
{
    struct pool_event event;
    struct error err = {0};
    do
        if (!CHECK_OK(crew_wait(crew, NULL, -1, 3 * WAIT_MS, &event, &err), err) ||
            !CHECK(event.kind != POOL_EVENT_NONE))
            exit(1);
    while (event.kind != POOL_EVENT_RESULT);
    return event;
}

static void run_pid(struct crew *crew, const uint8_t hash[32], int *worker, int *zygote)
{
    submit(crew, hash, "pid", 0);
    struct pool_event event = next_result(crew);
    CLEANUP(freep) char *text = must_strndup(event.data, event.size);
    CHECK_INT(sscanf(text, "%d %d", worker, zygote), 2);
    outcome_clear(&event.outcome);
}

static int parent_of(int pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    CHECK(file && fscanf(file, "%*d %*s %*c %d", &parent) == 1 && parent > 1);
    if (file)
        fclose(file);
    return parent;
}

/* The pool of whichever host answers. */
static int some_pool(struct crew *crew, const uint8_t hash[32])
{
    int worker, zygote;
    run_pid(crew, hash, &worker, &zygote);
    return parent_of(zygote);
}

struct count {
    unsigned ended[TASKS]; /* by number */
    unsigned good, lost;
};

/* Task i answers i; ids were given in order from `first`. */
static void take_one(struct crew *crew, uint32_t first, struct count *count)
{
    struct pool_event event = next_result(crew);
    uint32_t i = event.id - first;
    if (!CHECK(i < TASKS))
        exit(1);
    count->ended[i]++;
    if (event.outcome.kind == OUTCOME_OK) {
        CLEANUP(freep) char *text = must_strndup(event.data, event.size);
        CHECK_INT(strtol(text, NULL, 10), i);
        CHECK(event.host != NULL);
        count->good++;
    } else if (CHECK_INT(event.outcome.kind, OUTCOME_DIED)) {
        CHECK_STRING(event.outcome.name, POOL_LOST);
        count->lost++;
    }
    outcome_clear(&event.outcome);
}

/* All tasks, while `harm` happens to one of two pools after some. */
static void test_harm(int signal, unsigned retries, unsigned lost_max)
{
    uint8_t hash[32];
    struct count count = {0};
    struct crew *crew = start_two();
    load(crew, "ok", hash);
    wait_for_pools(crew, 2);
    int pool = some_pool(crew, hash);
    uint32_t first = 0;
    for (int i = 0; i < TASKS; i++) {
        CLEANUP(freep) char *text = must_format("spin %d", i);
        uint32_t id = submit(crew, hash, text, retries);
        first = i ? first : id;
    }
    for (int n = 0; n < TASKS; n++) {
        if (n == TASKS / 4)
            kill(pool, signal);
        take_one(crew, first, &count);
    }
    for (int i = 0; i < TASKS; i++)
        CHECK_INT(count.ended[i], 1);
    CHECK(count.lost <= lost_max);
    CHECK_INT(count.good + count.lost, TASKS);
    struct pool_event event;
    CHECK_INT(crew_wait(crew, NULL, -1, 50, &event, NULL), 0);
    CHECK_INT(event.kind, POOL_EVENT_NONE);
    crew_free(crew);
    kill(pool, SIGKILL); /* one that was stopped takes its workers along then */
    check_nothing_left("a pool was harmed");
}

/* What one of two pools says is held back from some moment on, results too, while it goes
 * on with what it was given: no task may begin twice. */
static void test_held_back(const char *folder)
{
    CLEANUP(freep) char *path = must_format("%s/begun", folder);
    CLEANUP(freep)
    char *command = must_format("if mkdir %s/held 2>/dev/null; then {pool} {arguments} | "
                                "(dd bs=1 count=4000 status=none; exec "
                                "sleep 1000); else exec {pool} {arguments}; fi",
                                folder);
    struct executor_option options[] = {
        {"pools", "2"}, {"workers", "2"}, {"lease", LEASE_TEXT},
        {"", "sh"},     {"", "-c"},       {"", command}};
    struct crew *crew = start_crew(&executor_command, options, 6);
    uint8_t hash[32];
    struct count count = {0};
    uint32_t first = 0;
    load(crew, "ok", hash);
    wait_for_pools(crew, 2);
    for (int i = 0; i < TASKS; i++) {
        CLEANUP(freep) char *text = must_format("note %s %d", path, i);
        uint32_t id = submit(crew, hash, text, 0);
        first = i ? first : id;
    }
    for (int n = 0; n < TASKS; n++)
        take_one(crew, first, &count);
    crew_free(crew);
    unsigned begun[TASKS] = {0};
    FILE *file = fopen(path, "re");
    for (int i; CHECK(file != NULL) && fscanf(file, "%d", &i) == 1;)
        if (CHECK(i >= 0 && i < TASKS))
            CHECK_INT(++begun[i], 1);
    if (file)
        fclose(file);
    CHECK(count.lost > 0 && count.lost <= 12);
    CHECK_INT(count.good + count.lost, TASKS);
    check_nothing_left("a pool's words were held back");
    CLEANUP(freep) char *held = must_format("%s/held", folder);
    CHECK_INT(rmdir(held), 0);
    CHECK_INT(unlink(path), 0);
}

/* The front dies of SIGKILL while its tasks sleep, ignore signals, have left processes
 * behind, or are stopped: nothing is left of it anywhere. */
static void test_front_killed(bool is_local)
{
    int ready[2];
    char byte;
    CHECK_INT(pipe(ready), 0);
    pid_t front = fork();
    if (front == 0) {
        uint8_t hash[32];
        int worker, zygote;
        struct executor_option two[] = {{"workers", "4"}};
        struct crew *crew = is_local ? start_crew(&executor_local, two, 1) : start_two();
        load(crew, "ok", hash);
        run_pid(crew, hash, &worker, &zygote);
        submit(crew, hash, "leave", 0);
        struct pool_event left = next_result(crew);
        outcome_clear(&left.outcome);
        submit(crew, hash, "deaf", 0);
        submit(crew, hash, "say-and-sleep 1000000", 0);
        struct pool_event event;
        do
            if (crew_wait(crew, NULL, -1, WAIT_MS, &event, NULL) < 0)
                _exit(1);
        while (event.kind != POOL_EVENT_OUTPUT);
        kill(zygote, SIGSTOP);
        CHECK_INT(write(ready[1], "x", 1), 1);
        pause();
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill(front, SIGKILL);
    CHECK_INT(waitpid(front, NULL, 0), front);
    check_nothing_left(is_local ? "a killed front, local" : "a killed front, command");
}

/* A front that only stops: the pools behind a launcher end after their lease, and when it
 * goes on it says so. */
static void test_front_stopped(void)
{
    int ready[2];
    char byte = 0;
    CHECK_INT(pipe(ready), 0);
    pid_t front = fork();
    if (front == 0) {
        uint8_t hash[32];
        struct crew *crew = start_two();
        load(crew, "ok", hash);
        wait_for_pools(crew, 2);
        submit(crew, hash, "deaf", 0);
        CHECK_INT(write(ready[1], "x", 1), 1);
        struct pool_event event = next_result(crew);
        bool is_lost = event.outcome.kind == OUTCOME_DIED;
        outcome_clear(&event.outcome);
        CHECK_INT(write(ready[1], is_lost ? "l" : "?", 1), 1);
        crew_free(crew);
        _exit(0);
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    uint64_t sum;
    kill(front, SIGSTOP);
    int left = 2;
    for (uint64_t end = now_ms() + 3 * WAIT_MS;
         (left = count_processes(&sum)) > 1 && now_ms() < end;)
        usleep(20000);
    CHECK(left <= 1); /* the front itself, and children that it has not reaped */
    kill(front, SIGCONT);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    CHECK_INT(byte, 'l');
    close(ready[0]);
    CHECK_INT(waitpid(front, NULL, 0), front);
    check_nothing_left("a stopped front");
}

static bool is_there(int pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

/* Nothing goes through any more and nothing is closed: both sides end within their lease,
 * each by itself, tasks end once, and another pool takes the next one. */
static void test_cut_cable(const char *cable)
{
    uint8_t hash[32];
    int worker, zygote;
    CLEANUP(freep) char *scissors = must_format("%s/cut", getenv("ACHAR_LIBEXEC"));
    struct executor_option options[] = {{"workers", "2"},
                                        {"lease", LEASE_TEXT},
                                        {"", cable},
                                        {"", scissors},
                                        {"", "{pool}"}};
    struct crew *crew = start_crew(&executor_command, options, 5);
    load(crew, "ok", hash);
    run_pid(crew, hash, &worker, &zygote);
    int pool = parent_of(zygote);
    uint32_t ids[] = {submit(crew, hash, "deaf", 0),
                      submit(crew, hash, "say-and-sleep 1000000", 0)};
    struct pool_event event;
    do
        CHECK_INT(crew_wait(crew, NULL, -1, WAIT_MS, &event, NULL), 0);
    while (event.kind == POOL_EVENT_OUTPUT && event.id != ids[1]);
    CHECK_INT(event.kind, POOL_EVENT_OUTPUT);
    int fd = open(scissors, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    for (int i = 0; i < 2; i++) {
        event = next_result(crew);
        CHECK(event.id == ids[0] || event.id == ids[1]);
        CHECK_INT(event.outcome.kind, OUTCOME_DIED);
        CHECK_STRING(event.outcome.name, POOL_LOST);
        outcome_clear(&event.outcome);
    }
    for (uint64_t end = now_ms() + 3 * WAIT_MS; is_there(pool) && now_ms() < end;)
        CHECK_INT(crew_wait(crew, NULL, -1, 20, &event, NULL), 0);
    CHECK(!is_there(pool) && !is_there(zygote));
    close(fd);
    run_pid(crew, hash, &worker, &zygote);
    crew_free(crew);
    check_nothing_left("a cut cable");
}

/* A launcher that holds a pool's input open says nothing of whether a front is there. */
static void test_front_that_never_speaks(const char *pool)
{
    int input[2];
    CHECK_INT(pipe(input), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(input[0], 0);
        close(input[1]);
        execl(pool, pool, "--stdio", "mark", "--first-ms", "300", NULL);
        _exit(127);
    }
    close(input[0]);
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 127);
    close(input[1]);
    check_nothing_left("a front that never spoke");
}

/* A hundred megabytes are on their way: a running task is cancelled, and the lease holds.
 */
static void test_cancel_beside_data(void)
{
    uint8_t hash[32];
    struct executor_option options[] = {
        {"workers", "2"}, {"lease", IS_ASAN ? "30" : "5"}, {"", "{pool}"}};
    struct crew *crew = start_crew(&executor_command, options, 3);
    struct error err = {0};
    size_t size = 100u << 20;
    CLEANUP(freep) char *big = must_alloc(size);
    memcpy(big, "size ", 5);
    load(crew, "ok", hash);
    uint32_t sleeper = submit(crew, hash, "say-and-sleep 1000000", 0), id = 0;
    struct pool_event event;
    CHECK_OK(crew_wait(crew, NULL, -1, WAIT_MS, &event, &err), err);
    CHECK_INT(event.kind, POOL_EVENT_OUTPUT);
    CHECK_OK(crew_submit(crew, hash, big, size, NULL, &id, &err), err);
    crew_cancel(crew, sleeper);
    event = next_result(crew);
    CHECK_INT(event.id, sleeper);
    CHECK_INT(event.outcome.kind, OUTCOME_INTERRUPTED);
    outcome_clear(&event.outcome);
    event = next_result(crew);
    CHECK_INT(event.id, id);
    CHECK_INT(event.outcome.kind, OUTCOME_OK);
    CLEANUP(freep) char *text = must_strndup(event.data, event.size);
    CHECK_STRING(text, "104857600");
    outcome_clear(&event.outcome);
    submit(crew, hash, "big 100000000", 0);
    event = next_result(crew);
    CHECK_INT(event.size, 100000000);
    outcome_clear(&event.outcome);
    crew_free(crew);
    check_nothing_left("large data");
}

/* Nobody waits for longer than a lease: the crew keeps its pools, and what they said. */
static void test_idle(void)
{
    uint8_t hash[32];
    int worker, zygote;
    struct crew *crew = start_two();
    load(crew, "ok", hash);
    run_pid(crew, hash, &worker, &zygote);
    int pool = parent_of(zygote);
    uint32_t id = submit(crew, hash, "say-and-sleep 100", 0);
    struct pollfd news = {.fd = crew_fd(crew), .events = POLLIN};
    CHECK_INT(poll(&news, 1, WAIT_MS), 1);
    sleep(LEASE + 1);
    struct pool_event event;
    CHECK_INT(crew_wait(crew, NULL, -1, 0, &event, NULL), 0);
    CHECK_INT(event.kind, POOL_EVENT_OUTPUT);
    CHECK_INT(event.id, id);
    CHECK_INT(crew_wait(crew, NULL, -1, WAIT_MS, &event, NULL), 0);
    CHECK_INT(event.kind, POOL_EVENT_RESULT);
    outcome_clear(&event.outcome);
    CHECK_INT(poll(&news, 1, 0), 0);
    run_pid(crew, hash, &worker, &zygote);
    CHECK_INT(kill(pool, 0), 0);
    CHECK_INT(crew_pools(crew), 2);
    crew_free(crew);
    check_nothing_left("idle");
}

/* Events go to who asks for them; a cancelled task that waits ends at once. */
static void test_owners(void)
{
    uint8_t hash[32];
    int mine, yours;
    uint32_t ids[6];
    struct executor_option one[] = {{"workers", "1"}};
    struct crew *crew = start_crew(&executor_local, one, 1);
    load(crew, "ok", hash);
    for (int i = 0; i < 6; i++) {
        struct crew_task_options options = {.owner = i % 2 ? &mine : &yours};
        CHECK_INT(crew_submit(crew, hash, "echo x", 6, &options, &ids[i], NULL), 0);
    }
    struct pool_event event;
    for (int i = 1; i < 6; i += 2) {
        CHECK_INT(crew_wait(crew, &mine, -1, WAIT_MS, &event, NULL), 0);
        CHECK_INT(event.kind, POOL_EVENT_RESULT);
        CHECK(event.tag == &mine);
        CHECK_INT(event.id, ids[i]);
        outcome_clear(&event.outcome);
    }
    for (int i = 0; i < 6; i += 2) {
        CHECK_INT(crew_wait(crew, &yours, -1, WAIT_MS, &event, NULL), 0);
        CHECK_INT(event.id, ids[i]);
        outcome_clear(&event.outcome);
    }
    for (int i = 0; i < 6; i++)
        ids[i] = submit(crew, hash, "deaf", 0);
    for (int i = 5; i >= 0; i--)
        crew_cancel(crew, ids[i]);
    for (int i = 0; i < 6; i++) {
        event = next_result(crew);
        CHECK_INT(event.outcome.kind, OUTCOME_INTERRUPTED);
        outcome_clear(&event.outcome);
    }
    crew_free(crew);
    check_nothing_left("owners");
}

/* Tasks that kill their worker are started again as often as was said, and no more. */
static void test_retries(void)
{
    uint8_t hash[32];
    struct executor_option one[] = {{"workers", "1"}};
    struct crew *crew = start_crew(&executor_local, one, 1);
    unsigned n_outputs = 0;
    struct pool_event event;
    load(crew, "ok", hash);
    submit(crew, hash, "kill 9", 2);
    do {
        CHECK_INT(crew_wait(crew, NULL, -1, WAIT_MS, &event, NULL), 0);
        n_outputs += event.kind == POOL_EVENT_OUTPUT;
    } while (event.kind == POOL_EVENT_OUTPUT);
    CHECK_INT(event.kind, POOL_EVENT_RESULT);
    CHECK_INT(event.outcome.kind, OUTCOME_DIED);
    CHECK_STRING(event.outcome.name, "SIGKILL");
    CHECK_INT(n_outputs, 3);
    outcome_clear(&event.outcome);
    crew_free(crew);
}

/* What only some pools refuse runs on the others, whoever answers first. */
static void test_refusal_of_one(void)
{
    uint8_t hash[32];
    struct crew *crew = start_two();
    wait_for_pools(crew, 2);
    CLEANUP(freep) char *path = must_strdup("/tmp/achar-crew-XXXXXX");
    close(mkstemp(path));
    CLEANUP(freep) char *payload = must_format("first %s", path);
    for (int round = 0; round < 2; round++) {
        load(crew, payload, hash); /* only the first round's is new */
        for (int i = 0; i < 20; i++)
            submit(crew, hash, "echo 1", 0);
        for (int i = 0; i < 20; i++) {
            struct pool_event event = next_result(crew);
            CHECK_INT(event.outcome.kind, OUTCOME_OK);
            outcome_clear(&event.outcome);
        }
    }
    CHECK(access(path, F_OK) < 0);
    crew_free(crew);
    check_nothing_left("refusal of one");
}

/* A payload that is refused, and commands that are no pools. */
static void test_refusals(void)
{
    uint8_t hash[32];
    struct outcome outcome = {0};
    struct error err = {0};
    struct crew *crew = start_two();
    payload_hash("refused", 7, hash);
    crew_payload(crew, hash, "refused", 7);
    CHECK_INT(crew_load(crew, hash, -1, WAIT_MS, &outcome, &err), 1);
    CHECK_INT(outcome.kind, OUTCOME_REFUSED);
    CHECK_STRING(outcome.name, "Refused");
    outcome_clear(&outcome);
    crew_payload(crew, hash, "refused", 7);
    submit(crew, hash, "echo 1", 0);
    struct pool_event event = next_result(crew);
    CHECK_INT(event.outcome.kind, OUTCOME_REFUSED);
    outcome_clear(&event.outcome);
    crew_free(crew);
    struct executor_option none[] = {
        {"", "sh"}, {"", "-c"}, {"", "echo oops >&2; exit 3"}};
    crew = start_crew(&executor_command, none, 3);
    crew_payload(crew, hash, "refused", 7);
    CHECK_INT(crew_load(crew, hash, -1, 3 * WAIT_MS, &outcome, &err), -EPIPE);
    CHECK_STRING(err.text, "command 1: oops");
    CHECK(!crew_is_alive(crew));
    crew_free(crew);
    struct executor_option missing[] = {{"", "/there/is/no/such"}};
    err = (struct error){0};
    CHECK_INT(crew_new(&executor_command, missing, 1, &crew, &err), -EPIPE);
    CHECK(strstr(err.text, "cannot start '/there/is/no/such'") != NULL);
    err = (struct error){0};
    CHECK_INT(crew_new(&executor_command, missing, 0, &crew, &err), -EINVAL);
    check_nothing_left("refusals");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ACHAR_POOL FAKE_WORKER CABLE\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    const char *folder = make_folder(argv[1], argv[2]);
    test_owners();
    test_retries();
    test_refusals();
    test_refusal_of_one();
    test_idle();
    test_held_back(folder);
    test_harm(SIGKILL, 0, LOST_MAX);
    test_harm(SIGKILL, 3, 0);
    test_harm(SIGSTOP, 0, LOST_MAX);
    test_front_killed(true);
    test_front_killed(false);
    test_front_stopped();
    test_front_that_never_speaks(argv[1]);
    test_cut_cable(argv[3]);
    test_cancel_beside_data();
    remove_folder(folder);
    return check_status();
}
