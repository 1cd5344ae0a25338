/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_executor N [TYPE [NAME=VALUE...]]: N calls of one payload on an executor of this
 * type (local), one after the other, then 20 N pipelined, then large arguments. Prints
 * the seconds from nothing to the hundredth result, the median of a round trip in
 * seconds, the calls a second, the bytes a second, and the medians of a call that needs a
 * new job worker, because each ends its own, and of the first call of a payload that the
 * pool has not seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "magics/executors/pool_client.h"
#include "pickler/payload/payload.h"
#include "tests/bench/measure.h"

#define WARM_UP 20
#define CALLS_MAX 1000000
#define IN_FLIGHT 1000 /* calls sent ahead; peers get all at once */
#define WAIT_MS 10000
#define FIRST_CALLS 100
#define COLD 15
#define OPTIONS_MAX 16
#define BULK_SIZE (64u << 20)
#define BULK_TIMES 5

static const char entry_text[] = "static int offset = 1;\n"
                                 "static int f(int x) { return x + offset; }\n"
                                 "int achar_value;\n"
                                 "void achar_entry(void) { achar_value = f(3); }\n";

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

static void take_any_result(struct pool_client *client, bool must_be_ok)
{
    struct error err = {0};
    struct pool_event event = {.kind = POOL_EVENT_NONE};
    while (event.kind != POOL_EVENT_RESULT)
        if (pool_client_wait(client, -1, WAIT_MS, &event, &err) < 0)
            fail("wait", err.text);
    if (must_be_ok && event.outcome.kind != OUTCOME_OK)
        fail("a call failed", event.outcome.message);
    outcome_clear(&event.outcome);
}

static void take_result(struct pool_client *client)
{
    take_any_result(client, true);
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
    return median(seconds, n);
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

/* Arguments of a payload that the pool does not have: it reads them, and nobody has to
 * make values of them. */
static double bulk(struct pool_client *client)
{
    CLEANUP(buffer_clear) struct buffer data = {0};
    static const uint8_t nobody[32];
    struct error err = {0};
    uint32_t id;
    double best = 0;
    buffer_reserve(&data, BULK_SIZE);
    memset(data.data, 'x', BULK_SIZE);
    data.size = BULK_SIZE;
    CLEANUP(blob_unrefp) struct blob *blob = blob_take(&data);
    for (int i = 0; i < BULK_TIMES; i++) {
        double start = now();
        if (pool_client_post_large(client, nobody, blob, &id, &err) < 0)
            fail("submit", err.text);
        take_any_result(client, false);
        double rate = BULK_SIZE / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static const struct executor_type *find_type(const char *name)
{
    for (size_t i = 0; executor_types[i]; i++)
        if (strcmp(executor_types[i]->name, name) == 0)
            return executor_types[i];
    fail("no executor type", name);
    return NULL;
}

static size_t read_options(char **words, int n, struct executor_option *ret)
{
    for (int i = 0; i < n; i++) {
        char *equals = strchr(words[i], '=');
        if (equals)
            *equals++ = '\0';
        ret[i] = (struct executor_option){words[i], equals ? equals : ""};
    }
    return (size_t)n;
}

static void send_payload(struct pool_client *client, const char *text,
                         uint8_t ret_hash[PAYLOAD_HASH_SIZE])
{
    CLEANUP(buffer_clear) struct buffer payload = {0};
    struct outcome outcome = {0};
    struct error err = {0};
    make_payload(text, &payload);
    payload_hash(payload.data, payload.size, ret_hash);
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
    return median(seconds, COLD);
}

int main(int argc, char **argv)
{
    size_t n = argc >= 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (n == 0 || n > CALLS_MAX || argc > 2 + OPTIONS_MAX)
        fail("usage", "bench_executor N [TYPE [NAME=VALUE...]]");
    struct executor_option options[OPTIONS_MAX];
    const struct executor_type *type = find_type(argc > 2 ? argv[2] : "local");
    size_t n_options = argc > 3 ? read_options(argv + 3, argc - 3, options) : 0;
    struct error err = {0};
    uint8_t hash[PAYLOAD_HASH_SIZE];
    CLEANUP(pool_client_freep) struct pool_client *client = NULL;
    double start = now();
    if (pool_client_new(type, options, n_options, &client, &err) < 0)
        fail("pool", err.text);
    send_payload(client, entry_text, hash);
    pipelined(client, hash, FIRST_CALLS);
    double first = now() - start;
    round_trip(client, hash, WARM_UP);
    double seconds = round_trip(client, hash, n);
    double rate = pipelined(client, hash, 20 * n);
    double bytes = bulk(client);
    send_payload(client, ending_text, hash);
    double fresh = round_trip(client, hash, n / 10 + 1);
    printf("%.6f %.9f %.1f %.0f %.9f %.9f\n", first, seconds, rate, bytes, fresh,
           first_call(client));
    return 0;
}
