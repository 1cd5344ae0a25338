/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %unpickle: the definitions and the state of a signed file become part of the session.
 */
#include <string.h>

#include "magics/capture.h"
#include "pickler/code/cc.h"
#include "pickler/payload/sign.h"

static void add_text(struct buffer *text, const char *source)
{
    if (source)
        buffer_format(text, "%s\n", source);
}

/* The definitions as a cell: what is declared first, then the bodies. */
static char *cell_text(const struct payload *payload)
{
    struct buffer text = {0};
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *d = payload->definitions[i];
        bool is_object = d->kind == DEFINITION_FUNCTION || d->kind == DEFINITION_VARIABLE;
        add_text(&text, is_object ? d->declaration : d->source);
    }
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *d = payload->definitions[i];
        bool is_object = d->kind == DEFINITION_FUNCTION || d->kind == DEFINITION_VARIABLE;
        if (is_object && !definition_is_constant(d))
            add_text(&text, d->source);
    }
    return buffer_take(&text);
}

/* How the definitions were compiled, each choice once; empty: as usual. */
static char *options_of(const struct payload *payload)
{
    struct buffer out = {0};
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const char *options = payload->definitions[i]->options;
        if (options && !strstr(buffer_string(&out), options) &&
            out.size + strlen(options) < CC_OPTIONS_MAX)
            buffer_format(&out, "%s%s", out.size ? " " : "", options);
    }
    buffer_add_string(&out, "");
    return buffer_take(&out);
}

static int run_cell(struct magic_context *context, const struct payload *payload,
                    const char *text, struct result *result, struct error *err)
{
    CLEANUP(freep) char *options = options_of(payload);
    CLEANUP(buffer_clear) struct buffer before = {0};
    session_save_options(context->session, &before);
    if (*options)
        session_set_options(context->session, options, NULL);
    int r = session_run(context->session, context->cell, context->line, text,
                        context->events, result, err);
    if (*options)
        session_restore_options(context->session, &before);
    return r;
}

static int load(struct magic_context *context, const struct payload *payload,
                struct result *result, struct error *err)
{
    CLEANUP(freep) char *text = cell_text(payload);
    int r = 0;
    for (size_t i = 0; r == 0 && i < payload->n_libraries && result->kind == RESULT_OK;
         i++)
        r = session_link(context->session, payload->libraries[i], context->events, result,
                         err);
    if (r == 0 && result->kind == RESULT_OK)
        r = run_cell(context, payload, text, result, err);
    if (r == 0 && result->kind == RESULT_OK && payload->values_size)
        r = session_load(context->session, payload->values, payload->values_size, result,
                         err);
    return r;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(buffer_clear) struct buffer file = {0};
    uint8_t signer[SIGN_KEY_SIZE];
    struct error why = {0};
    const char *path = arguments->words[0];
    CLEANUP(freep) char *where = magic_path(context, path);
    const void *bytes;
    size_t size;
    int r = sign_read(where, &file, &why);
    if (r == 0)
        r = sign_verify(file.data, file.size, &bytes, &size, signer, &why);
    if (r == 0)
        r = payload_unpack(bytes, size, &payload, &why);
    if (r < 0) {
        bool is_named = strstr(why.text, path) != NULL;
        result_error(result, "PickleError", "%s%s%s", is_named ? "" : path,
                     is_named ? "" : ": ", why.text);
        return 0;
    }
    r = load(context, payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    for (size_t i = 0; i < payload->n_names; i++)
        magic_print(context, "%s%s", i ? ", " : "", payload->names[i]);
    magic_print(context, " from %s: %zu definition%s\n", path, payload->n_definitions,
                payload->n_definitions == 1 ? "" : "s");
    return 0;
}

const struct magic magic_unpickle = {
    .name = "unpickle",
    .is_line = true,
    .usage = "FILE.achar",
    .summary = "bring what was pickled into the session",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
