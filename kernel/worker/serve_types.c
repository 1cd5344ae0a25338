/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/serve_types.h"

#include <errno.h>

#include "kernel/worker/tidy.h"

static void keep(const struct engine *engine, bool *is_kept, uint32_t id)
{
    if (id < engine->types.n)
        is_kept[id] = true;
}

/* Of names, of where loaded code allocates, and of what it has allocated. */
static void keep_ours(const struct engine *engine, bool *is_kept)
{
    const struct names *names = &engine->names;
    for (size_t i = 0; i < names->n; i++)
        keep(engine, is_kept, names->all[i]->type);
    for (size_t i = 0; i < names->n_units; i++)
        for (size_t k = 0; k < names->by_code[i]->n_sites; k++)
            keep(engine, is_kept, names->by_code[i]->sites[k].type);
    if (!tidy_keep_types(engine, is_kept))
        for (size_t i = 0; i < engine->types.n; i++)
            is_kept[i] = true;
}

int serve_keep_types(struct engine *engine, struct unpack *in, struct outcome *outcome,
                     struct buffer *rest, struct error *err)
{
    struct types *types = &engine->types;
    CLEANUP(freep) bool *is_kept = must_alloc(types->n * sizeof(*is_kept));
    (void)outcome;
    if (!types_unpack_kept(in, types, is_kept) || !unpack_done(in))
        return error_set(err, -EBADMSG, "the list of types cannot be read");
    keep_ours(engine, is_kept);
    types_reach(types, is_kept);
    types_empty(types, is_kept);
    types_pack_kept(types, is_kept, rest);
    return 0;
}
