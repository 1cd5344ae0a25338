/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tasks that leave behind what they can, one after the other on a real pool: each must
 * find the state that the first one found, and end exactly once. Arguments: the paths of
 * achar-pool and achar-worker, and optionally what the machine is to lack: "dispatch". */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/executors/pool_test.h"

#define N_TASKS 28

struct hostile_case {
    const char *name;
    const char *text;     /* defines achar_value and achar_entry() */
    const char *expected; /* what every task is worth; NULL: what the first one was */
    bool is_renewed;      /* by a machine that can */
    const char *out;      /* what every task prints */
};

#define CHANCE                                                                           \
    "#include <time.h>\n"                                                                \
    "static int chance(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);\n" \
    "    return t.tv_nsec >> 6 & 1; }\n"

static const struct hostile_case cases[] = {
    {"heap addresses", /* the first: see main() */
     "#include <stdlib.h>\n#include <string.h>\n"
     "static void *kept[300]; unsigned achar_value;\n"
     "void achar_entry(void) {\n"
     "    unsigned hash = 1;\n"
     "    for (int i = 0; i < 300; i++) {\n"
     "        hash = hash * 31 + (kept[i] != NULL);\n"
     "        kept[i] = malloc((size_t)(i * 37 % 900));\n"
     "        hash = hash * 31 + (unsigned)(size_t)kept[i];\n"
     "        if (i % 3 == 0) { free(kept[i / 2]); kept[i / 2] = malloc(24); }\n"
     "        if (i % 7 == 0) kept[i] = realloc(kept[i], (size_t)(i * 11 + 5));\n"
     "        hash = hash * 31 + (unsigned)(size_t)kept[i];\n"
     "    }\n"
     "    memset(kept[9], 0x5a, 20);\n"
     "    achar_value = hash; }\n",
     NULL, true, ""},
    {"dead stack",
     "unsigned achar_value;\n"
     "static unsigned look(void) {\n"
     "    unsigned long a[4000]; unsigned n = 0;\n"
     "    volatile unsigned long *at = a;\n"
     "    for (int i = 0; i < 4000; i++) n += at[i] == 0xa5c3a5c3a5c30000 + i;\n"
     "    for (int i = 0; i < 4000; i++) at[i] = 0xa5c3a5c3a5c30000 + i;\n"
     "    return n; }\n"
     "void achar_entry(void) { achar_value = look(); }\n",
     "0", true, ""},
    {"library state",
     "#include <errno.h>\n#include <fenv.h>\n#include <locale.h>\n#include <stdlib.h>\n"
     "#include <string.h>\n#include <time.h>\n#include <wchar.h>\n#include <math.h>\n"
     "int achar_value; static int counted;\n"
     "static int compare(const void *a, const void *b) { counted++;\n"
     "    return *(const int *)a - *(const int *)b; }\n"
     "void achar_entry(void) {\n"
     "    int bad = (errno != 0) | (getenv(\"LEFT\") != NULL) << 8 | "
     "fetestexcept(FE_ALL_EXCEPT) << 10;\n"
     "    mbstate_t *none = NULL; wchar_t wide;\n"
     "    bad |= (strcmp(setlocale(LC_NUMERIC, NULL), \"C\") != 0) << 1;\n"
     "    bad |= (counted != 0) << 2 | (rand() != 1804289383) << 3;\n"
     "    bad |= (!mbsinit(none) || mblen(NULL, 0)) << 4;\n"
     "    bad |= (fegetround() != FE_TONEAREST) << 5;\n"
     "    int values[50]; for (int i = 0; i < 50; i++) values[i] = 50 - i;\n"
     "    qsort(values, 50, sizeof(int), compare);\n"
     "    errno = 33; setenv(\"LEFT\", \"1\", 1); setlocale(LC_NUMERIC, \"POSIX\");\n"
     "    srand(4); feraiseexcept(FE_DIVBYZERO | FE_INEXACT); fesetround(FE_DOWNWARD);\n"
     "    mbrtowc(&wide, \"\\xe2\", 1, none);\n"
     "    achar_value = bad; }\n",
     "0", true, ""},
    {"code written to", /* it is writable, without a system call */
     "static int one(void) { return 1; }\nint achar_value;\n"
     "void achar_entry(void) {\n"
     "    unsigned char *at = (unsigned char *)one;\n"
     "    if (*at == 0xe9) at += 5 + *(int *)(at + 1);\n"
     "    for (int i = 0; i < 40; i++)\n"
     "        if (at[i] == 0xb8 && *(int *)(at + i + 1) > 0) {\n"
     "            achar_value = one(); at[i + 1] = 7; achar_value += one() * 10; "
     "return;\n"
     "        }\n}\n",
     "71", true, ""},
    {"environment and pointers kept",
     "#include <stdlib.h>\n#include <setjmp.h>\n"
     "static char *kept; static jmp_buf place; static int jumps; int achar_value;\n"
     "void achar_entry(void) {\n"
     "    achar_value = kept ? kept[3] : 0;\n"
     "    kept = calloc(1, 700); kept[3] = 9;\n"
     "    if (setjmp(place) < 3) longjmp(place, ++jumps);\n"
     "    achar_value += jumps != 3; free(kept); }\n",
     "0", true, ""},
    {"clock",
     CHANCE "int achar_value; static int seen; void achar_entry(void) {\n"
            "    for (int i = 0; i < 50; i++) seen |= chance();\n"
            "    achar_value = time(0) > 0; }\n",
     "1", true, ""},
    {"text without an end",
     "#include <stdio.h>\nint achar_value; void achar_entry(void) {\n"
     "    printf(\"x\"); fprintf(stderr, \"\"); }\n",
     "0", false, "x"},
    {"lines",
     "#include <stdio.h>\nint achar_value; void achar_entry(void) {\n"
     "    puts(\"line\"); printf(\"rest\"); }\n",
     "0", false, "line\nrest"},
    {"signal handlers",
     CHANCE "#include <signal.h>\nint achar_value; static int got;\n"
            "static void on(int n) { got = n; }\n"
            "void achar_entry(void) {\n"
            "    achar_value = got != 0;\n"
            "    if (chance()) return;\n"
            "    achar_value += signal(SIGUSR1, on) != SIG_DFL; raise(SIGUSR1); }\n",
     "0", false, ""},
    {"all signals as they were",
     "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
     "int achar_value;\nstatic void last(void) { (void)!write(1, \"end\", 3); }\n"
     "void achar_entry(void) {\n"
     "    for (int i = 1; i < 65; i++) signal(i, SIG_DFL);\n    atexit(last); }\n",
     "0", false, "end"},
    {"all signals blocked",
     "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
     "int achar_value;\nstatic void last(void) { (void)!write(1, \"end\", 3); }\n"
     "void achar_entry(void) {\n    sigset_t all; sigfillset(&all);\n"
     "    sigprocmask(SIG_BLOCK, &all, 0); atexit(last); }\n",
     "0", false, "end"},
    {"a stream of its own",
     CHANCE
     "#define _GNU_SOURCE\n#include <stdio.h>\n#include <unistd.h>\n#include <fcntl.h>\n"
     "typedef struct { void *r; long (*w)(void *, const char *, unsigned long);\n"
     "    void *s, *c; } functions;\n"
     "FILE *fopencookie(void *, const char *, functions);\n"
     "int achar_value;\n"
     "static long take(void *c, const char *t, unsigned long n) { dup(1); return n; }\n"
     "void achar_entry(void) {\n"
     "    if (chance()) {\n"
     "        functions all = {.w = take};\n"
     "        fputs(\"left\", fopencookie(0, \"w\", all));\n"
     "        return;\n    }\n"
     "    if (chance()) for (int fd = 3; fd < 60; fd++) achar_value += fcntl(fd, "
     "F_GETFD) >= 0;\n"
     "}\n",
     "0", false, ""},
    {"files and mappings",
     CHANCE
     "#include <fcntl.h>\n#include <unistd.h>\n#include <sys/mman.h>\n#include "
     "<sys/stat.h>\n"
     "int achar_value; void achar_entry(void) {\n"
     "    if (chance()) return;\n"
     "    for (int fd = 3; fd < 60; fd++) achar_value += fcntl(fd, F_GETFD) >= 0;\n"
     "    open(\"/dev/null\", O_RDONLY); chdir(\"/\"); umask(0);\n"
     "    mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }\n",
     "0", false, ""},
    {"growth of the heap",
     CHANCE "#include <stdlib.h>\n#include <string.h>\nint achar_value; static char "
            "*all[3000];\n"
            "void achar_entry(void) {\n"
            "    achar_value = all[0] != 0;\n    int n = chance() ? 3000 : 30;\n"
            "    for (int i = 0; i < n; i++) memset(all[i] = malloc(3000), 1, 3000);\n"
            "    for (int i = 0; i < n; i += 2) free(all[i]); }\n",
     "0", false, ""},
    {"growth of the stack",
     CHANCE
     "#include <alloca.h>\n#include <string.h>\nint achar_value; static int depth;\n"
     "static int down(int n) { char *room = alloca(5000); memset(room, n, 5000);\n"
     "    depth++; return n ? down(n - 1) + room[77] - n % 128: 0; }\n"
     "void achar_entry(void) { achar_value = depth != 0; down(chance() ? 600 : 3); }\n",
     NULL, false, ""},
    {"a large array, written all over",
     "#include <string.h>\nstatic char all[24 << 20]; int achar_value;\n"
     "void achar_entry(void) { for (int i = 0; i < 24 << 20; i += 4096)\n"
     "    achar_value += all[i]; memset(all, 1, sizeof(all)); }\n",
     "0", false, ""},
    {"pages here and there",
     "static char all[8 << 20]; int achar_value;\n"
     "void achar_entry(void) { for (int i = 0; i < 8 << 20; i += 8192 * 5) {\n"
     "    achar_value += all[i]; all[i] = 3; } }\n",
     "0", true, ""},
    {"functions replaced",
     "static int one(void) { return 1; }\nstatic int two(void) { return 2; }\n"
     "static int (*which)(void) = one; int achar_value;\n"
     "void achar_entry(void) { achar_value = which(); which = two; }\n",
     "1", true, ""},
};

