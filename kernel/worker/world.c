/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/world.h"

#include <link.h>
#include <pthread.h>
#include <string.h>

#include "kernel/worker/heap.h"

static bool find_block(void *context, const void *address, struct value_block *ret)
{
    struct engine *engine = context;
    struct heap_block block;
    if (arena_has(&engine->arena, address) || !heap_find(address, &block))
        return false;
    uint32_t type = block.type;
    if (!type && block.site)
        type = names_site_type(&engine->names, block.site);
    *ret = (struct value_block){block.start, block.size, block.is_freed, type};
    return true;
}

static void set_variable(struct value_variable *ret, const struct name *name)
{
    *ret = (struct value_variable){.name = name->text,
                                   .start = name->storage,
                                   .size = name->size,
                                   .type = name->type};
}

/* A string in a library's constant data. */
static int look_into_object(struct dl_phdr_info *object, size_t size, void *context)
{
    struct value_variable *text = context;
    (void)size;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = (uintptr_t)(object->dlpi_addr + segment->p_vaddr);
        size_t offset = (uintptr_t)text->start - start;
        if (segment->p_type != PT_LOAD || segment->p_flags != PF_R ||
            offset >= segment->p_memsz)
            continue;
        size_t left = segment->p_memsz - offset, length = strnlen(text->start, left);
        text->size = length < left ? length + 1 : 0;
        return 1;
    }
    return 0;
}

static bool find_library_text(const void *address, struct value_variable *ret)
{
    struct value_variable text = {
        .name = "", .start = (char *)address, .is_literal = true, .is_text = true};
    dl_iterate_phdr(look_into_object, &text);
    if (!text.size)
        return false;
    *ret = text;
    return true;
}

static bool find_variable(void *context, const void *address, struct value_variable *ret)
{
    struct engine *engine = context;
    if (!arena_has(&engine->arena, address))
        return find_library_text(address, ret);
    const struct name *name = names_variable(&engine->names, address);
    bool is_end = name && (const char *)address == name->storage + name->size;
    struct value_variable literal = {.name = "", .is_literal = true};
    if ((!name || is_end) &&
        names_literal(&engine->names, address, &literal.start, &literal.size)) {
        *ret = literal;
        return true;
    }
    if (name)
        set_variable(ret, name);
    return name != NULL;
}

static const char *find_function(void *context, const void *address, bool *ret_is_library)
{
    struct engine *engine = context;
    return names_function(&engine->names, address, ret_is_library);
}

static bool is_stack(void *context, const void *address)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    (void)context;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return false;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return (size_t)((const char *)address - (const char *)low) < size;
}

static bool variable(void *context, const char *text, struct value_variable *ret)
{
    struct engine *engine = context;
    const struct name *name = names_find(&engine->names, text);
    if (!name || name->kind != NAME_VARIABLE)
        return false;
    set_variable(ret, name);
    return true;
}

static void *function(void *context, const char *text, bool is_library)
{
    struct engine *engine = context;
    const struct name *name = names_find(&engine->names, text);
    if (!is_library && (!name || name->kind == NAME_VARIABLE))
        return NULL;
    return names_resolve(&engine->names, text);
}

static void *allocate(void *context, size_t size, uint32_t type)
{
    (void)context;
    return heap_allocate(size, type);
}

static void release(void *context, void *block)
{
    (void)context;
    free(block);
}

static bool should_stop(void *context)
{
    (void)context;
    return guard_was_interrupted();
}

void world_init(struct engine *engine)
{
    engine->world = (struct value_world){
        .types = &engine->types,
        .context = engine,
        .find_block = find_block,
        .find_variable = find_variable,
        .find_function = find_function,
        .is_stack = is_stack,
        .variable = variable,
        .function = function,
        .allocate = allocate,
        .release = release,
        .should_stop = should_stop,
    };
}
