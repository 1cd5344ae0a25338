/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/loader.h"

#include <errno.h>
#include <string.h>

#include "pickler/base/buffer.h"
#include "pickler/code/machine.h"

static int too_big(struct error *err)
{
    return error_set(err, -ENOMEM, "no room for the unit's code or data in 2 GiB");
}

/* Adds `size` bytes at `alignment` to a part's layout; false when it cannot be. */
static bool lay(size_t *end, uint64_t size, uint64_t alignment, size_t *ret_offset)
{
    if (!alignment)
        alignment = 1;
    if (alignment > ARENA_ALIGNMENT_MAX || size > ARENA_SIZE_MAX)
        return false;
    size_t start = (*end + alignment - 1) & ~(alignment - 1);
    *end = start + size;
    *ret_offset = start;
    return *end <= ARENA_SIZE_MAX;
}

static enum arena_part part_of(const Elf64_Shdr *section)
{
    return section->sh_flags & SHF_EXECINSTR ? ARENA_CODE : ARENA_DATA;
}

/* Constant data first, then variables with contents, then those without; the initial
 * values of thread-local ones, with and without contents, stand together at the end. */
static int rank(const Elf64_Shdr *section)
{
    if (section->sh_flags & SHF_TLS)
        return section->sh_type == SHT_NOBITS ? 4 : 3;
    if (section->sh_type == SHT_NOBITS)
        return 2;
    return section->sh_flags & SHF_WRITE ? 1 : 0;
}

static bool lay_sections(struct image_link *link, size_t ends[ARENA_PART_COUNT])
{
    const struct elf *elf = &link->elf;
    for (int r = 0; r < 5; r++) {
        for (size_t i = 1; i < elf->n_sections; i++) {
            const Elf64_Shdr *at = &elf->sections[i];
            if (!(at->sh_flags & SHF_ALLOC) || rank(at) != r)
                continue;
            size_t *end = &ends[part_of(at)];
            if (!lay(end, at->sh_size, at->sh_addralign, &link->offsets[i]))
                return false;
            if (at->sh_addralign > link->alignment)
                link->alignment = at->sh_addralign;
        }
    }
    return true;
}

static bool lay_commons(struct image_link *link, size_t *end)
{
    for (size_t i = 1; i < link->elf.n_symbols; i++) {
        const Elf64_Sym *symbol = &link->elf.symbols[i];
        if (symbol->st_shndx == SHN_COMMON &&
            !lay(end, symbol->st_size, symbol->st_value, &link->commons[i]))
            return false;
    }
    return true;
}

static int place(struct image *image, struct error *err)
{
    struct image_link *link = image->link;
    size_t ends[ARENA_PART_COUNT] = {0};
    if (!lay_sections(link, ends) || !lay_commons(link, &ends[ARENA_DATA]) ||
        !lay(&ends[ARENA_CODE], link->n_stubs * MACHINE_STUB_SIZE, MACHINE_STUB_SIZE,
             &link->stubs) ||
        !lay(&ends[ARENA_DATA], link->n_slots * sizeof(void *), sizeof(void *),
             &link->slots) ||
        !lay(&ends[ARENA_DATA], (link->n_pairs + 1) * sizeof(struct link_pair),
             sizeof(void *), &link->pairs))
        return too_big(err);
    for (int i = 0; i < ARENA_PART_COUNT; i++) {
        if (!ends[i])
            continue;
        image->parts[i] = arena_take(image->arena, i, ends[i], link->alignment);
        image->part_sizes[i] = ends[i];
        if (!image->parts[i])
            return too_big(err);
    }
    return 0;
}

static void copy_contents(struct image *image)
{
    const struct elf *elf = &image->link->elf;
    for (size_t i = 1; i < elf->n_sections; i++) {
        const Elf64_Shdr *at = &elf->sections[i];
        char *to = image_section_address(image, i);
        const void *from = elf_section_data(elf, i);
        if (!to)
            continue;
        if (from && at->sh_size)
            memcpy(to, from, at->sh_size);
        if (part_of(at) == ARENA_CODE)
            continue;
        image->sections[image->n_sections++] = (struct image_section){
            .start = to,
            .size = at->sh_size,
            .is_strings = (at->sh_flags & SHF_STRINGS) != 0,
            .is_constant = !(at->sh_flags & SHF_WRITE),
            .is_zero = at->sh_type == SHT_NOBITS,
        };
        if (at->sh_type == SHT_INIT_ARRAY) {
            image->initialisers = (void (**)(void))(void *)to;
            image->n_initialisers = at->sh_size / sizeof(void (*)(void));
        }
    }
}

/* The initial values as one piece, and a block for them. */
static int find_threads(struct image *image, struct error *err)
{
    const struct elf *elf = &image->link->elf;
    size_t alignment = 1;
    char *end = NULL;
    for (size_t i = 1; i < elf->n_sections; i++) {
        const Elf64_Shdr *at = &elf->sections[i];
        char *start = at->sh_flags & SHF_TLS ? image_section_address(image, i) : NULL;
        if (!start || !at->sh_size)
            continue;
        if (!image->thread_start || start < image->thread_start)
            image->thread_start = start;
        if (!end || start + at->sh_size > end)
            end = start + at->sh_size;
        if (at->sh_addralign > alignment)
            alignment = at->sh_addralign;
    }
    if (!end)
        return 0;
    image->thread_size = (size_t)(end - image->thread_start);
    image->has_threads =
        thread_block_new(image->thread_size, alignment, &image->thread_block);
    return image->has_threads
               ? 0
               : error_set(err, -ENOMEM, "there are too many thread-local variables");
}

