/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads that cc compiles again while their tasks run: tasks that run and those that
 * come have the better code and the state that they would have had without; how often the
 * compiler is asked. Arguments: the paths of achar-pool and achar-worker. */
#include <fcntl.h>
#include <sys/stat.h>

#define PATIENCE_S 100 /* of a task that waits for better code, which nobody hurries */
#define WAIT_MS 120000

#include "tests/executors/payload_test.h"

/* In the folder: a compiler that is counted, what is kept, how often it was asked. */
static void set_compiler(const char *folder, const char *program)
{
    char *path = must_format("%s/counted-%s", folder, program); /* clang is told by it */
    FILE *file = fopen(path, "w");
    if (CHECK(file != NULL)) {
        fprintf(file, "#!/bin/sh\necho >>%s/log\nexec %s \"$@\"\n", folder, program);
        fclose(file);
    }
    chmod(path, 0755);
    setenv("ACHAR_CC", path, 1);
    free(path);
}

static int count_compilations(const char *folder)
{
    char *path = must_format("%s/log", folder);
    struct stat info;
    int n = stat(path, &info) == 0 ? (int)info.st_size : 0;
    free(path);
    return n;
}

/* The array stands where no compiler but libtcc would put it, and tier() tells who has
 * compiled it. */
static struct payload *stating(enum payload_entry entry, const char *entry_text)
{
    struct payload *payload = make(entry, entry_text);
    define(payload, DEFINITION_INCLUDE, "<time.h>", 0, "#include <time.h>", NULL);
    define(payload, DEFINITION_INCLUDE, "<stdio.h>", 0, "#include <stdio.h>", NULL);
    define(payload, DEFINITION_VARIABLE, "counter", INT_TYPE, "int counter = 5;",
           "extern int counter;");
    define(payload, DEFINITION_VARIABLE, "table", 0, "int table[64] = {1, 2, 3};",
           "extern int table[64];");
    define(payload, DEFINITION_FUNCTION, "tier", 0,
           "int tier(void)\n{\n#ifdef __OPTIMIZE__\n    return 2;\n#else\n    return "
           "1;\n#endif\n}",
           "int tier(void);");
    define(payload, DEFINITION_VARIABLE, "pointer", POINTER_TYPE,
           "int (*pointer)(void) = tier;", "extern int (*pointer)(void);");
    define(payload, DEFINITION_FUNCTION, "state", 0,
           "int state(void)\n{\n    int sum = pointer == tier;\n    for (int i = 0; i < "
           "64; i++)\n        sum += 10 * (table[i] *= 2);\n    return sum + 1000 * "
           "++counter;\n}",
           "int state(void);");
    define(payload, DEFINITION_FUNCTION, "now_ms", 0,
           "long now_ms(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); "
           "return t.tv_sec * 1000 + t.tv_nsec / 1000000; }",
           "long now_ms(void);");
    return payload;
}

#define STATE 6121 /* counter, the table's sum, the pointer */

/* One call of a function in the midst of it is enough. */
#define UNTIL_BETTER                                                                     \
    "int achar_value;\nvoid achar_entry(void) { long end = now_ms() + %d000; int t = "   \
    "1;\nwhile (t == 1 && now_ms() < end) for (int i = 0; i < 100000; i++) t = "         \
    "tier();\nachar_value = 10000 * t + state() + %d; }"

static struct payload *waiting(int more)
{
    char *text = must_format(UNTIL_BETTER, PATIENCE_S, more);
    struct payload *payload = stating(PAYLOAD_CALL, text);
    free(text);
    return payload;
}

#define SPINNING(ms)                                                                     \
    "int achar_value;\nvoid achar_entry(void) { long end = now_ms() + " #ms              \
    ";\nwhile (now_ms() < end) for (int i = 0; i < 1000; i++) tier();\nachar_value = "   \
    "10000 * tier() + state(); }"

static int run_value(struct pool_client *client, const uint8_t hash[32])
{
    struct done done = run_bytes(client, hash, "", 0);
    int value = done.outcome.value_text ? (int)strtol(done.outcome.value_text, NULL, 10)
                                        : -(int)done.outcome.kind;
    done_clear(&done);
    return value;
}

static void test_running(const char *folder)
{
    uint8_t hash[32];
    struct pool_client *client = start("2");
    check_loads(client, waiting(0), hash);
    for (int i = 0; i < 5; i++)
        CHECK_INT(run_value(client, hash), 20000 + STATE);
    CHECK_INT(count_compilations(folder), 1);
    check_loads(client, waiting(7), hash); /* another call of the same */
    CHECK_INT(run_value(client, hash), 20007 + STATE);
    pool_client_free(client);
    client = start("2");
    check_loads(client, waiting(0), hash); /* it is kept */
    CHECK_INT(run_value(client, hash), 20000 + STATE);
    CHECK_INT(count_compilations(folder), 1);
    pool_client_free(client);
}

#define BATCH 40

