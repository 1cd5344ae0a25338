/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/plan/plan.h"

#include <errno.h>
#include <string.h>

void diagnostic_clear(struct diagnostic *diagnostic)
{
    free(diagnostic->file);
    free(diagnostic->message);
    free(diagnostic->line_text);
    free(diagnostic->fixit);
    *diagnostic = (struct diagnostic){0};
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_diagnostics; i++)
        diagnostic_clear(&plan->diagnostics[i]);
    for (size_t i = 0; i < plan->n_definitions; i++)
        definition_free(plan->definitions[i]);
    for (size_t i = 0; i < plan->n_bindings; i++) {
        free(plan->bindings[i].name);
        free(plan->bindings[i].symbol);
    }
    for (size_t i = 0; i < plan->n_runs; i++)
        free(plan->runs[i]);
    for (size_t i = 0; i < plan->n_arguments; i++)
        free(plan->arguments[i]);
    free(plan->arguments);
    free(plan->diagnostics);
    free(plan->lengths);
    free(plan->definitions);
    free(plan->types);
    free(plan->text);
    free(plan->cc_reason);
    free(plan->options);
    free(plan->bindings);
    free(plan->layouts);
    free(plan->runs);
    free(plan->value_symbol);
    free(plan->main_symbol);
    free(plan->sites);
    free(plan->refs);
    free(plan->entry_text);
    free(plan->body_text);
    free(plan);
}

static void pack_diagnostic(const struct diagnostic *diagnostic, struct buffer *out)
{
    pack_u64(out, diagnostic->severity);
    pack_u64(out, diagnostic->cell);
    pack_string(out, diagnostic->file);
    pack_u64(out, diagnostic->line);
    pack_u64(out, diagnostic->column);
    pack_u64(out, diagnostic->end_column);
    pack_string(out, diagnostic->message);
    pack_string(out, diagnostic->line_text);
    pack_string(out, diagnostic->fixit);
}

static void pack_binding(const struct binding *binding, struct buffer *out)
{
    pack_u64(out, binding->kind);
    pack_string(out, binding->name);
    pack_string(out, binding->symbol);
    pack_u64(out, binding->type);
    pack_u64(out, binding->definition);
    pack_u64(out, binding->is_carried);
}

static void pack_numbers(const uint32_t *numbers, size_t n, struct buffer *out)
{
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        pack_u64(out, numbers[i]);
}

bool plan_suits_tcc(const struct plan *plan)
{
    return plan->text && !plan->has_errors && !plan->n_lengths && !plan->cc_reason &&
           !plan->is_heavy && !strstr(plan->text, "#include");
}

void plan_pack(const struct plan *plan, struct buffer *out)
{
    pack_u64(out, plan->cell);
    pack_u64(out, plan->n_diagnostics);
    for (size_t i = 0; i < plan->n_diagnostics; i++)
        pack_diagnostic(&plan->diagnostics[i], out);
    pack_u64(out, plan->has_errors);
    pack_u64(out, plan->lengths_start);
    pack_u64(out, plan->n_lengths);
    for (size_t i = 0; i < plan->n_lengths; i++) {
        pack_u64(out, plan->lengths[i].start);
        pack_u64(out, plan->lengths[i].size);
    }
    pack_u64(out, plan->n_definitions);
    for (size_t i = 0; i < plan->n_definitions; i++)
        definition_pack(plan->definitions[i], out);
    pack_u64(out, plan->types_from);
    pack_bytes(out, plan->types, plan->types_size);
    pack_string(out, plan->text);
    pack_string(out, plan->cc_reason);
    pack_string(out, plan->options);
    pack_u64(out, plan->n_bindings);
    for (size_t i = 0; i < plan->n_bindings; i++)
        pack_binding(&plan->bindings[i], out);
    pack_numbers(plan->layouts, plan->n_layouts, out);
    pack_u64(out, plan->n_runs);
    for (size_t i = 0; i < plan->n_runs; i++)
        pack_string(out, plan->runs[i]);
    pack_string(out, plan->value_symbol);
    pack_u64(out, plan->value_type);
    pack_string(out, plan->main_symbol);
    pack_u64(out, plan->main_has_arguments);
    pack_u64(out, plan->is_heavy);
    pack_u64(out, plan->n_arguments);
    for (size_t i = 0; i < plan->n_arguments; i++)
        pack_string(out, plan->arguments[i]);
    pack_u64(out, plan->n_sites);
    for (size_t i = 0; i < plan->n_sites; i++) {
        pack_u64(out, plan->sites[i].line);
        pack_u64(out, plan->sites[i].type);
    }
    pack_numbers(plan->refs, plan->n_refs, out);
    pack_string(out, plan->entry_text);
    pack_string(out, plan->body_text);
}

void plan_pack_definitions(const struct plan *plan, struct buffer *out)
{
    pack_u64(out, plan->types_from);
    pack_bytes(out, plan->types, plan->types_size);
    pack_u64(out, plan->n_definitions);
    for (size_t i = 0; i < plan->n_definitions; i++)
        definition_pack(plan->definitions[i], out);
    pack_u64(out, 0);
}

static uint32_t unpack_u32(struct unpack *in)
{
    return (uint32_t)unpack_max(in, UINT32_MAX);
}

