/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The outgoing queue: order, joining, flush times, rates; its clock is the test's. */
#include "tests/unit/check.h"

#include "kernel/wire/meter.h"
#include "kernel/wire/outbox.h"

static int n_woken;

static void count_wake(void *context)
{
    n_woken++;
}

static struct outbox *new_outbox(struct sender *sender)
{
    sender_init(sender);
    n_woken = 0;
    return outbox_new(sender, count_wake, NULL);
}

static void stream(struct outbox *outbox, bool is_stderr, const char *text)
{
    outbox_stream(outbox, "{}", is_stderr, text, strlen(text));
}

static void post(struct outbox *outbox, struct sender *sender, const char *type)
{
    outbox_post(outbox, message_new(sender, NULL, WIRE_IOPUB, type, NULL, NULL), false);
}

/* What may go at `now`, as "out:text|err:text|type|" in order; owned. */
static char *drain(struct outbox *outbox, int64_t now, int64_t *ret_due)
{
    struct buffer out = {0};
    struct message *message;
    while ((message = outbox_next(outbox, now, ret_due))) {
        const char *type = buffer_string(&message->identities[0]);
        json_auto_t *content = json_loads(message->parts[3], 0, NULL);
        const char *text = json_string_value(json_object_get(content, "text"));
        const char *name = json_string_value(json_object_get(content, "name"));
        if (text)
            buffer_format(&out, "%.3s:%s|", name + 3, text);
        else
            buffer_format(&out, "%s|", type);
        message_free(message);
    }
    return buffer_take(&out);
}

static void check_drain(struct outbox *outbox, int64_t now, const char *expected,
                        int64_t expected_due)
{
    int64_t due;
    CLEANUP(freep) char *text = drain(outbox, now, &due);
    CHECK_STRING(text, expected);
    CHECK_INT(due, expected_due);
}

static void test_joining(void)
{
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    check_drain(outbox, 1000, "", -1);
    stream(outbox, false, "hello, ");
    stream(outbox, false, "world");
    CHECK_INT(n_woken, 1);
    check_drain(outbox, 1000000, "", 1000000 + OUTBOX_FIRST_DELAY_US);
    check_drain(outbox, 1000000 + OUTBOX_FIRST_DELAY_US, "out:hello, world|", -1);
    stream(outbox, false, "a");
    CHECK_INT(n_woken, 2);
    check_drain(outbox, 1003000, "", 1000000 + OUTBOX_FIRST_DELAY_US + 20000);
    stream(outbox, true, "b");
    stream(outbox, false, "c");
    check_drain(outbox, 1022000, "out:a|err:b|out:c|", -1);
}

static void test_messages_take_streams_along(void)
{
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    post(outbox, &sender, "busy");
    stream(outbox, false, "a");
    post(outbox, &sender, "result");
    stream(outbox, false, "b");
    check_drain(outbox, 1000000, "busy|out:a|result|", 1000000 + OUTBOX_FIRST_DELAY_US);
    post(outbox, &sender, "idle");
    check_drain(outbox, 1000000, "out:b|idle|", -1);
}

static void test_many_changes(void)
{
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    for (int i = 0; i < 1000; i++)
        stream(outbox, i % 2, i % 2 ? "e" : "o");
    int64_t due;
    int n = 0;
    struct message *message;
    post(outbox, &sender, "idle");
    while ((message = outbox_next(outbox, 1000000, &due))) {
        message_free(message);
        n++;
    }
    CHECK_INT(n, OUTBOX_RUN_MAX + 1);
}

static void test_pace(void)
{
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    CLEANUP(freep) char *text = must_alloc(OUTBOX_CHUNK_SIZE + 1);
    memset(text, 'x', OUTBOX_CHUNK_SIZE);
    int64_t now = 10000000, due = 0;
    size_t sent = 0;
    while (sent <= METER_SIZE_MAX) {
        stream(outbox, false, text);
        post(outbox, &sender, "other");
        struct message *message = outbox_next(outbox, now, &due);
        if (!message)
            break;
        sent += message->size;
        message_free(message);
        message_free(outbox_next(outbox, now, &due));
    }
    CHECK(sent <= METER_SIZE_MAX && sent > METER_SIZE_MAX - 3 * OUTBOX_CHUNK_SIZE);
    CHECK(due > now + 3000000 && due <= now + METER_WINDOW_US);
    outbox_set_hurry(outbox, true);
    struct message *message = outbox_next(outbox, now, &due);
    CHECK(message);
    message_free(message);
}

static void test_close(void)
{
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    stream(outbox, false, "last");
    outbox_close(outbox);
    stream(outbox, false, "lost");
    post(outbox, &sender, "lost");
    check_drain(outbox, 1000000, "out:last|", -1);
}

static void test_meter(void)
{
    struct meter meter = {0};
    CHECK_INT(meter_due(&meter, 50, METER_SIZE_MAX * 2), 50); /* alone, it may go */
    meter_count(&meter, 50, METER_SIZE_MAX * 2);
    CHECK_INT(meter_due(&meter, 60, 1), METER_WINDOW_US);
    CHECK_INT(meter_due(&meter, METER_WINDOW_US, 1), METER_WINDOW_US);
    for (int i = 0; i < METER_MESSAGES_MAX; i++)
        meter_count(&meter, 9000000, 1);
    CHECK_INT(meter_due(&meter, 9000000, 1), 9000000 + METER_WINDOW_US);
}

/* Nobody waits for a cell's whole share; an interrupt leaves the newest of it. */
static void test_skipping(void)
{
    enum { CHUNKS = 100 };
    struct sender sender;
    CLEANUP(outbox_freep) struct outbox *outbox = new_outbox(&sender);
    CLEANUP(freep) char *text = must_alloc(OUTBOX_CHUNK_SIZE + 1);
    post(outbox, &sender, "first");
    for (int i = 0; i < CHUNKS; i++) {
        memset(text, 'a' + i % 26, OUTBOX_CHUNK_SIZE);
        stream(outbox, false, text);
    }
    post(outbox, &sender, "last");
    CHECK_INT(outbox_take_skipped(outbox), 0);
    outbox_set_hurry(outbox, true);
    outbox_settle(outbox);
    uint64_t left = OUTBOX_SETTLED_MAX / OUTBOX_CHUNK_SIZE;
    CHECK_INT(outbox_take_skipped(outbox), (CHUNKS - left) * OUTBOX_CHUNK_SIZE);
    CHECK_INT(outbox_take_skipped(outbox), 0);
    int64_t due;
    CLEANUP(freep) char *rest = drain(outbox, 1000000, &due);
    CHECK(!strncmp(rest, "first|out:", strlen("first|out:")));
    CHECK(strlen(rest) > 6 && !strcmp(rest + strlen(rest) - 6, "|last|"));
    CHECK(strchr(rest, 'a' + (CHUNKS - 1) % 26) != NULL);
    stream(outbox, true, "after");
    check_drain(outbox, 2000000, "err:after|", -1);
}

int main(void)
{
    test_joining();
    test_messages_take_streams_along();
    test_many_changes();
    test_pace();
    test_skipping();
    test_close();
    test_meter();
    return check_status();
}
