/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads on a real pool: compiled, loaded, run, and what comes back. Arguments: the
 * paths of achar-pool and achar-worker. */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/executors/payload_test.h"

static void add_point(struct types *types)
{
    struct type point = {
        .kind = TYPE_STRUCT, .spelling = must_strdup("struct point"), .n_fields = 2};
    point.fields = must_alloc(2 * sizeof(*point.fields));
    for (int i = 0; i < 2; i++)
        point.fields[i] = (struct type_field){
            .name = must_strdup(i ? "y" : "x"), .type = INT_TYPE, .bits = i ? 5 : -1};
    types_add(types, &point);
}

/* "name name ..." */
static void check_roots(const struct buffer *values, const char *expected)
{
    struct value_root_info *roots = NULL;
    struct error err = {0};
    struct buffer names = {0};
    size_t n = 0;
    if (values->size)
        CHECK_OK(value_roots(values->data, values->size, &roots, &n, &err), err);
    for (size_t i = 0; i < n; i++)
        buffer_format(&names, "%s%s", i ? " " : "", roots[i].name);
    CHECK_STRING(buffer_string(&names), expected);
    buffer_clear(&names);
    value_roots_free(roots, n);
}

static struct payload *counting(const char *entry_text)
{
    struct payload *payload = make(PAYLOAD_CALL, entry_text);
    define(payload, DEFINITION_INCLUDE, "<stdio.h>", 0, "#include <stdio.h>", NULL);
    define(payload, DEFINITION_VARIABLE, "counter", INT_TYPE, "int counter = 5;",
           "extern int counter;");
    define(payload, DEFINITION_VARIABLE, "other", INT_TYPE, "int other = 1;",
           "extern int other;");
    define(payload, DEFINITION_FUNCTION, "count", 0,
           "int count(int x) { printf(\"x=%d\\n\", x); return ++counter + x; }",
           "int count(int x);");
    return payload;
}

static void test_call(struct pool_client *client)
{
    uint8_t hash[32];
    struct payload *payload =
        counting("int achar_value; void achar_entry(void) { achar_value = count(10); }");
    struct buffer values = dump_ints("counter", (int[]){41}, 1);
    payload->values_size = values.size;
    payload->values = buffer_take(&values);
    check_loads(client, payload, hash);
    for (int i = 0; i < 3; i++) { /* 41 + 1 + 10, each time */
        struct done done = run_bytes(client, hash, "", 0);
        CHECK_INT(done.outcome.kind, OUTCOME_OK);
        CHECK_STRING(done.outcome.value_text, "52");
        CHECK_STRING(buffer_string(&done.out), "x=10\n");
        check_roots(&done.result, "achar_value");
        int value = 0;
        load_ints(&done.result, "achar_value", &value, 1);
        CHECK_INT(value, 52);
        done_clear(&done);
    }
}

static void test_state(struct pool_client *client)
{
    uint8_t hash[32];
    struct payload *payload = counting("void achar_entry(void) { count(1); }");
    payload->returns_state = true;
    payload->value_type = 0;
    check_loads(client, payload, hash);
    struct done done = run_bytes(client, hash, "", 0);
    check_roots(&done.result, "counter");
    int value = 0;
    load_ints(&done.result, "counter", &value, 1);
    CHECK_INT(value, 6);
    CHECK_STRING(done.outcome.value_text, NULL);
    done_clear(&done);
    payload = counting("void achar_entry(void) { puts(\"nothing\"); }");
    payload->returns_state = true;
    payload->value_type = 0;
    check_loads(client, payload, hash);
    done = run_bytes(client, hash, "", 0);
    CHECK_INT(done.result.size, 0);
    CHECK_STRING(buffer_string(&done.out), "nothing\n");
    done_clear(&done);
}

static struct payload *mapping(void)
{
    struct payload *payload =
        make(PAYLOAD_MAP,
             "int *achar_in; unsigned long achar_count; int *achar_out;\n"
             "void achar_entry(void) { for (unsigned long i = 0; i < achar_count; i++)"
             " achar_out[i] = square(achar_in[i]); }");
    define(payload, DEFINITION_FUNCTION, "square", 0,
           "int square(int x) { return x * x; }", "int square(int x);");
    return payload;
}

/* What a task of a mapping is given: `count` of the values, after the first `skip`. */
static struct buffer some_of(const struct buffer *values, uint64_t skip, uint64_t count)
{
    struct buffer argument = {0};
    pack_u64(&argument, skip);
    pack_u64(&argument, count);
    pack_bytes(&argument, values->data, values->size);
    return argument;
}

