/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/redirect.h"

#include <errno.h>

#include "pickler/code/machine.h"

static void *resolve(void *context, const char *text, bool is_thread_local)
{
    struct names *names = context;
    if (!is_thread_local)
        return names_resolve(names, text);
    const struct name *name = names_find(names, text);
    return name && name->kind == NAME_THREAD ? (void *)&name->thread : NULL;
}

static bool is_old_function(const struct names *names, const struct name *name)
{
    return name && name->kind == NAME_FUNCTION && !name->trampoline && name->body &&
           arena_has_code(names->arena, name->body);
}

/* The address of the old body, which stays the function's. */
static void *shown(void *context, const char *text, bool is_thread_local)
{
    const struct names *names = context;
    const struct name *name = names_find(names, text);
    (void)is_thread_local;
    return is_old_function(names, name) ? name->body : NULL;
}

static void redirect_all(struct names *names, const struct image *image)
{
    for (size_t i = 0; i < image->n_symbols; i++) {
        const struct image_symbol *symbol = &image->symbols[i];
        const struct name *name = symbol->is_function && !symbol->is_local
                                      ? names_find(names, symbol->name)
                                      : NULL;
        if (is_old_function(names, name) &&
            machine_write_redirect(name->body, symbol->address))
            machine_code_written(name->body, machine_redirect_size);
    }
}

int redirect_load(struct names *names, const void *object, size_t size, struct unit **ret,
                  struct error *err)
{
    CLEANUP(image_freep) struct image *image = NULL;
    int r = image_open(names->arena, object, size, &image, err);
    if (r < 0)
        return r;
    if (image->n_initialisers)
        return error_set(err, -EINVAL, "the unit has constructors");
    image->shown = shown;
    r = image_relocate(image, resolve, names, err);
    if (r < 0)
        return r;
    redirect_all(names, image);
    *ret = names_keep(names, TAKE(image));
    return 0;
}

bool redirect_may_resume(const struct names *names, const void *address)
{
    const struct unit *unit = names_unit(names, address);
    const struct image_symbol *symbol =
        unit ? image_symbol_at(unit->image, address) : NULL;
    size_t offset = symbol ? (size_t)((const char *)address - symbol->address) : 0;
    return !symbol || !symbol->is_function || !offset || offset >= machine_redirect_size;
}
