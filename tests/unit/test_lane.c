/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Both sides of a lane in one process: tasks that are begun, finished and taken back, and
 * when the worker has to wake a pool that waits for several results. */
#include "kernel/peer/lane.h"

#include <stdlib.h>

#include "tests/unit/check.h"

struct sides {
    struct lane *pool;
    struct lane_shared *worker;
};

static struct sides sides_new(void)
{
    int fd;
    struct sides sides = {.worker = lane_new(&fd)};
    if (sides.worker)
        sides.pool = lane_open(fd);
    if (!CHECK(sides.pool != NULL))
        exit(check_status());
    return sides;
}

static void sides_clear(struct sides *sides)
{
    lane_free(sides->pool);
    lane_unmap(sides->worker);
}

static uint32_t send_task(struct sides *sides, uint32_t id)
{
    uint32_t place;
    CHECK(lane_send(sides->pool, id, &id, sizeof(id), &place));
    return place;
}

/* The next task, which has this id; its result says the same. */
static void run(struct sides *sides, uint32_t id)
{
    uint32_t taken;
    const void *data;
    size_t size;
    if (!CHECK(lane_take(sides->worker, &taken, &data, &size)))
        return;
    CHECK_INT(taken, id);
    CHECK(size == sizeof(id) && memcmp(data, &id, size) == 0);
    CHECK(lane_answer(sides->worker, taken, data, size));
    lane_finish(sides->worker);
}

/* The results that are there begin with this id. */
static size_t take_all(struct sides *sides, uint32_t id)
{
    uint32_t taken;
    const void *data;
    size_t size, n = 0;
    while (lane_receive(sides->pool, &taken, &data, &size)) {
        CHECK_INT(taken, id + n);
        n++;
    }
    return n;
}

/* Woken at the first result, as somebody may wait for it. */
static void test_one(void)
{
    struct sides sides = sides_new();
    send_task(&sides, 1);
    send_task(&sides, 2);
    CHECK(!lane_has_results(sides.pool, 1));
    CHECK(!lane_sleep(sides.pool, 1));
    CHECK(!lane_must_wake_pool(sides.worker));
    run(&sides, 1);
    CHECK(lane_must_wake_pool(sides.worker));
    CHECK(!lane_must_wake_pool(sides.worker)); /* once */
    CHECK(lane_has_results(sides.pool, 1));
    CHECK_INT(take_all(&sides, 1), 1);
    run(&sides, 2);
    CHECK(!lane_must_wake_pool(sides.worker)); /* it is awake */
    CHECK(lane_sleep(sides.pool, 1));
    lane_awake(sides.pool);
    CHECK_INT(take_all(&sides, 2), 1);
    sides_clear(&sides);
}

static void test_several(void)
{
    struct sides sides = sides_new();
    for (uint32_t id = 1; id <= 7; id++)
        send_task(&sides, id);
    for (uint32_t first = 1; first < 7; first += 3) {
        CHECK(!lane_sleep(sides.pool, 3));
        for (uint32_t id = first; id < first + 2; id++) {
            run(&sides, id);
            CHECK(!lane_must_wake_pool(sides.worker));
            CHECK(!lane_has_results(sides.pool, 3));
            CHECK(lane_has_results(sides.pool, 1));
        }
        run(&sides, first + 2);
        CHECK(lane_has_results(sides.pool, 3));
        CHECK(lane_must_wake_pool(sides.worker));
        CHECK_INT(take_all(&sides, first), 3);
    }
    CHECK(!lane_sleep(sides.pool, 3));
    run(&sides, 7); /* the last one: more will not come */
    CHECK(lane_has_results(sides.pool, 3));
    CHECK(lane_must_wake_pool(sides.worker));
    CHECK_INT(take_all(&sides, 7), 1);
    sides_clear(&sides);
}

/* What is left was taken back: the worker finds nothing, and tells. */
static void test_taken_back(void)
{
    struct sides sides = sides_new();
    uint32_t id, places[4];
    const void *data;
    size_t size;
    for (uint32_t i = 0; i < 4; i++)
        places[i] = send_task(&sides, i + 1);
    CHECK(!lane_sleep(sides.pool, 3));
    run(&sides, 1);
    CHECK(!lane_must_wake_pool(sides.worker));
    CHECK(!lane_revoke(sides.pool, places[0]));
    for (uint32_t i = 1; i < 4; i++)
        CHECK(lane_revoke(sides.pool, places[i]));
    CHECK(!lane_take(sides.worker, &id, &data, &size));
    CHECK(lane_must_wake_pool(sides.worker));
    CHECK_INT(take_all(&sides, 1), 1);
    sides_clear(&sides);
}

/* Counters that user code has written over cost a look at most. */
static void test_damaged(void)
{
    struct sides sides = sides_new();
    send_task(&sides, 1);
    send_task(&sides, 2);
    memset(sides.worker, 0xff, 256);
    run(&sides, 1);
    CHECK(!lane_sleep(sides.pool, 4) || lane_has_results(sides.pool, 4));
    run(&sides, 2);
    CHECK(lane_has_results(sides.pool, 1));
    CHECK_INT(take_all(&sides, 1), 2);
    sides_clear(&sides);
}

int main(void)
{
    test_one();
    test_several();
    test_taken_back();
    test_damaged();
    return check_status();
}
