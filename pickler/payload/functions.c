/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions of a payload as a translation unit of their own, to be compiled again. */
#include <errno.h>
#include <string.h>

#include "pickler/graph/emit.h"
#include "pickler/payload/payload.h"
#include "pickler/payload/unit.h"

bool payload_has_loop(const struct payload *payload)
{
    return payload->entry == PAYLOAD_MAP || payload->entry == PAYLOAD_RANGE;
}

bool payload_is_improvable(const struct payload *payload)
{
    if (payload->needs_cc || payload->is_plain || payload->entry == PAYLOAD_NONE)
        return false;
    bool has_code = payload_has_loop(payload);
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if (definition->options || definition->needs_cc)
            return false; /* what compiles it was chosen */
        has_code |= definition_is_copyable(definition);
    }
    return has_code;
}

/* It lies where libtcc has put it: arrays have no more than the alignment of their type,
 * of which compilers expect more (x86-64 psABI, section 3.1.2). Near: it is reached
 * without a table of addresses. */
static void declare_variable(struct emitter *emitter, const struct definition *definition,
                             struct buffer *out)
{
    const char *name = definition->name;
    bool is_near = definition->source && definition->declaration &&
                   !definition_is_thread_local(definition) &&
                   !definition_is_constant(definition);
    if (is_near)
        buffer_add_string(out, "#pragma GCC visibility push(hidden)\n");
    emitter_declare(emitter, definition);
    if (is_near && !strstr(definition->declaration, "[]"))
        buffer_format(out,
                      "extern __typeof__(%s) %s "
                      "__attribute__((aligned(__alignof__(__typeof__(%s)))));\n",
                      name, name, name);
    if (is_near)
        buffer_add_string(out, "#pragma GCC visibility pop\n");
}

int payload_functions(const struct payload *payload, struct buffer *out,
                      struct error *err)
{
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(payload_find, (void *)payload, out);
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if (definition->kind == DEFINITION_VARIABLE)
            declare_variable(emitter, definition, out);
        else
            emitter_declare(emitter, definition);
    }
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (definition_is_copyable(payload->definitions[i]))
            emitter_define(emitter, payload->definitions[i]);
    if (payload_has_loop(payload))
        payload_add_entry(payload, emitter, out);
    if (out->size > PAYLOAD_SIZE_MAX)
        return error_set(err, -EFBIG, "the C text of the payload has %zu bytes",
                         out->size);
    return 0;
}

/* ---- recursion -----------------------------------------------------------------------
 */

enum { ON_THE_WAY = 1, SEEN };

struct walk {
    const struct payload *payload;
    uint8_t *states; /* by id */
    struct step {
        uint32_t id;
        size_t next_ref;
    } *way;
    size_t n;
};

/* False: it is on the way already, or calls itself. */
static bool enter(struct walk *walk, uint32_t id)
{
    const struct definition *definition = payload_find((void *)walk->payload, id);
    if (!definition || definition->kind != DEFINITION_FUNCTION || !definition->source)
        return true;
    if (walk->states[id])
        return walk->states[id] == SEEN;
    walk->states[id] = ON_THE_WAY;
    walk->way[walk->n++] = (struct step){id, 0};
    return !definition_mentions_itself(definition);
}

/* True when the next step leads back. */
static bool step(struct walk *walk)
{
    struct step *last = &walk->way[walk->n - 1];
    const struct definition *at = payload_find((void *)walk->payload, last->id);
    if (last->next_ref < at->n_refs)
        return !enter(walk, at->refs[last->next_ref++]);
    walk->states[last->id] = SEEN;
    walk->n--;
    return false;
}

bool payload_is_recursive(const struct payload *payload)
{
    size_t n = payload->n_definitions + 1;
    struct walk walk = {.payload = payload,
                        .states = must_alloc(n),
                        .way = must_alloc(n * sizeof(*walk.way))};
    bool is_recursive = false;
    for (uint32_t id = 1; id < n && !is_recursive; id++) {
        is_recursive = !enter(&walk, id);
        while (!is_recursive && walk.n)
            is_recursive = step(&walk);
    }
    free(walk.states);
    free(walk.way);
    return is_recursive;
}
