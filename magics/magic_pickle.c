/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %pickle: definitions with all they reach, as a signed file. */
#include <string.h>

#include "magics/capture.h"
#include "pickler/payload/sign.h"

static bool find_roots(struct magic_context *context, const char **names, size_t n,
                       struct capture_roots *roots, struct result *result)
{
    const struct graph *graph = session_graph(context->session);
    CLEANUP(freep)
    const char **known = must_alloc((graph_count(graph) + 1) * sizeof(*known));
    for (size_t i = 0; i < graph_count(graph); i++)
        known[i] = graph_at(graph, i)->name;
    for (size_t i = 0; i < n; i++) {
        const struct definition *definition = graph_current(graph, names[i]);
        if (!definition) {
            const char *near = nearest_name(names[i], known, graph_count(graph));
            result_error(result, "NameError", "'%s' is not defined in this session%s%s%s",
                         names[i], near ? "; did you mean '" : "", near ? near : "",
                         near ? "'?" : "");
            return false;
        }
        capture_roots_add(roots, definition->id);
    }
    return true;
}

static int sign_and_write(const struct payload *payload, const char *path,
                          struct packed_payload *packed, struct result *result)
{
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    struct error why = {0};
    if (capture_pack(payload, packed, result) < 0)
        return -1;
    int r = sign_key_load(true, &key, &why);
    if (r == 0)
        r = sign_save(key, path, packed->bytes.data, packed->bytes.size, &why);
    if (r < 0)
        result_error(result, "PickleError", "%s", why.text);
    return r;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(capture_roots_clear) struct capture_roots roots = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    struct packed_payload packed = {0};
    size_t n = arguments->n_words;
    if (strcmp(arguments->words[n - 2], ">")) {
        result_error(result, "UsageError", "%%pickle takes NAME ... > FILE.achar");
        return 0;
    }
    if (!find_roots(context, arguments->words, n - 2, &roots, result))
        return 0;
    int r = capture(context, &roots, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    payload->cell = 0; /* there is no entry; the same state gives the same bytes */
    payload_set_names(payload, arguments->words, n - 2);
    const char *path = arguments->words[n - 1];
    CLEANUP(freep) char *where = magic_path(context, path);
    if (sign_and_write(payload, where, &packed, result) == 0)
        magic_print(context,
                    "%s: %zu definition%s, %zu bytes of state, %zu bytes signed\n", path,
                    payload->n_definitions, payload->n_definitions == 1 ? "" : "s",
                    payload->values_size, packed.bytes.size);
    buffer_clear(&packed.bytes);
    return 0;
}

const struct magic magic_pickle = {
    .name = "pickle",
    .is_line = true,
    .usage = "NAME ... > FILE.achar",
    .summary = "write definitions with all they reach, code and state, signed",
    .min_words = 3,
    .max_words = 1024,
    .run = run,
};
