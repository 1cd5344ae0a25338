/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/relocate.h"

#include <errno.h>
#include <string.h>

#include "pickler/base/buffer.h"
#include "pickler/code/machine.h"

#define UNDEFINED_SHOWN_MAX 8

int link_scan(struct image_link *link, struct error *err)
{
    const struct elf *elf = &link->elf;
    for (size_t s = 1; s < elf->n_sections; s++) {
        if (!(elf->sections[s].sh_flags & SHF_ALLOC))
            continue;
        const Elf64_Rela *at;
        size_t n;
        elf_relocations(elf, s, &at, &n);
        for (size_t i = 0; i < n; i++) {
            uint32_t type = ELF64_R_TYPE(at[i].r_info);
            size_t symbol = ELF64_R_SYM(at[i].r_info);
            int need = machine_need(type);
            if (need == MACHINE_THREAD_MODEL)
                return error_set(err, -ENOTSUP,
                                 "thread-local variable '%s' is accessed in a way that a "
                                 "cell's cannot be: leave out tls_model, -ftls-model and "
                                 "-mtls-dialect",
                                 elf_symbol_name(elf, symbol));
            if (need < 0)
                return error_set(err, -ENOTSUP, "relocation type %u of symbol '%s'", type,
                                 elf_symbol_name(elf, symbol));
            if (elf->symbols[symbol].st_shndx != SHN_UNDEF && need == LINK_STUB)
                continue; /* inside the image everything is near */
            if (need & ~link->needs[symbol]) {
                link->n_slots += need == LINK_SLOT;
                link->n_stubs += need == LINK_STUB;
                link->n_pairs += need == LINK_PAIR;
                link->needs[symbol] |= (uint8_t)need;
            }
        }
    }
    return 0;
}

char *link_symbol(const struct image *image, size_t symbol)
{
    const Elf64_Sym *at = &image->link->elf.symbols[symbol];
    if (at->st_shndx == SHN_COMMON)
        return image->parts[ARENA_DATA] + image->link->commons[symbol];
    if (at->st_shndx == SHN_ABS || at->st_shndx == SHN_UNDEF ||
        at->st_shndx >= SHN_LORESERVE)
        return NULL;
    char *section = image_section_address(image, at->st_shndx);
    return section ? section + at->st_value : NULL;
}

static int report_undefined(const struct binder *binder, const bool *is_missing)
{
    CLEANUP(buffer_clear) struct buffer names = {0};
    size_t n = 0;
    for (size_t i = 1; i < binder->link->elf.n_symbols; i++) {
        if (!is_missing[i])
            continue;
        if (n++ < UNDEFINED_SHOWN_MAX)
            buffer_format(&names, "%s'%s'", n > 1 ? ", " : "",
                          elf_symbol_name(&binder->link->elf, i));
    }
    return error_set(binder->err, -ENOENT, "undefined symbol%s %s%s", n > 1 ? "s" : "",
                     buffer_string(&names), n > UNDEFINED_SHOWN_MAX ? ", ..." : "");
}

static void add_outside(struct image *image, char *address)
{
    if (!address || !arena_has(image->arena, address))
        return;
    GROW(image->outside, image->n_outside, image->outside_capacity);
    image->outside[image->n_outside++] = address;
}

