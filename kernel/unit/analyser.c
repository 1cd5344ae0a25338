/* SPDX-License-Identifier: BSD-3-Clause
 *
 * achar-analyser: answers ANALYSER_* requests of the front on its channel. It holds
 * libclang under limits of memory, stack and time, and may die of hostile text: the front
 * starts a new one and tells it everything again. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "kernel/peer/channel.h"
#include "kernel/peer/orphans.h"
#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/unit/analysis.h"
#include "kernel/unit/early_compile.h"

#define STACK_SIZE                                                                       \
    (256ul << 20) /* reserved, not used: libclang recurses with the text                 \
                   */
#define ADDRESS_SPACE_MAX ((2ul << 30) + 2 * STACK_SIZE) /* more stacks: ahead.h */
#define REQUEST_SECONDS 8 /* of CPU time; then SIGPROF ends the process */
#define MAGICS_MAX 1000

struct service {
    pid_t session; /* what code of cells has started, 0: nothing */
    struct analysis *analysis;
    struct channel *channel;
    char *text; /* of the plan that was asked for, to be compiled; or NULL */
};

static void set_limits(void)
{
    struct rlimit core = {0, 0};
#ifndef ACHAR_ASAN /* whose shadow alone is larger */
    struct rlimit memory = {ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX};
    setrlimit(RLIMIT_AS, &memory);
#endif
    setrlimit(RLIMIT_CORE, &core);
    setenv("LIBCLANG_NOTHREADS", "1", 1); /* parse on this thread and its stack */
    setenv("LIBCLANG_DISABLE_CRASH_RECOVERY", "1", 1);
}

static void set_timer(int seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

struct words {
    char **at;
    size_t n;
};

static void words_clear(struct words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->at[i]);
    free(words->at);
}

static struct words read_words(struct unpack *in)
{
    struct words words = {0};
    size_t n = unpack_count(in);
    if (n > MAGICS_MAX)
        in->failed = true;
    words.at = must_alloc((in->failed ? 1 : n + 1) * sizeof(*words.at));
    for (size_t i = 0; i < n && !in->failed; i++) {
        words.at[i] = unpack_string(in);
        if (!words.at[i])
            words.at[i] = must_strdup("");
        words.n++;
    }
    return words;
}

static int answer_plan(struct service *service, struct unpack *in, struct buffer *out,
                       struct error *err)
{
    uint32_t cell = (uint32_t)unpack_max(in, UINT32_MAX);
    int mode = (int)unpack_max(in, PLAN_EXPRESSION);
    bool is_compiled = unpack_bool(in);
    CLEANUP(freep) char *source = unpack_string(in);
    CLEANUP(plan_freep) struct plan *plan = NULL;
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    int r =
        analysis_plan(service->analysis, cell, mode, source, strlen(source), &plan, err);
    if (r < 0)
        return r;
    plan_pack(plan, out);
    if (is_compiled && plan_suits_tcc(plan))
        service->text = TAKE(plan->text);
    return 0;
}

/* While the front reads the plan. */
static int send_object(struct service *service, uint32_t generation, uint32_t id,
                       struct error *err)
{
    CLEANUP(freep) char *text = TAKE(service->text);
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CLEANUP(buffer_clear) struct buffer out = {0};
    struct error ignored; /* who runs it may try again */
    bool is_ok = early_compile(text, &compiled, &ignored) == 0 && compiled.is_ok;
    pack_u64(&out, is_ok);
    pack_bytes(&out, compiled.object.data, compiled.object.size);
    return channel_send(service->channel, ANALYSER_OBJECT, generation, id, out.data,
                        out.size, err);
}

/* Magics in branches of #if that are left out are none. Owned array. */
static struct cell_segment *find_segments(struct service *service, char *source,
                                          const struct words *magics, size_t *ret_n)
{
    struct cell_names names = analysis_names(service->analysis);
    CLEANUP(freep) char *settled = must_strdup(source);
    struct cell_segment *segments = NULL;
    analysis_settle(service->analysis, settled);
    cell_segments(settled, strlen(settled), &names, (const char *const *)magics->at,
                  magics->n, &segments, ret_n);
    if (*ret_n || strcmp(source, settled) == 0)
        return segments;
    free(
        segments); /* nothing is left of it: the plan says what is wrong with it, if so */
    segments = must_alloc(sizeof(*segments));
    *segments = (struct cell_segment){
        .kind = SEGMENT_C, .line = 1, .column = 1, .size = strlen(source)};
    *ret_n = 1;
    return segments;
}

