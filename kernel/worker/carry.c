/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/carry.h"

#include <stdio.h>

#include "kernel/worker/tidy.h"

void carry_start(struct carry *carry, const struct engine *engine,
                 const struct plan *plan)
{
    carry->moves = must_alloc((plan->n_bindings + 1) * sizeof(*carry->moves));
    carry->types_from = plan->types_from;
    for (size_t i = 0; i < plan->n_bindings; i++) {
        const struct binding *binding = &plan->bindings[i];
        const struct name *name = binding->kind == BINDING_VARIABLE
                                      ? names_find(&engine->names, binding->name)
                                      : NULL;
        if (!name || name->kind != NAME_VARIABLE || !name->storage)
            continue;
        carry->moves[carry->n++] = (struct value_move){.name = name->text,
                                                       .from = name->storage,
                                                       .from_size = name->size,
                                                       .from_type = name->type,
                                                       .is_carried = binding->is_carried};
    }
}

void carry_clear(struct carry *carry)
{
    free(carry->moves);
}

/* Those that have got other storage; true when one of them is to keep its value. */
static bool find_moved(struct carry *carry, const struct names *names)
{
    bool is_any = false;
    size_t n = 0;
    for (size_t i = 0; i < carry->n; i++) {
        struct value_move *move = &carry->moves[i];
        const struct name *name = names_find(names, move->name);
        if (!name || name->kind != NAME_VARIABLE || name->storage == move->from)
            continue;
        move->to = name->storage;
        move->to_size = name->size;
        move->to_type = name->type;
        is_any |= move->is_carried;
        carry->moves[n++] = *move;
    }
    carry->n = n;
    return is_any;
}

static bool is_moved(const struct carry *carry, const struct name *name)
{
    for (size_t i = 0; i < carry->n; i++)
        if (carry->moves[i].to == name->storage)
            return true;
    return false;
}

void carry_finish(struct carry *carry, struct engine *engine, bool is_quiet)
{
    const struct names *names = &engine->names;
    bool is_needed = find_moved(carry, names);
    if (!is_needed && !value_types_changed(&engine->types, carry->types_from))
        return;
    CLEANUP(freep)
    struct value_root *others = must_alloc((names->n_variables + 1) * sizeof(*others));
    struct migration migration = {.world = &engine->world,
                                  .types_from = carry->types_from,
                                  .moves = carry->moves,
                                  .n_moves = carry->n,
                                  .others = others,
                                  .keeps_blocks = tidy_has_threads()};
    for (size_t i = 0; i < names->n_variables; i++) {
        const struct name *name = names->variables[i];
        if (!is_moved(carry, name))
            others[migration.n_others++] =
                (struct value_root){name->text, name->storage, name->type, 1};
    }
    CLEANUP(buffer_clear) struct buffer note = {0};
    struct error err = {0};
    if (value_migrate(&migration, &note, &err) < 0)
        fprintf(
            stderr,
            "note: %s: variables of types that have changed start again, and pointers "
            "may lead to the old ones\n",
            err.text);
    else if (note.size && !is_quiet)
        fprintf(stderr, "note: %s\n", buffer_string(&note));
}