/* Each once, whatever it ran; and in the end they run better code. */
static void test_many(void)
{
    uint8_t hash[32];
    struct pool_client *client = start("2");
    struct payload *payload = stating(PAYLOAD_CALL, SPINNING(2));
    payload->definitions[4]->cell = 77; /* never compiled before */
    check_loads(client, payload, hash);
    int n_better = 0;
    for (uint64_t end = now_ms() + 1000 * PATIENCE_S; !n_better && now_ms() < end;) {
        struct done all[BATCH] = {0};
        for (int i = 0; i < BATCH; i++)
            all[i].id = submit_bytes(client, hash, "", 0);
        for (int n = 0; n < BATCH;)
            n += wait_one(client, all, BATCH);
        for (int i = 0; i < BATCH; i++) {
            const char *text = all[i].outcome.value_text;
            int value = text ? (int)strtol(text, NULL, 10) : 0;
            CHECK(value == 10000 + STATE || value == 20000 + STATE);
            n_better += value == 20000 + STATE;
            done_clear(&all[i]);
        }
    }
    CHECK(n_better > 0);
    pool_client_free(client);
}

/* The loop over elements is compiled, too. */
static void test_map(void)
{
    static const char text[] =
        "int *achar_in; unsigned long achar_count; int *achar_out;\nvoid "
        "achar_entry(void)\n{\n#ifdef __OPTIMIZE__\n    puts(\"better\");\n#endif\n    "
        "long end = now_ms() + 5;\n    while (now_ms() < end);\n    for (unsigned long i "
        "= 0; i < achar_count; i++)\n        achar_out[i] = state() + achar_in[i];\n}\n";
    static const int in[] = {1, 2, 3};
    uint8_t hash[32];
    bool is_better = false;
    struct pool_client *client = start("2");
    check_loads(client, stating(PAYLOAD_MAP, text), hash);
    struct buffer values = dump_ints("achar_in", in, 3), argument = {0};
    pack_u64(&argument, 1);
    pack_u64(&argument, 1);
    pack_bytes(&argument, values.data, values.size);
    for (uint64_t end = now_ms() + 1000 * PATIENCE_S; !is_better && now_ms() < end;) {
        struct done done = run_bytes(client, hash, argument.data, argument.size);
        int out = 0;
        load_ints(&done.result, "achar_out", &out, 1);
        CHECK_INT(out, STATE + 2);
        is_better = strcmp(buffer_string(&done.out), "better\n") == 0;
        done_clear(&done);
    }
    CHECK(is_better);
    buffer_clear(&values);
    buffer_clear(&argument);
    pool_client_free(client);
}

static void test_plain(const char *folder)
{
    uint8_t hash[32];
    int before = count_compilations(folder);
    struct pool_client *client = start("1");
    struct payload *payload = stating(PAYLOAD_CALL, SPINNING(150));
    payload->is_plain = true;
    payload->definitions[4]->cell = 78;
    check_loads(client, payload, hash);
    for (int i = 0; i < 2; i++)
        CHECK_INT(run_value(client, hash), 10000 + STATE);
    check_loads(client, waiting(0), hash); /* what was asked for before has ended */
    CHECK_INT(run_value(client, hash), 20000 + STATE);
    CHECK_INT(count_compilations(folder), before);
    pool_client_free(client);
}

static void test_refused(const char *folder)
{
    uint8_t hash[32];
    int before = count_compilations(folder);
    set_compiler(folder, "false");
    struct pool_client *client = start("2");
    check_loads(client, stating(PAYLOAD_CALL, SPINNING(150)), hash);
    uint64_t end = now_ms() + 1000 * PATIENCE_S;
    while (count_compilations(folder) == before && now_ms() < end)
        CHECK_INT(run_value(client, hash), 10000 + STATE);
    for (int i = 0; i < 3; i++)
        CHECK_INT(run_value(client, hash), 10000 + STATE);
    CHECK_INT(count_compilations(folder), before + 1);
    pool_client_free(client);
    setenv("ACHAR_CC", "/nonexistent/cc", 1);
    client = start("2");
    check_loads(client, stating(PAYLOAD_CALL, SPINNING(150)), hash);
    CHECK_INT(run_value(client, hash), 10000 + STATE);
    pool_client_free(client);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ACHAR_POOL ACHAR_WORKER\n", argv[0]);
        return 2;
    }
    char *folder = make_folder(argv[1], argv[2]);
    char cache[] = "/tmp/achar-test-cache-XXXXXX";
    if (!CHECK(mkdtemp(cache) != NULL))
        return 1;
    setenv("XDG_CACHE_HOME", cache, 1);
    /* it takes the most for granted */
    bool has_clang = system("command -v clang-19 >/dev/null") == 0;
    set_compiler(cache, has_clang ? "clang-19" : "cc");
    test_running(cache);
    test_many();
    test_map();
    test_plain(cache);
    test_refused(cache);
    check_nothing_left("improved payloads");
    char *remove = must_format("rm -r %s", cache);
    CHECK_INT(system(remove), 0);
    free(remove);
    remove_folder(folder);
    return check_status();
}
