/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/compile.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "kernel/peer/outcome.h"
#include "kernel/peer/protocol.h"
#include "pickler/code/cc.h"
#include "pickler/payload/layouts.h"
#include "pickler/payload/recipe.h"

#define NICENESS 10 /* of what nobody waits for */

/* What a payload may ask of a compiler: nothing that names files or runs programs. */
static bool is_harmless(const char *word, size_t size)
{
    static const char *const starts[] = {"-std=", "-O", "-D", "-U", "-m", "-W"};
    if (*word != '-')
        return !memchr(word, '/', size);
    if (memchr(word, '/', size) || memchr(word, '@', size) || memchr(word, ',', size))
        return false;
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
        if (!strncmp(word, starts[i], strlen(starts[i])))
            return true;
    return !strncmp(word, "-f", 2) && !memchr(word, '=', size);
}

/* Those of all its definitions, the newest last. */
static void add_options(const struct payload *payload, struct buffer *out)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const char *at = payload->definitions[i]->options;
        while (at && *at && out->size < CC_OPTIONS_MAX) {
            size_t size = strcspn(at, " ");
            if (size && is_harmless(at, size))
                buffer_format(out, "%s%.*s", out->size ? " " : "", (int)size, at);
            at += size + (at[size] == ' ');
        }
    }
}

/* The unit's text, as the zygote makes it (kernel/worker/job.c): layouts are numbered by
 * the payload's table with the types of its values behind. */
static int make_text(struct payload *payload, struct buffer *ret, struct error *err)
{
    struct types layouts;
    int r = payload_layouts(payload, &layouts, err);
    if (r < 0)
        return r;
    r = payload_unit(payload, &layouts, ret, err);
    types_clear(&layouts);
    return r;
}

static void refuse(struct outcome *ret, const struct error *err)
{
    ret->kind = OUTCOME_REFUSED;
    ret->name = must_strdup("BadPayload");
    ret->message = must_strdup(err->text);
}

static void run_compiler(const char *text, const struct cc_options *options,
                         struct outcome *ret, struct buffer *ret_object)
{
    struct error err = {0};
    char *messages = NULL;
    int r = cc_compile(text, options, ret_object, &messages, &err);
    if (r == 0)
        return;
    ret->kind = OUTCOME_COMPILE;
    ret->name = must_strdup(r == -ENOENT            ? COMPILER_NONE
                            : options->is_only_kept ? COMPILER_UNKNOWN
                                                    : "CompileError");
    ret->message = r < 0 ? must_strdup(err.text) : messages;
}

static void compile_whole(struct payload *payload, int wake_fd, struct outcome *ret,
                          struct buffer *ret_object)
{
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    CLEANUP(buffer_clear) struct buffer chosen = {0};
    add_options(payload, &chosen);
    if (make_text(payload, &text, &err) < 0) {
        refuse(ret, &err);
        return;
    }
    struct cc_options options = {.wake_fd = wake_fd,
                                 .is_cached = true,
                                 .is_whole = true,
                                 .chosen = buffer_string(&chosen)};
    run_compiler(buffer_string(&text), &options, ret, ret_object);
}

/* As the session's optimised tier compiles: faults stay faults, and where a tail call is
 * a jump, a fault behind it has lost the line. Recursion needs the jumps. */
static void compile_functions(const struct payload *payload, bool is_only_kept,
                              int wake_fd, struct outcome *ret, struct buffer *ret_object)
{
    static const char *const flags[] = {"-fno-delete-null-pointer-checks",
                                        "-fno-optimize-sibling-calls"};
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    if (payload_functions(payload, &text, &err) < 0) {
        refuse(ret, &err);
        return;
    }
    if (!is_only_kept)
        setpriority(PRIO_PROCESS, 0, NICENESS);
    struct cc_options options = {.flags = flags,
                                 .n_flags = payload_is_recursive(payload) ? 1 : 2,
                                 .wake_fd = wake_fd,
                                 .is_cached = true,
                                 .is_only_kept = is_only_kept,
                                 .is_whole = true};
    run_compiler(buffer_string(&text), &options, ret, ret_object);
}

static void compile(const void *data, size_t size, enum compiler_wish wish, int wake_fd,
                    struct outcome *ret, struct buffer *ret_object)
{
    struct error err = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    if (recipe_open_any(data, size, NULL, 0, &payload, &err) < 0)
        refuse(ret, &err);
    else if (wish == COMPILER_WHOLE)
        compile_whole(payload, wake_fd, ret, ret_object);
    else
        compile_functions(payload, wish == COMPILER_KEPT, wake_fd, ret, ret_object);
}

int compile_serve(struct channel *channel)
{
    struct frame frame;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (channel_receive(channel, -1, &frame, NULL) == 1) {
        struct unpack in = unpack_init(frame.data, frame.size);
        size_t size;
        const void *payload = unpack_bytes(&in, &size);
        enum compiler_wish wish = (enum compiler_wish)unpack_max(&in, COMPILER_KEPT);
        if (frame.kind != COMPILER_RUN || !unpack_done(&in))
            return 1;
        struct outcome outcome = {0};
        struct buffer object = {0}, body = {0};
        compile(payload, size, wish, channel_fd(channel), &outcome, &object);
        outcome_pack(&outcome, &body);
        pack_bytes(&body, object.data, object.size);
        int r =
            channel_send(channel, COMPILER_RUN, 0, frame.id, body.data, body.size, NULL);
        outcome_clear(&outcome);
        buffer_clear(&object);
        buffer_clear(&body);
        if (r < 0)
            return 1;
    }
    return 0;
}
