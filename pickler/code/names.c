/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/names.h"

#include <errno.h>
#include <string.h>

#include "pickler/code/collect.h"
#include "pickler/code/names_table.h"
#include "pickler/code/swap.h"
#include "pickler/code/trampoline.h"

/* What a binding will change when its unit has loaded. */
struct change {
    struct name *name; /* in the table, or new and not yet in it */
    const struct name_binding *binding;
    char *address; /* the symbol's */
    uint64_t size;
    char *trampoline;           /* a new one when the name had none */
    char *storage;              /* of a variable: the old one, or a new one */
    struct thread_index thread; /* of a thread-local one: likewise */
    bool is_thread_local;
    bool is_new;
    bool is_kept;  /* the old storage stays */
    bool is_taken; /* the new storage is ours to give back when the load fails */
};

struct load {
    struct names *names;
    struct image *image;
    struct change *changes;
    size_t n;
    size_t n_trampolines; /* taken by this load */
};

int names_init(struct names *names, struct arena *arena, const struct names_hooks *hooks,
               struct error *err)
{
    memset(names, 0, sizeof(*names));
    names->arena = arena;
    names->hooks = *hooks;
    names->collect_at = COLLECT_EVERY;
    return trampolines_init(names, err);
}

static void name_free(struct name *name)
{
    if (!name)
        return;
    free(name->text);
    free(name);
}

void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        name_free(names->all[i]);
    for (size_t i = 0; i < names->n_units; i++) {
        image_free(names->by_code[i]->image);
        lines_clear(&names->by_code[i]->lines);
        free(names->by_code[i]->sites);
        free(names->by_code[i]);
    }
    for (size_t i = 0; i < names->n_library; i++)
        free(names->library[i].name);
    swap_clear(names);
    libraries_clear(names);
    free(names->all);
    trampolines_clear(names);
    free(names->index);
    free(names->variables);
    free(names->by_code);
    free(names->by_data);
    free(names->library);
    memset(names, 0, sizeof(*names));
}