static int refuse(uint32_t number, uint32_t i, uint32_t argument, uint32_t error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (uint32_t)offsetof(struct seccomp_data, args) + 8 * i),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(program) / sizeof(*program), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* The processes that are started from here on are told that the machine lacks it. */
static int take_away(const char *what)
{
    if (strcmp(what, "dispatch") == 0)
        return refuse(SYS_prctl, 0, PR_SET_SYSCALL_USER_DISPATCH, EINVAL);
    return -1;
}

static bool can_renew(void)
{
#if defined(__x86_64__) && !IS_ASAN
    static volatile char is_blocked;
    bool can =
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &is_blocked) == 0;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L);
    return can;
#else
    return false;
#endif
}

static void send_text(struct pool_client *client, const char *text, uint8_t ret_hash[32])
{
    struct error err = {0};
    struct buffer bytes = {0};
    struct payload payload = {.entry = PAYLOAD_CALL, .entry_text = (char *)text};
    types_init(&payload.types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    payload.value_type = types_add(&payload.types, &integer);
    CHECK_OK(payload_pack(&payload, &bytes, &err), err);
    struct outcome outcome = send_bytes(client, bytes.data, bytes.size, ret_hash);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK))
        fprintf(stderr, "  %s: %s\n", outcome.name, outcome.message);
    outcome_clear(&outcome);
    buffer_clear(&bytes);
    types_clear(&payload.types);
}