static int answer_segments(struct service *service, struct unpack *in, struct buffer *out,
                           struct error *err)
{
    CLEANUP(freep) char *source = unpack_string(in);
    CLEANUP(words_clear) struct words magics = read_words(in);
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    size_t n = 0;
    CLEANUP(freep)
    struct cell_segment *segments = find_segments(service, source, &magics, &n);
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_u64(out, (uint64_t)segments[i].kind);
        pack_u64(out, segments[i].line);
        pack_u64(out, segments[i].column);
        pack_u64(out, segments[i].start);
        pack_u64(out, segments[i].size);
    }
    return 0;
}

static int answer_complete(struct service *service, struct unpack *in, struct buffer *out,
                           struct error *err)
{
    CLEANUP(freep) char *source = unpack_string(in);
    size_t cursor = (size_t)unpack_u64(in);
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    struct candidate *candidates = NULL;
    size_t start, end, n = 0;
    analysis_complete(service->analysis, source, strlen(source), cursor, &start, &end,
                      &candidates, &n);
    pack_u64(out, start);
    pack_u64(out, end);
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_string(out, candidates[i].text);
        pack_string(out, candidates[i].type);
    }
    candidates_free(candidates, n);
    return 0;
}

static int answer_inspect(struct service *service, struct unpack *in, struct buffer *out,
                          struct error *err)
{
    CLEANUP(freep) char *source = unpack_string(in);
    size_t cursor = (size_t)unpack_u64(in);
    int detail = (int)unpack_max(in, 1);
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    CLEANUP(freep)
    char *text =
        analysis_inspect(service->analysis, source, strlen(source), cursor, detail);
    pack_string(out, text);
    return 0;
}

static int answer_expand(struct service *service, struct unpack *in, struct buffer *out,
                         struct error *err)
{
    uint32_t cell = (uint32_t)unpack_max(in, UINT32_MAX);
    uint32_t line = (uint32_t)unpack_max(in, UINT32_MAX);
    CLEANUP(freep) char *source = unpack_string(in);
    CLEANUP(freep) char *text = NULL;
    struct error why = {0};
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    int r = analysis_expand(service->analysis, cell, line, source, &text, &why);
    pack_string(out, text);
    pack_string(out, r < 0 ? why.text : "");
    return 0;
}

/* C text only: what stands in lines of magics is complete where its line ends. */
static int answer_is_complete(struct service *service, struct unpack *in,
                              struct buffer *out, struct error *err)
{
    static const char *const statuses[] = {[CELL_COMPLETE] = "complete",
                                           [CELL_INCOMPLETE] = "incomplete",
                                           [CELL_INVALID] = "invalid"};
    CLEANUP(freep) char *source = unpack_string(in);
    CLEANUP(words_clear) struct words magics = read_words(in);
    if (!unpack_done(in) || !source)
        return error_set(err, -EBADMSG, "cut short");
    struct cell_names names = analysis_names(service->analysis);
    CLEANUP(freep) struct cell_segment *segments = NULL;
    size_t n = 0;
    analysis_settle(service->analysis, source);
    cell_segments(source, strlen(source), &names, (const char *const *)magics.at,
                  magics.n, &segments, &n);
    const char *status = "complete";
    CLEANUP(freep) char *indent = NULL;
    if (n && segments[n - 1].kind == SEGMENT_C)
        status = statuses[cell_is_complete(source + segments[n - 1].start,
                                           segments[n - 1].size, &names, &indent)];
    pack_string(out, status);
    pack_string(out, indent ? indent : "");
    return 0;
}

static int set_flags(struct service *service, struct unpack *in)
{
    CLEANUP(words_clear) struct words flags = read_words(in);
    if (unpack_done(in))
        analysis_set_flags(service->analysis, (const char *const *)flags.at, flags.n);
    return 0;
}

static int set_options(struct service *service, struct unpack *in)
{
    CLEANUP(freep) char *options = unpack_string(in);
    CLEANUP(freep) char *macros = unpack_string(in);
    if (unpack_done(in))
        analysis_set_options(service->analysis, options ? options : "", macros);
    return 0;
}

static int set_session(struct service *service, struct unpack *in)
{
    pid_t session = (pid_t)unpack_max(in, INT32_MAX);
    if (unpack_done(in))
        service->session = session;
    return 0;
}