size_t names_library_position(const struct names *names, const char *address)
{
    size_t low = 0, high = names->n_library;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->library[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remember_library(struct names *names, char *address, const char *text)
{
    size_t at = names_library_position(names, address);
    if (at < names->n_library && names->library[at].address == address)
        return;
    GROW(names->library, names->n_library, names->library_capacity);
    memmove(&names->library[at + 1], &names->library[at],
            (names->n_library - at) * sizeof(*names->library));
    names->library[at] = (struct library_symbol){address, must_strdup(text)};
    names->n_library++;
}

static void *address_of(const struct name *name)
{
    switch (name->kind) {
    case NAME_FUNCTION:
        return name->trampoline ? name->trampoline : name->body;
    case NAME_DECLARED:
        return name->trampoline;
    case NAME_VARIABLE:
        return name->storage;
    case NAME_STALE:
    case NAME_THREAD:
        return NULL;
    }
    return NULL;
}

void *names_resolve(struct names *names, const char *text)
{
    const struct name *name = names_find(names, text);
    void *address = name ? address_of(name) : NULL;
    if (address)
        return address;
    address = library_find(names, text);
    if (address)
        remember_library(names, address, text);
    return address;
}

/* Names as they will be when the unit has loaded, then as they are. */
static void *resolve(void *context, const char *text, bool is_thread_local)
{
    struct load *load = context;
    for (size_t i = 0; i < load->n; i++) {
        const struct change *change = &load->changes[i];
        if (!change->name || strcmp(change->name->text, text))
            continue;
        if (is_thread_local != change->is_thread_local)
            return NULL;
        if (is_thread_local)
            return (void *)&change->thread;
        if (change->binding->kind == NAME_VARIABLE)
            return change->storage;
        return change->trampoline ? change->trampoline : change->address;
    }
    if (is_thread_local) {
        const struct name *name = names_find(load->names, text);
        return name && name->kind == NAME_THREAD
                   ? (void *)&name->thread
                   : (void *)library_thread(load->names, text);
    }
    return names_resolve(load->names, text);
}

static char *new_trampoline(struct load *load)
{
    char *at = trampoline_take(load->names, load->n_trampolines);
    load->n_trampolines += at != NULL;
    return at;
}

static int no_room(struct error *err, const char *name)
{
    return error_set(err, -ENOMEM, "no room for the name '%s': there are too many", name);
}

static int prepare_declared(struct load *load, struct change *change, struct error *err)
{
    const char *text = change->binding->name;
    bool is_something = !change->is_new &&
                        (change->name->kind != NAME_DECLARED || change->name->trampoline);
    bool is_fixed =
        library_find(load->names, text) && !library_is_ones_own(load->names, text);
    if (is_something || is_fixed) {
        if (change->is_new)
            name_free(change->name);
        change->name = NULL; /* it has a body already */
        return 0;
    }
    change->trampoline = new_trampoline(load);
    return change->trampoline ? 0 : no_room(err, text);
}

/* As the object asked for, as far as its address shows; and as gcc and clang take it for
 * granted of other units' large objects (x86-64 psABI, section 3.1.2), which libtcc does
 * not know: a whole cache line, so that vector code is as fast as on its own arrays. */
static size_t alignment_of(const char *address, uint64_t size)
{
    size_t alignment = (uintptr_t)address & -(uintptr_t)address;
    size_t least = size >= 64 ? 64 : size >= 16 ? 16 : 1;
    if (alignment < least)
        alignment = least;
    return alignment < 4096 ? alignment : 4096;
}

/* A variable stands apart from all others and is followed by a byte that is nobody's, so
 * that a pointer behind its end still belongs to it. Only code that refers to the symbol
 * itself makes that the storage. */
static int prepare_storage(struct load *load, struct change *change, struct error *err)
{
    const struct name *name = change->name;
    const struct name_binding *binding = change->binding;
    if (!strcmp(binding->symbol, binding->name)) {
        change->storage = change->address;
        load->names->n_in_images++;
        return 0;
    }
    change->is_kept = name->storage && name->kind == NAME_VARIABLE &&
                      name->type == binding->type && name->size == change->size;
    if (change->is_kept) {
        change->storage = name->storage;
        return 0;
    }
    change->storage = arena_take(load->names->arena, ARENA_DATA, change->size + 1,
                                 alignment_of(change->address, change->size));
    change->is_taken = change->storage != NULL;
    return change->storage
               ? 0
               : error_set(err, -ENOMEM, "no room for the variable '%s'", binding->name);
}

/* A thread-local variable has a block of its own: every unit finds it through that. */
static int prepare_thread(struct load *load, struct change *change, struct error *err)
{
    const struct name *name = change->name;
    const struct name_binding *binding = change->binding;
    change->is_thread_local = true;
    if (!strcmp(binding->symbol, binding->name)) { /* in its unit's own */
        size_t offset = (size_t)(change->address - load->image->thread_start);
        change->thread = (struct thread_index){load->image->thread_block, offset};
        return 0;
    }
    change->is_kept = name->kind == NAME_THREAD && name->type == binding->type &&
                      name->size == change->size;
    if (change->is_kept) {
        change->thread = name->thread;
        return 0;
    }
    change->is_taken = thread_block_new(
        change->size, alignment_of(change->address, change->size), &change->thread.block);
    return change->is_taken
               ? 0
               : error_set(err, -ENOMEM, "no room for the variable '%s'", binding->name);
}

static int prepare_symbol(struct load *load, struct change *change, struct error *err)
{
    const struct name_binding *binding = change->binding;
    const struct image_symbol *symbol = image_symbol(load->image, binding->symbol);
    if (!symbol)
        return error_set(err, -EINVAL, "the unit does not define '%s'", binding->symbol);
    change->address = symbol->address;
    change->size = symbol->size;
    const struct name *name = change->name;
    if (symbol->is_thread_local)
        return prepare_thread(load, change, err);
    if (binding->kind == NAME_VARIABLE)
        return prepare_storage(load, change, err);
    if (!strcmp(binding->symbol, binding->name)) {
        if (!change->is_new && name->kind == NAME_DECLARED) /* its callers find it */
            change->trampoline = name->trampoline;
        return 0;
    }
    bool is_kept =
        name->trampoline && (name->kind == NAME_DECLARED || name->type == binding->type ||
                             (name->kind == NAME_FUNCTION && binding->is_carried));
    change->trampoline = is_kept ? name->trampoline : new_trampoline(load);
    return change->trampoline ? 0 : no_room(err, binding->name);
}

/* A binding may repeat a name that an earlier one of the unit makes. */
static struct name *pending_or_known(const struct load *load, const char *text)
{
    for (size_t i = 0; i + 1 < load->n; i++)
        if (load->changes[i].name && !strcmp(load->changes[i].name->text, text))
            return load->changes[i].name;
    return (struct name *)names_find(load->names, text);
}

/* Only what is called through a trampoline can be stopped. */
static void prepare_stale(struct change *change)
{
    if (!change->is_new && change->name->kind == NAME_FUNCTION &&
        change->name->trampoline)
        return;
    if (change->is_new)
        name_free(change->name);
    change->name = NULL;
}

static int prepare(struct load *load, const struct name_binding *bindings, size_t n,
                   struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct change *change = &load->changes[load->n++];
        change->binding = &bindings[i];
        change->name = pending_or_known(load, bindings[i].name);
        if (!change->name) {
            change->is_new = true;
            change->name = must_alloc(sizeof(*change->name));
            change->name->text = must_strdup(bindings[i].name);
        }
        if (bindings[i].is_weak &&
            (!change->is_new || library_find(load->names, bindings[i].name))) {
            if (change->is_new)
                name_free(change->name);
            change->name = NULL;
            continue;
        }
        if (bindings[i].kind == NAME_STALE) {
            prepare_stale(change);
            continue;
        }
        int r = bindings[i].kind == NAME_DECLARED ? prepare_declared(load, change, err)
                                                  : prepare_symbol(load, change, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* New storage is zero already, and may be too large to be touched for nothing. */
static void initialise(const struct load *load, const struct change *change)
{
    const struct image_section *section = image_section_at(load->image, change->address);
    if (change->storage == change->address || !change->size)
        return;
    if (!section || !section->is_zero)
        memcpy(change->storage, change->address, change->size);
    else if (change->is_kept)
        memset(change->storage, 0, change->size);
}

/* Storage that lies in its unit's image goes with the image. */
static bool owns_storage(const struct names *names, const struct name *name)
{
    for (size_t i = 0; i < names->n_units && names->n_in_images; i++)
        if (image_section_at(names->by_data[i]->image, name->storage))
            return false;
    return true;
}

/* Pointers to a variable of another type, or of what is none now, may live on. */
static void leave_storage(struct names *names, struct name *name)
{
    if (name->kind != NAME_VARIABLE || !name->storage)
        return;
    names_remove_variable(names, name);
    if (owns_storage(names, name))
        names_leave(names, ARENA_DATA, name->storage, name->size + 1);
    name->storage = NULL;
}

static void commit_thread(struct load *load, struct change *change)
{
    struct name *name = change->name;
    leave_storage(load->names, name);
    trampoline_leave(load->names, name);
    if (change->thread.block != load->image->thread_block || !load->image->has_threads)
        thread_block_set(change->thread.block, change->address);
    name->kind = NAME_THREAD;
    name->storage = NULL;
    name->thread = change->thread;
    name->size = change->size;
    name->type = change->binding->type;
}

static void commit_variable(const struct load *load, struct change *change)
{
    struct names *names = load->names;
    struct name *name = change->name;
    if (!change->is_kept || !change->binding->is_carried)
        initialise(load, change);
    if (change->is_kept)
        return;
    leave_storage(names, name);
    swap_take_back(names, name);
    trampoline_leave(names, name);
    name->kind = NAME_VARIABLE;
    name->storage = change->storage;
    name->size = change->size;
    name->type = change->binding->type;
    names_add_variable(names, name);
}

/* A function of another type has another trampoline. */
static void commit_function(struct names *names, struct change *change)
{
    struct name *name = change->name;
    swap_take_back(names, name);
    if (name->trampoline != change->trampoline)
        trampoline_leave(names, name);
    leave_storage(names, name);
    name->kind = change->binding->kind;
    name->storage = NULL;
    name->type = change->binding->type;
    name->size = change->size;
    name->trampoline = change->trampoline;
    if (name->trampoline)
        trampoline_own(names, name);
    if (name->kind == NAME_DECLARED)
        names_set_body(names, name, thunk_make(names, '\0', name->text));
    else if (name->trampoline)
        names_set_body(names, name, change->address);
    else
        name->body = change->address;
    name->bound = name->body;
    name->version = change->binding->version;
}

static void commit_stale(struct names *names, const struct change *change)
{
    struct name *name = change->name;
    char *thunk = thunk_make(names, '!', change->binding->symbol);
    if (!thunk)
        return;
    swap_take_back(names, name);
    names_set_body(names, name, thunk);
    name->bound = name->body;
    name->version = change->binding->version;
}

static void commit(struct load *load)
{
    struct names *names = load->names;
    trampolines_commit(names, load->n_trampolines);
    for (size_t i = 0; i < load->n; i++) {
        struct change *change = &load->changes[i];
        if (!change->name)
            continue;
        if (change->is_new)
            names_add(names, change->name);
        if (change->is_thread_local)
            commit_thread(load, change);
        else if (change->binding->kind == NAME_VARIABLE)
            commit_variable(load, change);
        else if (change->binding->kind == NAME_STALE)
            commit_stale(names, change);
        else
            commit_function(names, change);
    }
}

static void load_clear(struct load *load, bool is_committed)
{
    for (size_t i = 0; i < load->n && !is_committed; i++) {
        const struct change *change = &load->changes[i];
        if (change->is_taken && change->is_thread_local)
            thread_block_free(change->thread.block);
        else if (change->is_taken)
            arena_give(load->names->arena, ARENA_DATA, change->storage, change->size + 1);
        if (change->is_new)
            name_free(change->name);
    }
    free(load->changes);
}

int names_load(struct names *names, const void *object, size_t size,
               const struct name_binding *bindings, size_t n, struct unit **ret,
               struct error *err)
{
    CLEANUP(image_freep) struct image *image = NULL;
    int r = image_open(names->arena, object, size, &image, err);
    if (r < 0)
        return r;
    struct load load = {.names = names, .image = image};
    load.changes = must_alloc((n + 1) * sizeof(*load.changes));
    r = prepare(&load, bindings, n, err);
    if (r == 0)
        r = image_relocate(image, resolve, &load, err);
    if (r == 0) {
        commit(&load);
        *ret = names_keep(names, TAKE(image));
        if (names->n_files)
            names_rebind(names);
    }
    load_clear(&load, r == 0);
    return r;
}

void names_forget(struct names *names, const char *text)
{
    struct name *name = (struct name *)names_find(names, text);
    if (!name || name->kind == NAME_DECLARED)
        return;
    if (name->kind == NAME_VARIABLE && name->storage) {
        names_remove_variable(names, name);
        if (owns_storage(names, name))
            arena_give(names->arena, ARENA_DATA, name->storage, name->size + 1);
    }
    swap_take_back(names, name);
    name->kind = NAME_DECLARED;
    name->storage = NULL;
    name->size = 0;
    char *thunk = name->trampoline ? thunk_make(names, '\0', name->text) : NULL;
    if (thunk)
        names_set_body(names, name, thunk);
    else
        trampoline_leave(names, name);
    name->bound = thunk;
}

void names_rebind(struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        struct name *name = names->all[i];
        char *address = NULL;
        if (name->kind == NAME_DECLARED && name->trampoline)
            address = library_find(names, name->text);
        if (!address)
            continue;
        remember_library(names, address, name->text);
        names_set_body(names, name, address);
        name->bound = address;
    }
}