static int compare_symbols(const void *a, const void *b)
{
    const struct image_symbol *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    /* of two at one place the longer one, and a global one, is last: it is found first */
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return y->is_local - x->is_local;
}

static void collect_symbols(struct image *image)
{
    const struct elf *elf = &image->link->elf;
    struct buffer names = {0};
    image->symbols = must_alloc((elf->n_symbols + 1) * sizeof(*image->symbols));
    for (size_t i = 1; i < elf->n_symbols; i++) {
        const Elf64_Sym *symbol = &elf->symbols[i];
        int type = ELF64_ST_TYPE(symbol->st_info);
        if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
            type == STT_SECTION || type == STT_FILE || !link_symbol(image, i))
            continue;
        const char *name = elf_symbol_name(elf, i);
        image->symbols[image->n_symbols++] = (struct image_symbol){
            .name = (const char *)names.size, /* an offset until the names stand still */
            .address = link_symbol(image, i),
            .size = symbol->st_size,
            .is_function = type == STT_FUNC,
            .is_thread_local = type == STT_TLS,
            .is_local = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL,
        };
        buffer_add(&names, name, strlen(name) + 1);
    }
    image->names = buffer_take(&names);
    for (size_t i = 0; i < image->n_symbols; i++)
        image->symbols[i].name = image->names + (size_t)image->symbols[i].name;
    qsort(image->symbols, image->n_symbols, sizeof(*image->symbols), compare_symbols);
}

int image_open(struct arena *arena, const void *object, size_t size, struct image **ret,
               struct error *err)
{
    CLEANUP(image_freep) struct image *image = must_alloc(sizeof(*image));
    struct image_link *link = image->link = must_alloc(sizeof(*link));
    image->arena = arena;
    int r = elf_init(&link->elf, object, size, err);
    if (r < 0)
        return r;
    link->offsets = must_alloc(link->elf.n_sections * sizeof(*link->offsets));
    link->commons = must_alloc((link->elf.n_symbols + 1) * sizeof(*link->commons));
    link->needs = must_alloc(link->elf.n_symbols + 1);
    image->sections = must_alloc(link->elf.n_sections * sizeof(*image->sections));
    r = link_scan(link, err);
    if (r < 0)
        return r;
    r = place(image, err);
    if (r < 0)
        return r;
    copy_contents(image);
    size_t note = elf_find(&link->elf, ".note.GNU-stack");
    image->needs_stack_code = note && link->elf.sections[note].sh_flags & SHF_EXECINSTR;
    collect_symbols(image);
    r = find_threads(image, err);
    if (r < 0)
        return r;
    *ret = TAKE(image);
    return 0;
}

void image_seal(struct image *image)
{
    struct image_link *link = image->link;
    if (!link)
        return;
    elf_clear(&link->elf);
    free(link->offsets);
    free(link->commons);
    free(link->needs);
    free(link);
    image->link = NULL;
}

void image_free(struct image *image)
{
    if (!image)
        return;
    image_seal(image);
    if (image->has_threads)
        thread_block_free(image->thread_block);
    for (int i = 0; i < ARENA_PART_COUNT; i++)
        arena_give(image->arena, i, image->parts[i], image->part_sizes[i]);
    free(image->symbols);
    free(image->names);
    free(image->sections);
    free(image->outside);
    free(image);
}

const struct image_symbol *image_symbol(const struct image *image, const char *name)
{
    for (size_t i = 0; i < image->n_symbols; i++)
        if (!image->symbols[i].is_local && !strcmp(image->symbols[i].name, name))
            return &image->symbols[i];
    return NULL;
}

char *image_address(const struct image *image, const char *name)
{
    const struct image_symbol *symbol = image_symbol(image, name);
    return symbol ? symbol->address : NULL;
}

const struct image_section *image_section_at(const struct image *image,
                                             const void *address)
{
    for (size_t i = 0; i < image->n_sections; i++) {
        const struct image_section *section = &image->sections[i];
        if ((size_t)((const char *)address - section->start) < section->size)
            return section;
    }
    return NULL;
}

void image_rename(struct image *image, const char *name, const char *shown)
{
    struct image_symbol *symbol = (struct image_symbol *)image_symbol(image, name);
    if (symbol)
        symbol->name = shown;
}

const struct image_symbol *image_symbol_at(const struct image *image, const void *address)
{
    size_t low = 0, high = image->n_symbols;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (image->symbols[middle].address <= (const char *)address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low > 0) {
        const struct image_symbol *symbol = &image->symbols[--low];
        size_t distance = (size_t)((const char *)address - symbol->address);
        if (distance < symbol->size || (distance == 0 && !symbol->size))
            return symbol;
        if (symbol->size)
            return NULL;
    }
    return NULL;
}

char *image_section_address(const struct image *image, size_t section)
{
    const struct image_link *link = image->link;
    const Elf64_Shdr *at = &link->elf.sections[section];
    if (!(at->sh_flags & SHF_ALLOC))
        return NULL;
    char *part = image->parts[part_of(at)];
    return part ? part + link->offsets[section] : NULL; /* empty: no part */
}

const struct elf *image_elf(const struct image *image)
{
    return &image->link->elf;
}

const void *loader_stub_target(const struct arena *arena, const char *code)
{
    bool is_inside = arena_has_code(arena, code) &&
                     arena_has_code(arena, code + MACHINE_STUB_SIZE - 1);
    return is_inside ? machine_stub_target(code) : NULL;
}
