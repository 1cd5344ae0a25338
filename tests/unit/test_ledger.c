/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define SIZE 512
#define PAIR (sizeof(int) + sizeof(double)) /* bytes of one element of both arrays */

static int ints[10];
static double doubles[10];

static struct ledger open_ledger(void *memory, size_t size, struct ledger_out *outs,
                                 uint64_t count, bool is_flat)
{
    outs[0] = (struct ledger_out){.from = (const char *)ints, .size = sizeof(*ints)};
    outs[1] =
        (struct ledger_out){.from = (const char *)doubles, .size = sizeof(*doubles)};
    struct ledger ledger = {.outs = outs, .n_outs = 2};
    ledger_begin(&ledger, memory, size, 7, count, is_flat);
    return ledger;
}

static void test_results_outlive_what_computed_them(void *memory)
{
    struct ledger_out outs[2];
    struct ledger ledger = open_ledger(memory, SIZE, outs, 10, true);
    struct ledger_entry left;
    for (int i = 0; i < 4; i++) {
        ints[i] = i;
        doubles[i] = i / 2.0;
        ledger_step(&ledger);
    }
    CHECK(ledger_read(memory, SIZE, PAIR, &left));
    CHECK(left.task == 7 && left.count == 10 && left.n_done == 4 && left.values);
    CHECK(memcmp(left.values, ints, 4 * sizeof(*ints)) == 0);
    CHECK(memcmp(left.values + 10 * sizeof(*ints), doubles, 4 * sizeof(*doubles)) == 0);
    for (int i = 0; i < 20; i++) /* code of users may call it too often */
        ledger_step(&ledger);
    CHECK(ledger_read(memory, SIZE, PAIR, &left) && left.n_done == 10);
    ledger_end(&ledger);
    CHECK(!ledger_read(memory, SIZE, PAIR, &left));
}

static void test_what_does_not_fit_is_only_counted(void *memory, size_t size,
                                                   bool is_flat)
{
    struct ledger_out outs[2];
    struct ledger ledger = open_ledger(memory, size, outs, 10, is_flat);
    struct ledger_entry left;
    ledger_step(&ledger);
    CHECK(ledger_read(memory, size, PAIR, &left) && left.n_done == 1 && !left.values);
    ledger_end(&ledger);
}

/* What is read there was written by a process that ran code of users. */
static void test_nonsense_is_not_believed(void *memory)
{
    struct ledger_out outs[2];
    struct ledger ledger = open_ledger(memory, SIZE, outs, 10, true);
    struct ledger_entry left;
    ledger_step(&ledger);
    CHECK(ledger_read(memory, SIZE, SIZE_MAX / 2, &left) && !left.values);
    CHECK(ledger_read(memory, SIZE, SIZE, &left) && !left.values);
    memset(memory, 0xff, SIZE);
    CHECK(!ledger_read(memory, SIZE, PAIR, &left) || !left.values);
    memset(memory, 0, SIZE);
}

int main(void)
{
    void *memory = aligned_alloc(64, SIZE);
    memset(memory, 0, SIZE);
    test_results_outlive_what_computed_them(memory);
    test_what_does_not_fit_is_only_counted(memory, 128, true);
    test_what_does_not_fit_is_only_counted(memory, SIZE, false);
    test_nonsense_is_not_believed(memory);
    free(memory);
    return check_status();
}