static void check_some(struct pool_client *client, const uint8_t *hash,
                       const struct buffer *values, int skip, int count)
{
    int out[1000] = {0}, n_right = 0;
    struct buffer argument = some_of(values, (uint64_t)skip, (uint64_t)count);
    struct done done = run_bytes(client, hash, argument.data, argument.size);
    CHECK_INT(done.outcome.kind, OUTCOME_OK);
    check_roots(&done.result, "achar_out");
    load_ints(&done.result, "achar_out", out, (size_t)count);
    for (int i = 0; i < count; i++)
        n_right += out[i] == (i + skip) * (i + skip);
    CHECK_INT(n_right, count);
    done_clear(&done);
    buffer_clear(&argument);
}

static void check_bad_task(struct pool_client *client, const uint8_t *hash,
                           struct buffer *argument)
{
    struct done done = run_bytes(client, hash, argument->data, argument->size);
    CHECK_INT(done.outcome.kind, OUTCOME_REFUSED);
    done_clear(&done);
    buffer_clear(argument);
}

static void test_map(struct pool_client *client)
{
    uint8_t hash[32];
    int in[1000];
    check_loads(client, mapping(), hash);
    for (int i = 0; i < 1000; i++)
        in[i] = i;
    struct buffer values = dump_ints("achar_in", in, 1000);
    check_some(client, hash, &values, 0, 1000);
    check_some(client, hash, &values, 999, 1);
    struct buffer argument = some_of(&values, 999, 2);
    check_bad_task(client, hash, &argument);
    values.size /= 2;
    argument = some_of(&values, 0, 1000);
    check_bad_task(client, hash, &argument);
    buffer_clear(&values);
}

static struct payload *looping(void)
{
    struct payload *payload =
        make(PAYLOAD_RANGE,
             "long achar_from, achar_to;\nvoid achar_entry(void) { for (long i = "
             "achar_from; i < achar_to; i++) { ints[i] = 10 * (int)i; total++; "
             "} }");
    struct type array = {.kind = TYPE_ARRAY,
                         .spelling = must_strdup("int[8]"),
                         .target = INT_TYPE,
                         .count = 8};
    payload->value_type = 0;
    define(payload, DEFINITION_VARIABLE, "ints", types_add(&payload->types, &array),
           "int ints[8];", "extern int ints[8];");
    define(payload, DEFINITION_VARIABLE, "total", INT_TYPE, "int total;",
           "extern int total;");
    payload_add_out(payload, "ints", INT_TYPE);
    return payload;
}

/* Elements at the indices come home; what else was written is named. */
static void test_range(struct pool_client *client)
{
    uint8_t hash[32];
    int out[3] = {0};
    size_t size;
    struct buffer argument = {0};
    check_loads(client, looping(), hash);
    pack_i64(&argument, 2);
    pack_u64(&argument, 3);
    struct done done = run_bytes(client, hash, argument.data, argument.size);
    CHECK_INT(done.outcome.kind, OUTCOME_OK);
    struct unpack in = unpack_init(done.result.data, done.result.size);
    CHECK_INT(unpack_u64(&in), 1);
    struct buffer values = {.data = (char *)unpack_bytes(&in, &size)};
    values.size = size;
    load_ints(&values, "achar_out", out, 3);
    CHECK_INT(out[0] + out[1] + out[2], 90);
    CHECK_INT(unpack_u64(&in), 1);
    char *name = unpack_string(&in);
    CHECK_STRING(name, "total");
    CHECK(unpack_done(&in));
    free(name);
    done_clear(&done);
    argument.size--;
    check_bad_task(client, hash, &argument);
}

/* What a task may leave behind without a system call: in its own data, in the heap, in
 * the C library, in the processor. */
static const char leaving[] =
    "int left;\nstatic char *kept;\nstatic char text[] = \"a b c\";\n"
    "int achar_value;\nvoid achar_entry(void)\n{\n"
    "    static int calls;\n"
    "    char *word = strtok(calls || left || kept ? NULL : text, \" \");\n"
    "    achar_value = ++calls * 1000000 + ++left * 100000 + (kept != NULL) * 10000;\n"
    "    achar_value += (word && *word == 'a') * 1000 + (rand() == 1804289383) * 100;\n"
    "    achar_value += (fegetround() == FE_TONEAREST) * 10 + (rint(2.5) == 2);\n"
    "    fesetround(FE_UPWARD);\n"
    "    kept = malloc(1000);\n"
    "    memset(kept, 7, 1000);\n}\n";