/* 1: `out` is the answer; 0: there is none. */
static int handle(struct service *service, const struct frame *frame, struct buffer *out,
                  struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    int r = 0;
    switch (frame->kind) {
    case ANALYSER_DEFINE:
        return analysis_define(service->analysis, &in, err);
    case ANALYSER_ORPHANS:
        return set_session(service, &in);
    case ANALYSER_KEEP_TYPES:
        return analysis_keep_types(service->analysis, &in, err);
    case ANALYSER_FLAGS:
        return set_flags(service, &in);
    case ANALYSER_OPTIONS:
        return set_options(service, &in);
    case ANALYSER_PLAN:
        r = answer_plan(service, &in, out, err);
        break;
    case ANALYSER_SEGMENTS:
        r = answer_segments(service, &in, out, err);
        break;
    case ANALYSER_COMPLETE:
        r = answer_complete(service, &in, out, err);
        break;
    case ANALYSER_INSPECT:
        r = answer_inspect(service, &in, out, err);
        break;
    case ANALYSER_EXPAND:
        r = answer_expand(service, &in, out, err);
        break;
    case ANALYSER_IS_COMPLETE:
        r = answer_is_complete(service, &in, out, err);
        break;
    default:
        return error_set(err, -EBADMSG, "frame of unknown kind %u", frame->kind);
    }
    return r < 0 ? r : 1;
}

static int serve_one(struct service *service, const struct frame *frame,
                     struct error *err)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    struct error why = {0};
    uint16_t kind = frame->kind;
    uint32_t generation = frame->generation, id = frame->id;
    set_timer(REQUEST_SECONDS);
    int r = handle(service, frame, &out, &why);
    if (r < 0) {
        kind = FRAME_BAD;
        out.size = 0;
        pack_string(&out, why.text);
    }
    if (r != 0)
        r = channel_send(service->channel, kind, generation, id, out.data, out.size, err);
    if (r == 0 && service->text)
        r = send_object(service, generation, id, err);
    set_timer(0);
    return r;
}

static int say_hello(struct service *service, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer hello = {0};
    pack_u64(&hello, PROTOCOL_VERSION);
    pack_u64(&hello, (uint64_t)getpid());
    pack_string(&hello, "analyser");
    return channel_send(service->channel, FRAME_HELLO, 0, 0, hello.data, hello.size, err);
}

/* The first parse costs ten times as much as the next: it happens before a cell comes. */
static void warm_up(struct service *service)
{
    static const char text[] = "int twice(int a) { return 2 * a; }\ntwice(2)";
    CLEANUP(plan_freep) struct plan *plan = NULL;
    struct error ignored;
    if (analysis_plan(service->analysis, 1, PLAN_CELL, text, sizeof(text) - 1, &plan,
                      &ignored) < 0)
        return;
}

/* The next frame, and while there is none, what can be done before it comes. */
static int next_frame(struct service *service, struct frame *ret, struct error *err)
{
    int r = channel_receive(service->channel, 0, ret, err);
    if (r != 0)
        return r;
    analysis_prepare(service->analysis);
    early_compile_begin();
    return channel_receive(service->channel, -1, ret, err);
}

static void *serve(void *context)
{
    struct service *service = context;
    struct error err = {0};
    int r = say_hello(service, &err);
    service->analysis = analysis_new();
    warm_up(service);
    while (r >= 0) {
        struct frame frame;
        r = next_frame(service, &frame, &err);
        for (size_t i = 0; r > 0 && i < frame.n_fds; i++)
            close(frame.fds[i]);
        if (r > 0)
            r = serve_one(service, &frame, &err);
    }
    orphans_end(service->session);
    if (r != -EPIPE)
        fprintf(stderr, "achar-analyser: %s\n", err.text);
    analysis_free(service->analysis);
    return NULL;
}

int main(void)
{
    struct service service = {.channel =
                                  channel_new(PROCESS_CHANNEL_FD, PROCESS_CHANNEL_FD)};
    pthread_attr_t attributes;
    pthread_t thread;
    set_limits();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int r = pthread_create(&thread, &attributes, serve, &service);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        fprintf(stderr, "achar-analyser: cannot start: %s\n", strerror(r));
        return 1;
    }
    pthread_join(thread, NULL);
    channel_free(service.channel);
    return 0;
}
