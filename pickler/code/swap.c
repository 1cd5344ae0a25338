/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/swap.h"

#include <errno.h>
#include <string.h>

struct swap {
    struct names *names;
    struct image *image;
    struct name **members; /* in order of those asked for */
    const struct swap_member *asked;
    size_t n;
};

static void swapped_free(struct swapped *swapped)
{
    for (size_t i = 0; i < swapped->n_roots; i++)
        free(swapped->roots[i].needs);
    free(swapped->roots);
    free(swapped);
}

void swap_clear(struct names *names)
{
    for (size_t i = 0; i < names->n_swapped; i++)
        swapped_free(names->swapped[i]);
    free(names->swapped);
    names->swapped = NULL;
    names->n_swapped = names->swapped_capacity = 0;
}

static bool is_used(const struct swapped_root *root)
{
    return root->name->trampoline && root->name->body == root->body;
}

static bool needs(const struct swapped_root *root, const struct name *member)
{
    for (size_t i = 0; i < root->n_needs; i++)
        if (root->needs[i] == member)
            return true;
    return false;
}

/* Takes back the roots that need the member (NULL: all), and forgets those, and others
 * whose place a newer unit has taken. */
static void take_back(struct names *names, size_t index, const struct name *member,
                      bool is_all)
{
    struct swapped *swapped = names->swapped[index];
    size_t n = 0;
    for (size_t i = 0; i < swapped->n_roots; i++) {
        struct swapped_root *root = &swapped->roots[i];
        bool is_over = is_all || (member && needs(root, member));
        if (is_used(root) && is_over)
            names_set_body(names, root->name, root->name->bound);
        if (is_used(root) && !is_over)
            swapped->roots[n++] = *root;
        else
            free(root->needs);
    }
    swapped->n_roots = n;
    if (n)
        return;
    swapped_free(swapped);
    names->swapped[index] = names->swapped[--names->n_swapped];
}

void swap_take_back(struct names *names, const struct name *member)
{
    for (size_t i = names->n_swapped; i-- > 0;)
        take_back(names, i, member, false);
}

void swap_take_back_all(struct names *names)
{
    while (names->n_swapped)
        take_back(names, names->n_swapped - 1, NULL, true);
}

bool swap_is_optimised(const struct name *name)
{
    return name->kind == NAME_FUNCTION && name->trampoline && name->body != name->bound;
}

static int check(struct swap *swap, uint32_t serial, struct error *err)
{
    const struct names *names = swap->names;
    for (size_t i = 0; i < names->n_swapped; i++)
        if (names->swapped[i]->serial == serial)
            return error_set(err, -EEXIST, "unit %u is in use already", serial);
    for (size_t i = 0; i < swap->n; i++) {
        const struct swap_member *asked = &swap->asked[i];
        const struct name *name = names_find(names, asked->name);
        if (!name || name->kind != NAME_FUNCTION || !name->trampoline ||
            !asked->version || name->version != asked->version)
            return error_set(err, -ESTALE, "'%s' has been defined again since",
                             asked->name);
        swap->members[i] = (struct name *)name;
    }
    return 0;
}

static void *resolve(void *context, const char *text, bool is_thread_local)
{
    struct swap *swap = context;
    if (!is_thread_local)
        return names_resolve(swap->names, text);
    const struct name *name = names_find(swap->names, text);
    return name && name->kind == NAME_THREAD ? (void *)&name->thread : NULL;
}

static void *shown(void *context, const char *text, bool is_thread_local)
{
    const struct swap *swap = context;
    const struct name *name = names_find(swap->names, text);
    (void)is_thread_local;
    return name ? name->trampoline : NULL;
}

static void add_root(const struct swap *swap, struct swapped *swapped, size_t index,
                     char *body)
{
    const struct swap_member *asked = &swap->asked[index];
    struct swapped_root root = {.name = swap->members[index], .body = body};
    root.needs = must_alloc((asked->n_needs + 1) * sizeof(struct name *));
    root.needs[root.n_needs++] = root.name;
    for (size_t i = 0; i < asked->n_needs; i++)
        if (asked->needs[i] < swap->n && asked->needs[i] != index)
            root.needs[root.n_needs++] = swap->members[asked->needs[i]];
    swapped->roots[swapped->n_roots++] = root;
}

static int find_roots(const struct swap *swap, struct swapped *swapped, struct error *err)
{
    for (size_t i = 0; i < swap->n; i++) {
        if (!swap->asked[i].is_root)
            continue;
        char *body = image_address(swap->image, swap->asked[i].name);
        if (!body)
            return error_set(err, -EINVAL, "the unit does not define '%s'",
                             swap->asked[i].name);
        add_root(swap, swapped, i, body);
    }
    return 0;
}

static int load(struct swap *swap, struct swapped *swapped, struct unit **ret,
                struct error *err)
{
    struct names *names = swap->names;
    if (swap->image->n_initialisers)
        return error_set(err, -EINVAL, "the unit has constructors");
    swap->image->shown = shown;
    int r = find_roots(swap, swapped, err);
    if (r == 0)
        r = image_relocate(swap->image, resolve, swap, err);
    if (r < 0)
        return r;
    *ret = names_keep(names, TAKE(swap->image));
    swapped->unit = *ret;
    for (size_t i = 0; i < swapped->n_roots; i++)
        names_set_body(names, swapped->roots[i].name, swapped->roots[i].body);
    GROW(names->swapped, names->n_swapped, names->swapped_capacity);
    names->swapped[names->n_swapped++] = swapped;
    for (size_t i = names->n_swapped; i-- > 0;)
        take_back(names, i, NULL, false);
    return 0;
}

int swap_in(struct names *names, uint32_t serial, const void *object, size_t size,
            const struct swap_member *members, size_t n, struct unit **ret,
            struct error *err)
{
    CLEANUP(freep) struct name **found = must_alloc((n + 1) * sizeof(*found));
    struct swap swap = {.names = names, .members = found, .asked = members, .n = n};
    int r = check(&swap, serial, err);
    if (r == 0)
        r = image_open(names->arena, object, size, &swap.image, err);
    if (r < 0)
        return r;
    struct swapped *swapped = must_alloc(sizeof(*swapped));
    swapped->serial = serial;
    swapped->roots = must_alloc((n + 1) * sizeof(*swapped->roots));
    r = load(&swap, swapped, ret, err);
    if (r < 0) {
        image_free(swap.image);
        swapped_free(swapped);
    }
    return r;
}