static bool is_renewal_expected(void)
{
#if defined(__x86_64__) && !IS_ASAN
    static volatile char is_blocked;
    bool is_expected =
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &is_blocked) == 0;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L);
    return is_expected;
#else
    return false;
#endif
}

/* The same processes serve again and again, and every task finds the state as it was. */
static void test_renewal(struct pool_client *client)
{
    uint8_t hash[32];
    struct payload *payload = make(PAYLOAD_CALL, leaving);
    define(
        payload, DEFINITION_INCLUDE, "<stdlib.h>", 0,
        "#include <stdlib.h>\n#include <string.h>\n#include <fenv.h>\n#include <math.h>",
        NULL);
    check_loads(client, payload, hash);
    uint64_t before = 0;
    int n_renewed = 0;
    for (int i = 0; i < 200; i++) {
        struct done done = run_bytes(client, hash, "", 0);
        CHECK_STRING(done.outcome.value_text, "1101111");
        done_clear(&done);
        if (i % 20)
            continue;
        uint64_t now = which_processes();
        n_renewed += now == before;
        before = now;
    }
    if (is_renewal_expected())
        CHECK(n_renewed >= 5);
}

/* Each task dies in its own way; the payload goes on. */
static void test_faults(struct pool_client *client)
{
    static const struct {
        const char *body;
        enum outcome_kind kind;
        const char *name;
        int status;
    } cases[] = {
        /* What a compiler must not leave out: if they take long, cc compiles them again.
         */
        {"*(volatile int *)0 = 1;", OUTCOME_FAULT, "SIGSEGV", SIGSEGV},
        {"exit(3);", OUTCOME_EXIT, NULL, 3},
        {"abort();", OUTCOME_FAULT, "SIGABRT", SIGABRT},
        {"volatile int zero = 0; zero = 7 / zero;", OUTCOME_FAULT, "SIGFPE", SIGFPE},
#ifndef ACHAR_ASAN /* which ends the worker itself */
        {"char *volatile p = malloc(1); free(p); free(p);", OUTCOME_FAULT, NULL, SIGABRT},
#endif
        {"raise(SIGKILL);", OUTCOME_DIED, "SIGKILL", SIGKILL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (IS_ASAN && strstr(cases[i].body, "free(p); free(p)"))
            continue; /* the sanitizer ends the process */
        uint8_t hash[32];
        struct payload *payload =
            make(PAYLOAD_CALL, "void achar_entry(void) { fail(); }");
        CLEANUP(freep)
        char *source = must_format("void fail(void) {\n    puts(\"before\");\n    %s\n}",
                                   cases[i].body);
        payload->value_type = 0;
        payload->is_plain = true; /* cc computes 1 / x without a division */
        define(payload, DEFINITION_INCLUDE, "<stdlib.h>", 0,
               "#include <stdlib.h>\n#include <stdio.h>\n#include <signal.h>", NULL);
        define(payload, DEFINITION_FUNCTION, "fail", 0, source, "void fail(void);");
        check_loads(client, payload, hash);
        /* The last ones run in processes that might have taken another task. */
        struct done done = {0};
        for (int k = 0; k < 8; k++) {
            done_clear(&done);
            done = run_bytes(client, hash, "", 0);
        }
        bool ok = CHECK_INT(done.outcome.kind, cases[i].kind);
        if (cases[i].name)
            ok &= CHECK_STRING(done.outcome.name, cases[i].name);
        ok &= CHECK_INT(done.outcome.status, cases[i].status);
        ok &= CHECK_STRING(buffer_string(&done.out), "before\n");
        if (done.outcome.kind == OUTCOME_FAULT) {
            bool found = false;
            for (size_t f = 0; f < done.outcome.n_frames; f++)
                found |= strcmp(done.outcome.frames[f].function, "fail") == 0 &&
                         done.outcome.frames[f].cell == 2 &&
                         done.outcome.frames[f].line == 3;
            ok &= CHECK(found);
        }
        if (!ok)
            fprintf(stderr, "  in: %s (%s)\n", cases[i].body, done.outcome.message);
        done_clear(&done);
    }
}

static void cancel_one(struct pool_client *client, const uint8_t hash[32])
{
    struct error err = {0};
    struct done done = {.id = submit_bytes(client, hash, "", 0)};
    CHECK(!wait_one(client, &done, 1));
    CHECK_OK(pool_client_cancel(client, done.id, &err), err);
    while (!wait_one(client, &done, 1))
        ;
    CHECK_INT(done.outcome.kind, OUTCOME_INTERRUPTED);
    CHECK(done.outcome.n_frames > 0); /* it was stopped by SIGINT, not killed */
    done_clear(&done);
}

static void test_cancel(struct pool_client *client)
{
    uint8_t hash[32];
    struct payload *payload =
        make(PAYLOAD_CALL, "#include <stdio.h>\nvoid achar_entry(void) { puts(\"on\"); "
                           "for (;;); }");
    payload->value_type = 0;
    check_loads(client, payload, hash);
    for (int i = 0; i < 8; i++)
        cancel_one(client, hash);
}

static void check_refused(struct pool_client *client, struct payload *payload,
                          enum outcome_kind kind, const char *text)
{
    uint8_t hash[32];
    struct outcome outcome = send_payload(client, payload, hash);
    CHECK_INT(outcome.kind, kind);
    if (!CHECK(outcome.message && strstr(outcome.message, text)))
        fprintf(stderr, "  '%s' has no '%s'\n", outcome.message, text);
    outcome_clear(&outcome);
}

static void test_payloads(struct pool_client *client)
{
    uint8_t hash[32];
    check_refused(client, make(PAYLOAD_CALL, "int achar_value = ;"), OUTCOME_COMPILE,
                  "expected expression");
    check_refused(client,
                  make(PAYLOAD_CALL,
                       "int missing(void); int achar_value;\n"
                       "void achar_entry(void) { achar_value = missing(); }"),
                  OUTCOME_LINK, "missing");
    struct payload *payload = make(PAYLOAD_CALL, "void achar_entry(void) {}");
    payload->libraries = must_alloc(sizeof(char *));
    payload->libraries[payload->n_libraries++] = must_strdup("libdoesnotexist.so.7");
    check_refused(client, payload, OUTCOME_LINK, "libdoesnotexist.so.7");
    struct outcome outcome = send_bytes(client, "not a payload", 13, hash);
    CHECK_INT(outcome.kind, OUTCOME_REFUSED);
    outcome_clear(&outcome);
    /* What libtcc rejects goes to cc, asked for or not. */
    for (int i = 0; i < 2; i++) {
        payload = make(PAYLOAD_CALL, "int achar_value; void achar_entry(void) {"
                                     " double _Complex z = 3 + 4i; __int128 n = 38;"
                                     " achar_value = (int)__real__ z + (int)n; }");
        payload->needs_cc = i == 1;
        check_loads(client, payload, hash);
        struct done done = run_bytes(client, hash, "", 0);
        CHECK_STRING(done.outcome.value_text, "41");
        done_clear(&done);
    }
}

/* A struct with a bit-field as value, and a pointer that leads nowhere. */
static void test_values(struct pool_client *client)
{
    uint8_t hash[32];
    struct payload *payload =
        make(PAYLOAD_CALL,
             "struct point achar_value; void achar_entry(void) { achar_value.x = 7; "
             "achar_value.y = -3; }");
    define(payload, DEFINITION_TYPE, "struct point", 0, "struct point { int x, y : 5; };",
           NULL);
    add_point(&payload->types);
    payload->value_type = POINT_TYPE;
    check_loads(client, payload, hash);
    struct done done = run_bytes(client, hash, "", 0);
    CHECK_STRING(done.outcome.value_text, "{.x = 7, .y = -3}");
    check_roots(&done.result, "achar_value");
    done_clear(&done);
    payload =
        make(PAYLOAD_CALL, "int *achar_value;\nstatic void set(int n) { int here = n; "
                           "achar_value = &here; }\nvoid achar_entry(void) { set(1); }");
    payload->value_type = POINTER_TYPE;
    check_loads(client, payload, hash);
    done = run_bytes(client, hash, "", 0);
    CHECK_INT(done.outcome.kind, OUTCOME_REFUSED);
    CHECK(done.outcome.message && strstr(done.outcome.message, "the value"));
    done_clear(&done);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ACHAR_POOL ACHAR_WORKER\n", argv[0]);
        return 2;
    }
    char *folder = make_folder(argv[1], argv[2]);
    struct pool_client *client = start("2");
    test_call(client);
    test_state(client);
    test_range(client);
    test_map(client);
    test_range(client);
    test_renewal(client);
    test_faults(client);
    test_cancel(client);
    test_payloads(client);
    test_values(client);
    pool_client_free(client);
    check_nothing_left("payloads");
    remove_folder(folder);
    return check_status();
}
