/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_ranks N LIBRARY LAUNCHER...: N cells that do nothing on two ranks that the
 * launcher starts, one after the other, each a unit that is loaded and run. Prints the
 * median of a round trip at the executor in seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/peer/protocol.h"
#include "kernel/plan/plan.h"
#include "magics/executors/ranks_client.h"
#include "pickler/code/tcc.h"
#include "tests/bench/measure.h"

#define WARM_UP 50
#define CELLS_MAX 100000
#define N_RANKS 2

/* The WORKER_RUN of a cell with one empty statement. */
static void make_request(struct buffer *ret)
{
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CLEANUP(buffer_clear) struct buffer packed = {0};
    struct error err = {0};
    char *runs[] = {(char *)"__s1"};
    struct plan plan = {.cell = 1,
                        .types_from = 1,
                        .text = (char *)"void __s1(void) {}\n",
                        .runs = runs,
                        .n_runs = 1};
    if (tcc_compile(plan.text, NULL, 0, &compiled, &err) < 0 || !compiled.is_ok)
        fail("the cell does not compile", err.text);
    plan_pack(&plan, &packed);
    pack_bytes(ret, packed.data, packed.size);
    pack_bytes(ret, compiled.object.data, compiled.object.size);
    pack_u64(ret, 0);
}

static double run_once(struct ranks_client *client, const struct buffer *request)
{
    struct rank_answers answers = {0};
    struct error err = {0};
    double start = now();
    if (ranks_client_ask(client, RANKS_ALL, WORKER_RUN, request, NULL, &answers, &err) <
        0)
        fail("a cell failed", err.text);
    double seconds = now() - start;
    if (answers.first != SIZE_MAX)
        fail("a cell failed", answers.at[answers.first].outcome.message);
    rank_answers_clear(&answers);
    return seconds;
}

int main(int argc, char **argv)
{
    CLEANUP(buffer_clear) struct buffer request = {0};
    struct ranks_client *client = NULL;
    struct error err = {0};
    uint32_t world;
    size_t n = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
    if (!n || n > CELLS_MAX) {
        fprintf(stderr, "usage: bench_ranks N LIBRARY LAUNCHER...\n");
        return 2;
    }
    struct ranks_command command = {
        .words = argv + 3, .n_words = (size_t)argc - 3, .n = N_RANKS};
    if (ranks_client_new(&command, argv[2], &client, &err) < 0 ||
        ranks_client_ready(client, NULL, &world, &err) < 0)
        fail("the ranks do not start", err.text);
    make_request(&request);
    CLEANUP(freep) double *seconds = must_alloc(n * sizeof(*seconds));
    for (size_t i = 0; i < WARM_UP; i++)
        run_once(client, &request);
    for (size_t i = 0; i < n; i++)
        seconds[i] = run_once(client, &request);
    printf("%.9f\n", median(seconds, n));
    ranks_client_free(client);
    return 0;
}
