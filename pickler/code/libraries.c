/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What shared libraries define. Of files that were opened by their path the newest that
 * defines a name wins, as with definitions of cells: a file that was built again can take
 * the place of what it was. Else it is as the dynamic linker has it. */
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "pickler/code/names_table.h"
#include "pickler/code/tcc_helper.h"

const char *names_open_library(struct names *names, const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
        return dlerror();
    if (strchr(file, '/')) {
        GROW(names->files, names->n_files, names->files_capacity);
        names->files[names->n_files++] = handle;
    }
    names_rebind(names);
    return NULL;
}

/* Of the file itself, not of what it was linked with. */
static void *defined_in(void *handle, const char *text)
{
    struct link_map *map = NULL;
    Dl_info about;
    void *address = dlsym(handle, text);
    if (!address || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 ||
        !dladdr(address, &about))
        return NULL;
    return (uintptr_t)about.dli_fbase == map->l_addr ? address : NULL;
}

bool library_is_ones_own(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->n_files; i++)
        if (defined_in(names->files[i], text))
            return true;
    return false;
}

void *library_find(const struct names *names, const char *text)
{
    if (!strcmp(text, "__tls_get_addr"))
        return thread_block_get;
    void *address = names->hooks.replacement ? names->hooks.replacement(text) : NULL;
    if (!address)
        address = tcc_helper(text);
    for (size_t i = names->n_files; !address && i-- > 0;)
        address = defined_in(names->files[i], text);
    return address ? address : dlsym(RTLD_DEFAULT, text);
}

/* ---- thread-local variables ----------------------------------------------------------
 */

struct search {
    const char *address; /* in the calling thread's copy */
    struct thread_index index;
    bool is_found;
};

static int look_in(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    (void)size;
    for (size_t i = 0; info->dlpi_tls_data && i < info->dlpi_phnum; i++) {
        size_t offset = (size_t)(search->address - (const char *)info->dlpi_tls_data);
        if (info->dlpi_phdr[i].p_type != PT_TLS || offset >= info->dlpi_phdr[i].p_memsz)
            continue;
        search->index = thread_block_of_library(info->dlpi_tls_modid, offset);
        search->is_found = true;
    }
    return search->is_found;
}

const struct thread_index *library_thread(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->n_library_threads; i++)
        if (!strcmp(names->library_threads[i]->name, text))
            return &names->library_threads[i]->index;
    struct search search = {.address = dlsym(RTLD_DEFAULT, text)};
    if (!search.address || !dl_iterate_phdr(look_in, &search))
        return NULL;
    struct library_thread *thread = must_alloc(sizeof(*thread));
    *thread = (struct library_thread){.name = must_strdup(text), .index = search.index};
    GROW(names->library_threads, names->n_library_threads,
         names->library_threads_capacity);
    names->library_threads[names->n_library_threads++] = thread;
    return &thread->index;
}

void libraries_clear(struct names *names)
{
    for (size_t i = 0; i < names->n_library_threads; i++) {
        free(names->library_threads[i]->name);
        free(names->library_threads[i]);
    }
    free(names->library_threads);
    free(names->files);
}
