/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The real zygote with tasks that need no compiler. A payload is a word, "ok" or how it
 * fails, "first FILE" for all but one; a task is a word and an argument, for example
 * "echo hello". */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "kernel/peer/channel.h"
#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/renewal.h"
#include "kernel/worker/zygote.h"

static char large[12 << 20]; /* more than is put back */
static int task_channel;
static uint32_t task_id;
static int count; /* a task must never see what another has counted */

static void load(void *context, const struct zygote_payload *payload,
                 struct zygote_object object, struct outcome *ret)
{
    CLEANUP(freep) char *word = must_strndup(payload->data, payload->size);
    if (strncmp(word, "die", 3) == 0)
        raise(SIGKILL);
    if (strncmp(word, "slow", 4) == 0)
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    bool is_second = strncmp(word, "first ", 6) == 0 && unlink(word + 6) < 0;
    if (strncmp(word, "refused", 7) == 0 || is_second) {
        ret->kind = OUTCOME_REFUSED;
        ret->name = must_strdup("Refused");
        ret->message = must_strdup("this payload is refused");
    }
}

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0)
        ;
}

/* A background process that leaves the group and one that does not; both would outlive
 * the task. */
static void leave_behind(void)
{
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            if (i)
                setsid();
            execlp("sleep", "achar-test-sleep", "1000", (char *)NULL);
            _exit(1);
        }
}

static void print_lines(int n)
{
    for (int i = 0; i < n; i++) {
        printf("line %d\n", i);
        if (i % 2)
            fprintf(stderr, "error %d\n", i);
    }
}

/* Without a system call. */
static void spin_ms(long ms)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (end.tv_nsec + ms * 1000000) / 1000000000;
    end.tv_nsec = (end.tv_nsec + ms * 1000000) % 1000000000;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < end.tv_sec ||
           (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

/* Leaves a trace of having begun: "FILE NUMBER". */
static void note(const char *text, struct buffer *result)
{
    const char *number = strrchr(text, ' ');
    CLEANUP(freep) char *path = must_strndup(text, (size_t)(number - text));
    FILE *file = fopen(path, "ae");
    if (file) {
        fprintf(file, "%s\n", number + 1);
        fclose(file);
    }
    spin_ms(2);
    buffer_add_string(result, number + 1);
}

/* Says of `n` bytes in memory that they are its result, as user code might that has found
 * the channel: a file that anybody can change, or with less in it. */
static void forge(size_t n, bool is_sealed)
{
    struct buffer body = {0};
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    int fd = is_sealed ? memory_file_make(&part, 1) : memfd_create("forged", MFD_CLOEXEC);
    pack_u64(&body, n);
    if (fd < 0 || (!is_sealed && ftruncate(fd, (off_t)n) < 0) ||
        channel_send_small(task_channel, TASK_DONE_FILE, 0, task_id, body.data, body.size,
                           &fd, 1) < 0)
        _exit(1);
    pause_ms(1000000); /* till the pool has no more use for it */
}

static void do_task(const void *argument, size_t size, struct outcome *ret,
                    struct buffer *result)
{
    CLEANUP(freep) char *text = must_strndup(argument, size);
    char *rest = strchr(text, ' ');
    if (rest)
        *rest++ = '\0';
    int n = rest ? (int)strtol(rest, NULL, 10) : 0;
    if (strcmp(text, "echo") == 0)
        buffer_add_string(result, rest ? rest : "");
    else if (strcmp(text, "spin") == 0)
        spin_ms(2), buffer_format(result, "%d", n);
    else if (strcmp(text, "note") == 0)
        note(rest, result);
    else if (strcmp(text, "dirty") == 0)
        memset(large, n, sizeof(large)), buffer_format(result, "%d", n);
    else if (strcmp(text, "count") == 0)
        buffer_format(result, "%d", ++count);
    else if (strcmp(text, "pid") == 0)
        buffer_format(result, "%d %d", (int)getpid(), (int)getppid());
    else if (strcmp(text, "print") == 0)
        print_lines(n);
    else if (strcmp(text, "text") == 0)
        printf("%s", rest ? rest : ""); /* no newline: stays in the buffer */
    else if (strcmp(text, "say-and-sleep") == 0)
        printf("at once\n"), pause_ms(n);
    else if (strcmp(text, "sleep") == 0)
        pause_ms(n);
    else if (strcmp(text, "kill") == 0)
        printf("last words\n"), kill(getpid(), n);
    else if (strcmp(text, "exit") == 0)
        syscall(SYS_exit_group, n);
    else if (strcmp(text, "deaf") == 0)
        signal(SIGINT, SIG_IGN), pause_ms(1000000);
    else if (strcmp(text, "flood") == 0)
        for (;;)
            puts("flood");
    else if (strcmp(text, "leave") == 0)
        leave_behind();
    else if (strcmp(text, "fork") == 0)
        fork();
    else if (strcmp(text, "big") == 0)
        buffer_reserve(result, (size_t)n), memset(result->data, 'b', (size_t)n),
            result->size = (size_t)n;
    else if (strcmp(text, "forge") == 0)
        forge((size_t)n, false);
    else if (strcmp(text, "forge-sealed") == 0)
        forge((size_t)n, true);
    else if (strcmp(text, "size") == 0)
        buffer_format(result, "%zu", size);
    else
        ret->kind = OUTCOME_FAULT, ret->name = must_strdup("SIGILL");
}

static void begin(void *context, int fd, void *ledger)
{
    (void)context;
    (void)ledger;
    task_channel = fd;
}

static void begin_task(void *context, uint32_t id)
{
    (void)context;
    task_id = id;
}

static void run(void *context, const void *argument, size_t size, struct outcome *ret,
                struct buffer *result)
{
    (void)context;
    renewal_watch();
    do_task(argument, size, ret, result);
    renewal_unwatch();
}

int main(void)
{
    struct zygote_work work = {
        .load = load, .begin = begin, .begin_task = begin_task, .run = run};
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    return zygote_serve(&work);
}