static int resolve_symbols(struct binder *binder, image_resolver resolve, void *context)
{
    const struct elf *elf = &binder->link->elf;
    CLEANUP(freep) bool *is_missing = must_alloc(elf->n_symbols + 1);
    bool any = false;
    for (size_t i = 1; i < elf->n_symbols; i++) {
        const Elf64_Sym *symbol = &elf->symbols[i];
        if (symbol->st_shndx == SHN_ABS) {
            binder->addresses[i] = (char *)symbol->st_value;
            continue;
        }
        const char *name = elf_symbol_name(elf, i);
        if (symbol->st_shndx != SHN_UNDEF) {
            binder->addresses[i] = link_symbol(binder->image, i);
            if (binder->image->shown && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
                ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
                binder->shown[i] = binder->image->shown(context, name, false);
            add_outside(binder->image, binder->shown[i]);
            continue;
        }
        bool is_thread_local = ELF64_ST_TYPE(symbol->st_info) == STT_TLS;
        binder->addresses[i] = *name ? resolve(context, name, is_thread_local) : NULL;
        if (!is_thread_local)
            add_outside(binder->image, binder->addresses[i]);
        is_missing[i] = !binder->addresses[i] && *name &&
                        ELF64_ST_BIND(symbol->st_info) != STB_WEAK &&
                        strcmp(name, "_GLOBAL_OFFSET_TABLE_");
        any |= is_missing[i];
    }
    return any ? report_undefined(binder, is_missing) : 0;
}

char *binder_shown(const struct binder *binder, size_t symbol)
{
    return binder->shown[symbol] ? binder->shown[symbol] : binder->addresses[symbol];
}

char *binder_slot(struct binder *binder, size_t symbol)
{
    if (!binder->slots[symbol]) {
        char *at = binder_table(binder) + binder->n_slots++ * sizeof(void *);
        char *shown = binder_shown(binder, symbol);
        memcpy(at, &shown, sizeof(shown));
        binder->slots[symbol] = at;
    }
    return binder->slots[symbol];
}

char *binder_table(const struct binder *binder)
{
    return binder->image->parts[ARENA_DATA] + binder->link->slots;
}

struct link_pair *binder_pair(struct binder *binder, size_t symbol)
{
    struct image *image = binder->image;
    struct link_pair *first = (void *)(image->parts[ARENA_DATA] + binder->link->pairs);
    first->index = (struct thread_index){image->thread_block, 0};
    if (!symbol || binder->pairs[symbol])
        return symbol ? binder->pairs[symbol] : first;
    struct link_pair *pair = first + ++binder->n_pairs;
    bool is_own = binder->link->elf.symbols[symbol].st_shndx != SHN_UNDEF;
    size_t offset = (size_t)(binder->addresses[symbol] - image->thread_start);
    if (is_own)
        pair->index = (struct thread_index){image->thread_block, offset};
    else if (binder->addresses[symbol])
        memcpy(&pair->index, binder->addresses[symbol], sizeof(pair->index));
    return binder->pairs[symbol] = pair;
}

char *binder_called(struct binder *binder, size_t symbol)
{
    const Elf64_Sym *at = &binder->link->elf.symbols[symbol];
    char *target = binder->addresses[symbol];
    if (at->st_shndx != SHN_UNDEF || arena_has(binder->image->arena, target))
        return target;
    if (!binder->stubs[symbol]) {
        char *stub = binder->image->parts[ARENA_CODE] + binder->link->stubs +
                     binder->n_stubs++ * MACHINE_STUB_SIZE;
        machine_write_stub(stub, target);
        binder->stubs[symbol] = stub;
    }
    return binder->stubs[symbol];
}

int binder_too_far(const struct binder *binder, size_t symbol)
{
    return error_set(binder->err, -ERANGE,
                     "'%s' is too far away for the code that refers to it",
                     elf_symbol_name(&binder->link->elf, symbol));
}

static int relocate_section(struct binder *binder, size_t section)
{
    const struct elf *elf = &binder->link->elf;
    char *start = image_section_address(binder->image, section);
    const Elf64_Rela *at;
    size_t n;
    elf_relocations(elf, section, &at, &n);
    for (size_t i = 0; i < n; i++) {
        size_t width = machine_width(ELF64_R_TYPE(at[i].r_info));
        if (width > elf->sections[section].sh_size - at[i].r_offset)
            return error_set(
                binder->err, -EBADMSG,
                "not a usable object file: a relocation outside of its section");
        int r = machine_apply(binder, start + at[i].r_offset, &at[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int image_relocate(struct image *image, image_resolver resolve, void *context,
                   struct error *err)
{
    size_t n = image->link->elf.n_symbols + 1;
    CLEANUP(freep) char **addresses = must_alloc(n * sizeof(*addresses));
    CLEANUP(freep) char **shown = must_alloc(n * sizeof(*shown));
    CLEANUP(freep) char **slots = must_alloc(n * sizeof(*slots));
    CLEANUP(freep) char **stubs = must_alloc(n * sizeof(*stubs));
    CLEANUP(freep) struct link_pair **pairs = must_alloc(n * sizeof(*pairs));
    struct binder binder = {.image = image,
                            .link = image->link,
                            .addresses = addresses,
                            .shown = shown,
                            .slots = slots,
                            .stubs = stubs,
                            .pairs = pairs,
                            .err = err};
    int r = resolve_symbols(&binder, resolve, context);
    if (r < 0)
        return r;
    for (size_t i = 1; i < image->link->elf.n_sections; i++) {
        if (!(image->link->elf.sections[i].sh_flags & SHF_ALLOC))
            continue;
        r = relocate_section(&binder, i);
        if (r < 0)
            return r;
    }
    if (image->parts[ARENA_CODE])
        machine_code_written(image->parts[ARENA_CODE], image->part_sizes[ARENA_CODE]);
    if (image->has_threads)
        thread_block_set(image->thread_block, image->thread_start);
    return 0;
}
