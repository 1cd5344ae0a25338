/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/closure.h"

#include <string.h>

#include "kernel/peer/protocol.h"
#include "pickler/payload/payload.h"

#define STATE_MAX (8u << 20) /* bytes of all values that a program starts with */

void closure_clear(struct closure *closure)
{
    buffer_clear(&closure->text);
    free(closure->options);
    closure->options = NULL;
}

/* The session's definitions and types, and those of a plan that is not part of it. */
struct scratch {
    struct graph *graph;
    struct types types;
};

static void scratch_clear(struct scratch *scratch)
{
    graph_free(scratch->graph);
    types_clear(&scratch->types);
}

static int copy_types(const struct types *from, const struct plan *plan,
                      struct types *ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    types_pack(from, 1, &bytes);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    int r = types_unpack(ret, &in, err);
    if (r < 0)
        return r;
    in = unpack_init(plan->types, plan->types_size);
    return types_unpack(ret, &in, err);
}

static int scratch_init(struct scratch *scratch, const struct session *session,
                        const struct plan *plan, struct error *err)
{
    const struct graph *graph = session_graph(session);
    scratch->graph = graph_new();
    types_init(&scratch->types);
    for (size_t i = 0; i < graph_count(graph); i++)
        graph_add(scratch->graph, definition_copy(graph_at(graph, i)));
    for (size_t i = 0; i < graph_count(graph); i++)
        if (!graph_current(graph, graph_at(graph, i)->name))
            graph_forget(scratch->graph, graph_at(graph, i)->name);
    for (size_t i = 0; i < plan->n_definitions; i++)
        graph_add(scratch->graph, definition_copy(plan->definitions[i]));
    return copy_types(session_types(session), plan, &scratch->types, err);
}

/* ---- state ---- */

static bool is_of_plan(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_definitions; i++)
        if (!strcmp(plan->definitions[i]->name, name))
            return true;
    return false;
}

/* Variables that are there and that code can set, sorted. */
static void find_variables(const struct payload *payload, const struct plan *plan,
                           const char ***ret, size_t *ret_n)
{
    const char **names = must_alloc((payload->n_definitions + 1) * sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *at = payload->definitions[i];
        const struct type *type = types_get(&payload->types, at->type);
        while (type->kind == TYPE_ARRAY)
            type = types_get(&payload->types, type->target);
        bool is_fixed = type->is_const && at->source && strchr(at->source, '=');
        if (at->kind == DEFINITION_VARIABLE && !is_fixed && !is_of_plan(plan, at->name) &&
            !definition_is_thread_local(at))
            names[n++] = at->name;
    }
    *ret = names;
    *ret_n = n;
}

static void add_value(struct buffer *out, const char *name, const struct buffer *bytes)
{
    size_t n_zeros = 0;
    while (n_zeros < bytes->size && !bytes->data[n_zeros])
        n_zeros++;
    if (n_zeros == bytes->size) {
        buffer_format(out, "__builtin_memset((void *)&%s, 0, %zu);\n", name, bytes->size);
        return;
    }
    buffer_format(out, "__builtin_memcpy((void *)&%s, \"", name);
    for (size_t i = 0; i < bytes->size; i++)
        buffer_format(out, "\\%03o", (unsigned char)bytes->data[i]);
    buffer_format(out, "\", %zu);\n", bytes->size);
}

static void tell_left_out(struct magic_context *context, const struct buffer *names)
{
    if (!names->size)
        return;
    CLEANUP(freep)
    char *text = must_format("initial values, not those of the session, in the program: "
                             "%s (they hold pointers, or too much)\n",
                             names->data);
    context->events->stream(context->events->context, true, text, strlen(text));
}

static int add_state(struct magic_context *context, const struct payload *payload,
                     const struct plan *plan, struct buffer *out, struct result *result,
                     struct error *err)
{
    CLEANUP(freep) const char **names = NULL;
    CLEANUP(buffer_clear) struct buffer left_out = {0};
    size_t n = 0, total = 0;
    find_variables(payload, plan, &names, &n);
    CLEANUP(freep) struct buffer *values = must_alloc((n + 1) * sizeof(*values));
    int r = session_bytes(context->session, names, n, STATE_MAX, values, result, err);
    buffer_add_string(out, "static void achar_state(void)\n{\n");
    for (size_t i = 0; i < n; i++) {
        total += values[i].size;
        if (values[i].size && total <= STATE_MAX)
            add_value(out, names[i], &values[i]);
        else
            buffer_format(&left_out, "%s'%s'", left_out.size ? ", " : "", names[i]);
        buffer_clear(&values[i]);
    }
    buffer_add_string(out, "}\n");
    if (r == 0 && result->kind == RESULT_OK)
        tell_left_out(context, &left_out);
    return r;
}

/* ---- the program ---- */

/* Where the cell defines main, its statements run before that. */
static void add_main(const struct plan *plan, struct buffer *out)
{
    const char *entry = plan->entry_text ? "achar_entry();" : "";
    if (plan->main_symbol)
        buffer_format(out,
                      "__attribute__((constructor)) static void achar_start(void)\n"
                      "{ achar_state(); %s }\n",
                      entry);
    else
        buffer_format(out, "int main(void) { achar_state(); %s return 0; }\n", entry);
}

static int write_program(struct magic_context *context, const struct plan *plan,
                         struct payload *payload, struct closure *ret,
                         struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer rest = {0};
    payload_make_program(payload);
    if (plan->entry_text)
        buffer_format(&rest, "#line 1 \"In[%u]\"\n%s\n", plan->cell, plan->entry_text);
    buffer_add_string(&rest, "#line 1 \"achar\"\n");
    int r = add_state(context, payload, plan, &rest, result, err);
    add_main(plan, &rest);
    payload_program(payload, true, buffer_string(&rest), &ret->text);
    ret->options = plan->options ? must_strdup(plan->options) : NULL;
    return r;
}

static void find_roots(const struct plan *plan, uint32_t **ret, size_t *ret_n)
{
    uint32_t *ids = must_alloc((plan->n_refs + plan->n_definitions + 1) * sizeof(*ids));
    size_t n = 0;
    for (size_t i = 0; i < plan->n_refs; i++)
        ids[n++] = plan->refs[i];
    for (size_t i = 0; i < plan->n_definitions; i++)
        ids[n++] = plan->definitions[i]->id;
    *ret = ids;
    *ret_n = n;
}

int closure_make(struct magic_context *context, uint32_t line, const char *text,
                 struct closure *ret, struct result *result, struct error *err)
{
    CLEANUP(plan_freep) struct plan *plan = NULL;
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(scratch_clear) struct scratch scratch = {0};
    CLEANUP(freep) uint32_t *roots = NULL;
    struct error why = {0};
    size_t n_roots = 0;
    int r = session_plan(context->session, context->cell, line, PLAN_CELL, text, &plan,
                         result, err);
    if (r < 0 || !plan)
        return r;
    r = scratch_init(&scratch, context->session, plan, err);
    if (r < 0)
        return r;
    find_roots(plan, &roots, &n_roots);
    if (payload_new_program(scratch.graph, &scratch.types, roots, n_roots, &payload,
                            &why) < 0) {
        result_error(result, "CompileError", "%s", why.text);
        return 0;
    }
    return write_program(context, plan, payload, ret, result, err);
}
