/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/compile.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "kernel/peer/outcome.h"
#include "kernel/peer/protocol.h"
#include "pickler/code/cc.h"
#include "pickler/payload/layouts.h"

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
static int make_text(const void *data, size_t size, struct buffer *ret,
                     struct buffer *ret_options, struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    int r = payload_unpack(data, size, &payload, err);
    if (r < 0)
        return r;
    add_options(payload, ret_options);
    struct types layouts;
    r = payload_layouts(payload, &layouts, err);
    if (r < 0)
        return r;
    r = payload_unit(payload, &layouts, ret, err);
    types_clear(&layouts);
    return r;
}

static void compile(const void *payload, size_t size, int wake_fd, struct outcome *ret,
                    struct buffer *ret_object)
{
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    char *messages = NULL;
    CLEANUP(buffer_clear) struct buffer chosen = {0};
    int r = make_text(payload, size, &text, &chosen, &err);
    if (r < 0) {
        ret->kind = OUTCOME_REFUSED;
        ret->name = must_strdup("BadPayload");
        ret->message = must_strdup(err.text);
        return;
    }
    struct cc_options options = {.wake_fd = wake_fd,
                                 .is_cached = true,
                                 .is_whole = true,
                                 .chosen = buffer_string(&chosen)};
    r = cc_compile(buffer_string(&text), &options, ret_object, &messages, &err);
    if (r == 0)
        return;
    ret->kind = OUTCOME_COMPILE;
    ret->name = must_strdup("CompileError");
    ret->message = r < 0 ? must_strdup(err.text) : messages;
}

int compile_serve(struct channel *channel)
{
    struct frame frame;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (channel_receive(channel, -1, &frame, NULL) == 1) {
        struct unpack in = unpack_init(frame.data, frame.size);
        size_t size;
        const void *payload = unpack_bytes(&in, &size);
        if (frame.kind != COMPILER_RUN || !unpack_done(&in))
            return 1;
        struct outcome outcome = {0};
        struct buffer object = {0}, body = {0};
        compile(payload, size, channel_fd(channel), &outcome, &object);
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
