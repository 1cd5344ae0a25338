/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/tier_unit.h"

#include <string.h>

/* Where a tail call is a jump, a fault in the library function that it goes to has lost
 * the line. */
#define KEEPS_FRAMES "-fno-optimize-sibling-calls"

struct making { /* of one unit */
    struct tier *tier;
    struct tier_scope scope;
    uint32_t roots[TIER_ROOTS_MAX];
    size_t n_roots;
    bool is_recursive; /* all roots are, or none is */
    struct tier_text text;
    struct tier_job *job;
};

/* NULL: something else has taken its name. */
static const struct definition *in_force(const struct making *making,
                                         const struct tier_function *function)
{
    const struct definition *now = tier_current(&making->scope, function->name);
    return now && now->id == function->id ? now : NULL;
}

static bool has_same_options(const struct making *making,
                             const struct definition *definition)
{
    const char *own = definition->options, *first = making->scope.options;
    return own && first ? strcmp(own, first) == 0 : !own && !first;
}

/* Those that wait, the newest first; one that must be alone is. */
static void choose_roots(struct making *making)
{
    struct tier *tier = making->tier;
    for (size_t i = tier->n_functions; i-- > 0;) {
        struct tier_function *function = &tier->functions[i];
        if (function->state != TIER_WAITING)
            continue;
        const struct definition *definition = in_force(making, function);
        if (!definition) {
            tier_function_remove(tier, function);
            continue;
        }
        if (making->n_roots == TIER_ROOTS_MAX ||
            (making->n_roots &&
             (function->is_alone || !has_same_options(making, definition) ||
              tier_is_recursive(&making->scope, definition) != making->is_recursive)))
            continue;
        if (!making->n_roots) {
            making->scope.options = definition->options;
            making->is_recursive = tier_is_recursive(&making->scope, definition);
        }
        making->roots[making->n_roots++] = function->id;
        if (function->is_alone)
            return;
    }
}

static struct tier_function *find_by_id(const struct tier *tier,
                                        const struct definition *definition)
{
    struct tier_function *function = tier_find(tier, definition->name);
    return function && function->id == definition->id ? function : NULL;
}

static size_t position(const struct tier_text *text, uint32_t id)
{
    for (size_t i = 0; i < text->n_functions; i++)
        if (text->functions[i]->id == id)
            return i;
    return 0;
}

static void pack_sites(const struct definition *definition, struct buffer *out)
{
    pack_u64(out, definition->cell);
    pack_u64(out, definition->n_sites);
    for (size_t i = 0; i < definition->n_sites; i++) {
        pack_u64(out, definition->sites[i].line);
        pack_u64(out, definition->sites[i].type);
    }
}

/* What waits and is compiled in anyway becomes a root, too. */
static void add_member(struct making *making, const struct definition *definition)
{
    struct buffer *out = &making->job->request;
    struct tier_function *function = find_by_id(making->tier, definition);
    bool is_chosen = false;
    for (size_t i = 0; i < making->n_roots; i++)
        is_chosen |= making->roots[i] == definition->id;
    bool is_alone = function && function->is_alone;
    bool is_root = function && function->state == TIER_WAITING &&
                   (is_chosen || (!is_alone && !making->is_recursive));
    pack_string(out, definition->name);
    pack_u64(out, definition->id);
    pack_u64(out, is_root);
    if (is_root) {
        free(function->needs);
        tier_text_needs(&making->scope, &making->text, definition, &function->needs,
                        &function->n_needs);
        function->serial = making->job->serial;
        tier_function_set(making->tier, function, TIER_COMPILING);
    }
    size_t n = is_root ? function->n_needs : 0;
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        pack_u64(out, position(&making->text, function->needs[i]));
    pack_sites(definition, out);
}

static void add_flags(const struct making *making, char **flags, size_t n)
{
    struct tier_job *job = making->job;
    const struct tier_level *level = making->tier->level;
    job->flags = must_alloc((n + 5) * sizeof(*job->flags));
    for (size_t i = 0; i < n; i++)
        job->flags[job->n_flags++] = must_strdup(flags[i]);
    for (size_t i = 0; level->flags[i]; i++)
        job->flags[job->n_flags++] = must_strdup(level->flags[i]);
    if (!making->is_recursive)
        job->flags[job->n_flags++] = must_strdup(KEEPS_FRAMES);
}

/* A root that did not come into the unit can never do. */
static void refuse_missing(struct making *making)
{
    struct tier *tier = making->tier;
    for (size_t i = 0; i < making->n_roots; i++)
        for (size_t k = 0; k < tier->n_functions; k++)
            if (tier->functions[k].id == making->roots[i] &&
                tier->functions[k].state == TIER_WAITING)
                tier_function_refuse(tier, &tier->functions[k], "it is too large");
}

static void list_refused(const struct tier *tier, uint32_t **ret, size_t *ret_n)
{
    *ret = must_alloc((tier->n_state[TIER_REFUSED] + 1) * sizeof(**ret));
    for (size_t i = 0; i < tier->n_functions; i++)
        if (tier->functions[i].state == TIER_REFUSED)
            (*ret)[(*ret_n)++] = tier->functions[i].id;
}

bool tier_unit_make(struct tier *tier, const struct tier_context *context)
{
    struct making making = {.tier = tier, .scope = context->scope};
    CLEANUP(freep) uint32_t *refused = NULL;
    choose_roots(&making);
    if (!making.n_roots)
        return false;
    list_refused(tier, &refused, &making.scope.n_refused);
    making.scope.refused = refused;
    tier_text_make(&making.scope, making.roots, making.n_roots, &making.text);
    making.job = must_alloc(sizeof(*making.job));
    making.job->serial = tier->next_serial++;
    pack_u64(&making.job->request, making.job->serial);
    pack_u64(&making.job->request, making.text.n_functions);
    for (size_t i = 0; i < making.text.n_functions; i++)
        add_member(&making, making.text.functions[i]);
    refuse_missing(&making);
    making.job->chosen = must_strdup(making.scope.options);
    add_flags(&making, context->flags, context->n_flags);
    making.job->text = buffer_take(&making.text.text);
    tier_text_clear(&making.text);
    tier_compiler_push(tier->compiler, making.job);
    return true;
}