static bool check_done(const struct hostile_case *hostile, const struct done *done,
                       char **expected)
{
    bool is_ok = CHECK_INT(done->outcome.kind, OUTCOME_OK);
    if (is_ok && !*expected)
        *expected = must_strdup(done->outcome.value_text);
    if (is_ok)
        is_ok = CHECK_STRING(done->outcome.value_text, *expected);
    else
        fprintf(stderr, "  %s: %s\n", done->outcome.name, done->outcome.message);
    is_ok &= CHECK_STRING(buffer_string((struct buffer *)&done->out), hostile->out);
    if (!is_ok)
        fprintf(stderr, "  in: %s\n", hostile->name);
    return is_ok;
}

/* First one at a time, then four. */
static void test_case(struct pool_client *client, const struct hostile_case *hostile,
                      bool is_renewal)
{
    uint8_t hash[32];
    CLEANUP(freep)
    char *expected = hostile->expected ? must_strdup(hostile->expected) : NULL;
    uint64_t before = 0;
    int n_renewed = 0;
    bool is_ok = true;
    send_text(client, hostile->text, hash);
    for (int i = 0; i < N_TASKS && is_ok; i++) {
        struct done done = run_bytes(client, hash, "", 0);
        is_ok = check_done(hostile, &done, &expected);
        done_clear(&done);
        if (i < N_TASKS - 8)
            continue;
        /* For new processes in the place of those that end, if any do. */
        usleep(i == N_TASKS - 8 ? 20000 : 2000);
        uint64_t now = which_processes();
        n_renewed += now == before;
        before = now;
    }
    if (is_ok && hostile->is_renewed && !CHECK(n_renewed >= (is_renewal ? 3 : 0)))
        fprintf(stderr, "  in: %s (%d)\n", hostile->name, n_renewed);
    if (is_ok && !is_renewal && !CHECK(n_renewed <= 2))
        fprintf(stderr, "  in: %s\n", hostile->name);
    struct done all[4] = {0};
    for (int i = 0; i < N_TASKS && is_ok; i += 4) {
        for (int k = 0; k < 4; k++)
            all[k].id = submit_bytes(client, hash, "", 0);
        for (int n = 0; n < 4;)
            n += wait_one(client, all, 4);
        for (int k = 0; k < 4; k++) {
            is_ok = is_ok && check_done(hostile, &all[k], &expected);
            done_clear(&all[k]);
        }
    }
}

