/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_call N: N calls of one payload on the executor `local`, one after the other, then
 * N pipelined. Prints the median of a round trip in seconds, the calls a second, and the
 * medians of a call that needs a new job worker, because each ends its own, and of the
 * first call of a payload that the pool has not seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "magics/executors/pool_client.h"
#include "pickler/payload/payload.h"

#define WARM_UP 20
#define COLD 15
#define CALLS_MAX 1000000
#define IN_FLIGHT 64 /* calls sent ahead of their results */
#define WAIT_MS 10000

static const char entry_text[] = "static int offset = 1;\n"
                                 "static int f(int x) { return x + offset; }\n"
                                 "int achar_value;\n"
                                 "void achar_entry(void) { achar_value = f(3); }\n";

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_call: %s: %s\n", what, why ? why : "");
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* It makes a system call, so that no other task starts from what it leaves. */
static const char ending_text[] = "#include <unistd.h>\nint achar_value;\n"
                                  "void achar_entry(void) { achar_value = getppid(); }\n";

static void make_payload(const char *text, struct buffer *ret)
{
    struct error err = {0};
    struct payload payload = {.entry = PAYLOAD_CALL, .entry_text = (char *)text};
    types_init(&payload.types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    payload.value_type = types_add(&payload.types, &integer);
    if (payload_pack(&payload, ret, &err) < 0)
        fail("payload", err.text);
    types_clear(&payload.types);
}

static void submit(struct pool_client *client, const uint8_t hash[32])
{
    struct error err = {0};
    uint32_t id;
    if (pool_client_submit(client, hash, "", 0, &id, &err) < 0)
        fail("submit", err.text);
}

static void take_result(struct pool_client *client)
{
    struct error err = {0};
    struct pool_event event = {.kind = POOL_EVENT_NONE};
    while (event.kind != POOL_EVENT_RESULT)
        if (pool_client_wait(client, -1, WAIT_MS, &event, &err) < 0)
            fail("wait", err.text);
    if (event.outcome.kind != OUTCOME_OK)
        fail("a call failed", event.outcome.message);
    outcome_clear(&event.outcome);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double round_trip(struct pool_client *client, const uint8_t hash[32], size_t n)
{
    CLEANUP(freep) double *seconds = must_alloc(n * sizeof(*seconds));
    for (size_t i = 0; i < n; i++) {
        double start = now();
        submit(client, hash);
        take_result(client);
        seconds[i] = now() - start;
    }
    qsort(seconds, n, sizeof(*seconds), compare);
    return seconds[n / 2];
}

static double pipelined(struct pool_client *client, const uint8_t hash[32], size_t n)
{
    size_t sent = 0;
    double start = now();
    for (size_t done = 0; done < n; done++) {
        for (; sent < n && sent - done < IN_FLIGHT; sent++)
            submit(client, hash);
        take_result(client);
    }
    return (double)n / (now() - start);
}

static void send_payload(struct pool_client *client, const char *text,
                         uint8_t ret_hash[PAYLOAD_HASH_SIZE])
{
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer payload = {0};
    make_payload(text, &payload);
    payload_hash(payload.data, payload.size, ret_hash);
    struct outcome outcome = {0};
    if (pool_client_payload(client, ret_hash, payload.data, payload.size, &outcome,
                            &err) < 0)
        fail("payload", err.text);
    if (outcome.kind != OUTCOME_OK)
        fail("payload", outcome.message);
    outcome_clear(&outcome);
}

/* Each has another constant, and so another hash. */
static double first_call(struct pool_client *client)
{
    double seconds[COLD];
    for (size_t i = 0; i < COLD; i++) {
        uint8_t hash[PAYLOAD_HASH_SIZE];
        CLEANUP(freep)
        char *text = must_format("int achar_value;\n"
                                 "void achar_entry(void) { achar_value = %zu; }\n",
                                 i);
        nanosleep(&(struct timespec){0, 20000000}, NULL); /* the pool is at rest again */
        double start = now();
        send_payload(client, text, hash);
        submit(client, hash);
        take_result(client);
        seconds[i] = now() - start;
    }
    qsort(seconds, COLD, sizeof(*seconds), compare);
    return seconds[COLD / 2];
}

int main(int argc, char **argv)
{
    size_t n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (n == 0 || n > CALLS_MAX)
        fail("usage", "bench_call N");
    struct error err = {0};
    uint8_t hash[PAYLOAD_HASH_SIZE];
    CLEANUP(pool_client_freep) struct pool_client *client = NULL;
    if (pool_client_new(&executor_local, NULL, 0, &client, &err) < 0)
        fail("pool", err.text);
    send_payload(client, entry_text, hash);
    round_trip(client, hash, WARM_UP);
    double warm = round_trip(client, hash, n), rate = pipelined(client, hash, n);
    send_payload(client, ending_text, hash);
    round_trip(client, hash, WARM_UP);
    double fresh = round_trip(client, hash, n / 10 + 1);
    printf("%.9f %.1f %.9f %.9f\n", warm, rate, fresh, first_call(client));
    return 0;
}