static void unpack_diagnostics(struct unpack *in, struct plan *plan)
{
    size_t n = unpack_count(in);
    plan->diagnostics = must_alloc((n + 1) * sizeof(*plan->diagnostics));
    for (; plan->n_diagnostics < n && !in->failed; plan->n_diagnostics++) {
        struct diagnostic *diagnostic = &plan->diagnostics[plan->n_diagnostics];
        diagnostic->severity = (enum severity)unpack_max(in, SEVERITY_ERROR);
        diagnostic->cell = unpack_u32(in);
        diagnostic->file = unpack_string(in);
        diagnostic->line = unpack_u32(in);
        diagnostic->column = unpack_u32(in);
        diagnostic->end_column = unpack_u32(in);
        diagnostic->message = unpack_string(in);
        diagnostic->line_text = unpack_string(in);
        diagnostic->fixit = unpack_string(in);
    }
}

static void unpack_lengths(struct unpack *in, struct plan *plan)
{
    plan->lengths_start = (size_t)unpack_max(in, SIZE_MAX);
    size_t n = unpack_count(in);
    plan->lengths = must_alloc((n + 1) * sizeof(*plan->lengths));
    for (; plan->n_lengths < n && !in->failed; plan->n_lengths++) {
        plan->lengths[plan->n_lengths].start = (size_t)unpack_max(in, SIZE_MAX);
        plan->lengths[plan->n_lengths].size = (size_t)unpack_max(in, SIZE_MAX);
    }
}

static int unpack_definitions(struct unpack *in, struct plan *plan, struct error *err)
{
    size_t n = unpack_count(in);
    plan->definitions = must_alloc((n + 1) * sizeof(*plan->definitions));
    for (; plan->n_definitions < n && !in->failed; plan->n_definitions++) {
        int r = definition_unpack(in, &plan->definitions[plan->n_definitions], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void unpack_bindings(struct unpack *in, struct plan *plan)
{
    size_t n = unpack_count(in);
    plan->bindings = must_alloc((n + 1) * sizeof(*plan->bindings));
    for (; plan->n_bindings < n && !in->failed; plan->n_bindings++) {
        struct binding *binding = &plan->bindings[plan->n_bindings];
        binding->kind = (enum binding_kind)unpack_max(in, BINDING_STALE);
        binding->name = unpack_string(in);
        binding->symbol = unpack_string(in);
        binding->type = unpack_u32(in);
        binding->definition = unpack_u32(in);
        binding->is_carried = unpack_bool(in);
    }
}

static uint32_t *unpack_numbers(struct unpack *in, size_t *ret_n)
{
    size_t n = unpack_count(in);
    uint32_t *numbers = must_alloc((n + 1) * sizeof(*numbers));
    for (size_t i = 0; i < n; i++)
        numbers[i] = unpack_u32(in);
    *ret_n = n;
    return numbers;
}

/* Adds to *ret_n what it hands back, NULL for texts that are missing. */
static char **unpack_strings(struct unpack *in, size_t *ret_n)
{
    size_t n = unpack_count(in);
    char **texts = must_alloc((n + 1) * sizeof(*texts));
    for (; *ret_n < n && !in->failed; ++*ret_n)
        texts[*ret_n] = unpack_string(in);
    return texts;
}

static void unpack_sites(struct unpack *in, struct plan *plan)
{
    size_t n = unpack_count(in);
    plan->sites = must_alloc((n + 1) * sizeof(*plan->sites));
    for (; plan->n_sites < n && !in->failed; plan->n_sites++) {
        plan->sites[plan->n_sites].line = unpack_u32(in);
        plan->sites[plan->n_sites].type = unpack_u32(in);
    }
}

int plan_unpack(struct unpack *in, struct plan **ret, struct error *err)
{
    CLEANUP(plan_freep) struct plan *plan = must_alloc(sizeof(*plan));
    plan->cell = unpack_u32(in);
    unpack_diagnostics(in, plan);
    plan->has_errors = unpack_bool(in);
    unpack_lengths(in, plan);
    int r = unpack_definitions(in, plan, err);
    if (r < 0)
        return r;
    plan->types_from = (size_t)unpack_max(in, TYPES_MAX);
    const void *types = unpack_bytes(in, &plan->types_size);
    plan->types = must_strndup(types ? types : "", plan->types_size);
    plan->text = unpack_string(in);
    plan->cc_reason = unpack_string(in);
    plan->options = unpack_string(in);
    unpack_bindings(in, plan);
    plan->layouts = unpack_numbers(in, &plan->n_layouts);
    plan->runs = unpack_strings(in, &plan->n_runs);
    plan->value_symbol = unpack_string(in);
    plan->value_type = unpack_u32(in);
    plan->main_symbol = unpack_string(in);
    plan->main_has_arguments = unpack_bool(in);
    plan->is_heavy = unpack_bool(in);
    plan->arguments = unpack_strings(in, &plan->n_arguments);
    unpack_sites(in, plan);
    plan->refs = unpack_numbers(in, &plan->n_refs);
    plan->entry_text = unpack_string(in);
    plan->body_text = unpack_string(in);
    if (in->failed)
        return error_set(err, -EBADMSG, "the analysis of a cell cannot be read");
    *ret = TAKE(plan);
    return 0;
}