/* Cancelled at all moments of its life: the next task of the same process is not it. */
static void test_cancel(struct pool_client *client)
{
    uint8_t hash[32];
    struct error err = {0};
    int n_cancelled = 0;
    send_text(client,
              CHANCE "int achar_value; static int seen; void achar_entry(void) {\n"
                     "    for (int i = 0; i < 2000; i++) seen += chance();\n"
                     "    achar_value = seen >= 0; }\n",
              hash);
    for (int i = 0; i < 100; i++) {
        struct done two[2] = {{.id = submit_bytes(client, hash, "", 0)},
                              {.id = submit_bytes(client, hash, "", 0)}};
        for (int k = 0; k < i % 50; k++)
            usleep(1 + k % 7);
        CHECK_OK(pool_client_cancel(client, two[0].id, &err), err);
        struct done third = {.id = submit_bytes(client, hash, "", 0)};
        struct done all[3] = {two[0], two[1], third};
        for (int n = 0; n < 3;)
            n += wait_one(client, all, 3);
        n_cancelled += all[0].outcome.kind == OUTCOME_INTERRUPTED;
        for (int k = 0; k < 3; k++) {
            bool is_ok = k == 0 && all[k].outcome.kind == OUTCOME_INTERRUPTED;
            CHECK(is_ok || (CHECK_INT(all[k].outcome.kind, OUTCOME_OK) &&
                            CHECK_STRING(all[k].outcome.value_text, "1")));
            done_clear(&all[k]);
        }
    }
    CHECK(n_cancelled > 0);
}

/* What idle job workers die of is not the next task's fault. */
static void test_idle_faults(struct pool_client *client)
{
    uint8_t hash[32];
    int pools[CHILDREN_MAX], zygotes[CHILDREN_MAX], workers[CHILDREN_MAX];
    send_text(client, "int achar_value; void achar_entry(void) { achar_value = 3; }\n",
              hash);
    CHECK_INT(find_children(getpid(), pools), 1);
    for (int i = 0; i < 60; i++) {
        struct done done = run_bytes(client, hash, "", 0);
        done_clear(&done);
        size_t n = i % 3 ? 0 : find_children(pools[0], zygotes);
        for (size_t k = 0; k < n; k++)
            for (size_t w = find_children(zygotes[k], workers), left = 2; w && left; w--)
                kill(workers[w - 1], SIGSEGV), left--; /* fewer than TASK_STARTS_MAX */
        done = run_bytes(client, hash, "", 0);
        if (!CHECK_STRING(done.outcome.value_text, "3"))
            fprintf(stderr, "  %s: %s\n", done.outcome.name, done.outcome.message);
        done_clear(&done);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s ACHAR_POOL ACHAR_WORKER [LACK]\n", argv[0]);
        return 2;
    }
    bool is_renewal = can_renew() && argc == 3;
    if (argc == 4 && take_away(argv[3]) < 0) {
        fprintf(stderr, "cannot take away '%s': %s\n", argv[3], strerror(errno));
        return argc == 4 && errno == EACCES ? 77 : 1;
    }
    char *folder = make_folder(argv[1], argv[2]);
    struct pool_client *client = start("2");
    /* AddressSanitizer gives out addresses by chance. */
    for (size_t i = IS_ASAN; i < sizeof(cases) / sizeof(*cases); i++)
        test_case(client, &cases[i], is_renewal);
    test_cancel(client);
    test_idle_faults(client);
    pool_client_free(client);
    check_nothing_left("renewal");
    remove_folder(folder);
    return check_status();
}
