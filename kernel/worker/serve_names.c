/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/serve_names.h"

#include <errno.h>
#include <string.h>

#include "kernel/display/value.h"

#define NAMES_OF_REQUEST_MAX 1000000
#define SHOWN_MAX 160 /* bytes of one value in a list */

static int bad_request(struct error *err)
{
    return error_set(err, -EBADMSG, "the request cannot be read");
}

int serve_forget(struct engine *engine, struct unpack *in, struct outcome *outcome,
                 struct buffer *rest, struct error *err)
{
    size_t n = (size_t)unpack_max(in, NAMES_OF_REQUEST_MAX);
    (void)outcome;
    (void)rest;
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *text = unpack_string(in);
        if (text)
            names_forget(&engine->names, text);
    }
    return unpack_done(in) ? 0 : bad_request(err);
}

int serve_place(struct engine *engine, struct unpack *in, struct outcome *outcome,
                struct buffer *rest, struct error *err)
{
    CLEANUP(freep) char *text = unpack_string(in);
    const struct name *name = text ? names_find(&engine->names, text) : NULL;
    bool is_found = name && name->kind == NAME_VARIABLE && name->storage;
    (void)outcome;
    pack_u64(rest, is_found ? (uint64_t)(uintptr_t)name->storage : 0);
    pack_u64(rest, is_found ? name->size : 0);
    return unpack_done(in) ? 0 : bad_request(err);
}

/* Lines and what indents them become single blanks. */
static void join_lines(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '\n') {
            *to++ = *from;
            continue;
        }
        from += strspn(from + 1, " ");
        *to++ = ' ';
    }
    *to = '\0';
}

static void show(struct engine *engine, const char *text, struct buffer *rest)
{
    static const struct display_limits limits = {.depth = 3,
                                                 .pointers = 0,
                                                 .elements = 8,
                                                 .pointed = 4,
                                                 .string = 40,
                                                 .width = SHOWN_MAX,
                                                 .bytes = SHOWN_MAX};
    const struct name *name = names_find(&engine->names, text);
    CLEANUP(buffer_clear) struct buffer value = {0};
    pack_u64(rest, name ? name->size : 0);
    if (!name || name->kind != NAME_VARIABLE || !name->storage) {
        pack_string(rest, NULL);
        return;
    }
    display_value(&engine->world, &engine->types, name->type, name->storage, &limits,
                  &value);
    CLEANUP(freep) char *line = must_strdup(buffer_string(&value));
    join_lines(line);
    pack_string(rest, line);
}

int serve_show(struct engine *engine, struct unpack *in, struct outcome *outcome,
               struct buffer *rest, struct error *err)
{
    size_t n = (size_t)unpack_max(in, NAMES_OF_REQUEST_MAX);
    (void)outcome;
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *text = unpack_string(in);
        show(engine, text ? text : "", rest);
    }
    return unpack_done(in) ? 0 : bad_request(err);
}
