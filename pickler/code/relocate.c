/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/relocate.h"

#include <errno.h>
#include <string.h>

#include "pickler/base/buffer.h"

#define UNDEFINED_SHOWN_MAX 8

struct binder {
    struct image *image;
    struct image_link *link;
    char **addresses; /* of every symbol, to be called */
    char **shown;     /* and to be stored and compared */
    char **slots;     /* given so far, NULL: none yet; both lists by symbol */
    char **stubs;
    struct thread_index **pairs;
    size_t n_slots, n_stubs, n_pairs;
    struct error *err;
};

static int need_of(uint32_t type)
{
    switch (type) {
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX:
    case R_X86_64_GOTPCREL64:
    case R_X86_64_GOT64:
    case R_X86_64_GOT32:
        return LINK_SLOT;
    case R_X86_64_PLT32:
    case R_X86_64_PC32:
        return LINK_STUB;
    case R_X86_64_TLSGD:
        return LINK_PAIR;
    case R_X86_64_NONE:
    case R_X86_64_TLSLD:
    case R_X86_64_DTPOFF32:
    case R_X86_64_DTPOFF64:
    case R_X86_64_64:
    case R_X86_64_PC64:
    case R_X86_64_32:
    case R_X86_64_32S:
    case R_X86_64_GOTPC32:
    case R_X86_64_GOTPC64:
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
        return 0;
    default:
        return -1;
    }
}

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
            int need = need_of(type);
            if (type == R_X86_64_GOTTPOFF || type == R_X86_64_TPOFF32 ||
                type == R_X86_64_GOTPC32_TLSDESC)
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

static char **shown_address(struct binder *binder, size_t symbol)
{
    return binder->shown[symbol] ? &binder->shown[symbol] : &binder->addresses[symbol];
}

static char *slot_of(struct binder *binder, size_t symbol)
{
    if (!binder->slots[symbol]) {
        char *at = binder->image->parts[ARENA_DATA] + binder->link->slots +
                   binder->n_slots++ * sizeof(void *);
        memcpy(at, shown_address(binder, symbol), sizeof(void *));
        binder->slots[symbol] = at;
    }
    return binder->slots[symbol];
}

/* What __tls_get_addr() is given for a symbol; for none: for the unit's own block. */
static struct thread_index *pair_of(struct binder *binder, size_t symbol)
{
    struct image *image = binder->image;
    struct thread_index *first = (void *)(image->parts[ARENA_DATA] + binder->link->pairs);
    *first = (struct thread_index){image->thread_block, 0};
    if (!symbol || binder->pairs[symbol])
        return symbol ? binder->pairs[symbol] : first;
    struct thread_index *pair = first + ++binder->n_pairs;
    bool is_own = binder->link->elf.symbols[symbol].st_shndx != SHN_UNDEF;
    size_t offset = (size_t)(binder->addresses[symbol] - image->thread_start);
    if (is_own)
        *pair = (struct thread_index){image->thread_block, offset};
    else if (binder->addresses[symbol])
        memcpy(pair, binder->addresses[symbol], sizeof(*pair));
    return binder->pairs[symbol] = pair;
}

void loader_write_stub(char *code, const void *target)
{
    static const uint8_t jump[8] = {0xff, 0x25, 2, 0, 0, 0, 0x90, 0x90};
    memcpy(code, jump, sizeof(jump)); /* jmp *8(start) */
    memcpy(code + sizeof(jump), &target, sizeof(target));
}

void *loader_stub_target(const struct arena *arena, const char *code)
{
    static const uint8_t jump[8] = {0xff, 0x25, 2, 0, 0, 0, 0x90, 0x90};
    if (!arena_has_code(arena, code) || !arena_has_code(arena, code + 15) ||
        memcmp(code, jump, sizeof(jump)))
        return NULL;
    void *target;
    memcpy(&target, code + sizeof(jump), sizeof(target));
    return target;
}

static char *stub_of(struct binder *binder, size_t symbol)
{
    if (!binder->stubs[symbol]) {
        char *at = binder->image->parts[ARENA_CODE] + binder->link->stubs +
                   binder->n_stubs++ * 16;
        loader_write_stub(at, binder->addresses[symbol]);
        binder->stubs[symbol] = at;
    }
    return binder->stubs[symbol];
}

static int too_far(const struct binder *binder, size_t symbol)
{
    return error_set(binder->err, -ERANGE,
                     "'%s' is too far away for the code that refers to it",
                     elf_symbol_name(&binder->link->elf, symbol));
}

static int write_signed(const struct binder *binder, char *place, int64_t value,
                        size_t symbol)
{
    int32_t narrow = (int32_t)value;
    if (narrow != value)
        return too_far(binder, symbol);
    memcpy(place, &narrow, sizeof(narrow));
    return 0;
}

/* target + addend - place, for any values. */
static int64_t between(const char *place, const char *target, int64_t addend)
{
    return (int64_t)((uint64_t)(uintptr_t)target + (uint64_t)addend -
                     (uint64_t)(uintptr_t)place);
}

/* PC32 and PLT32. A function that is too far away is reached through a stub; so are calls
 * in any case, since backtraces name library functions by their stub. */
static int write_relative(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    const Elf64_Sym *at = &binder->link->elf.symbols[symbol];
    char *target = binder->addresses[symbol];
    bool is_call = ELF64_R_TYPE(r->r_info) == R_X86_64_PLT32 ||
                   ELF64_ST_TYPE(at->st_info) == STT_FUNC;
    if (is_call && at->st_shndx == SHN_UNDEF && !arena_has(binder->image->arena, target))
        target = stub_of(binder, symbol);
    return write_signed(binder, place, between(place, target, r->r_addend), symbol);
}

static int write_32(const struct binder *binder, char *place, uint64_t value,
                    bool is_signed, size_t symbol)
{
    if (is_signed ? (int64_t)value != (int32_t)value : value != (uint32_t)value)
        return too_far(binder, symbol);
    uint32_t narrow = (uint32_t)value;
    memcpy(place, &narrow, sizeof(narrow));
    return 0;
}

static int write_64(char *place, uint64_t value)
{
    memcpy(place, &value, sizeof(value));
    return 0;
}

static int apply(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    uint64_t value =
        (uint64_t)(uintptr_t)*shown_address(binder, symbol) + (uint64_t)r->r_addend;
    uint64_t here = (uint64_t)(uintptr_t)place;
    uint64_t table = (uint64_t)(uintptr_t)binder->image->parts[ARENA_DATA] +
                     binder->link->slots; /* the place of _GLOBAL_OFFSET_TABLE_ */
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_X86_64_64:
        return write_64(place, value);
    case R_X86_64_PC64:
        return write_64(place, value - here);
    case R_X86_64_32:
        return write_32(binder, place, value, false, symbol);
    case R_X86_64_32S:
        return write_32(binder, place, value, true, symbol);
    case R_X86_64_PLT32:
    case R_X86_64_PC32:
        return write_relative(binder, place, r);
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX:
        return write_signed(binder, place,
                            between(place, slot_of(binder, symbol), r->r_addend), symbol);
    case R_X86_64_TLSGD:
    case R_X86_64_TLSLD:
        symbol = ELF64_R_TYPE(r->r_info) == R_X86_64_TLSGD ? symbol : 0;
        return write_signed(binder, place,
                            between(place, (char *)pair_of(binder, symbol), r->r_addend),
                            symbol);
    case R_X86_64_DTPOFF32:
        return write_signed(
            binder, place,
            (int64_t)value - (int64_t)(uintptr_t)binder->image->thread_start, symbol);
    case R_X86_64_DTPOFF64:
        return write_64(place, value - (uint64_t)(uintptr_t)binder->image->thread_start);
    case R_X86_64_GOTPCREL64:
        return write_64(place, (uint64_t)(uintptr_t)slot_of(binder, symbol) +
                                   (uint64_t)r->r_addend - here);
    case R_X86_64_GOTPC32:
        return write_signed(binder, place,
                            (int64_t)(table + (uint64_t)r->r_addend - here), symbol);
    case R_X86_64_GOTPC64:
        return write_64(place, table + (uint64_t)r->r_addend - here);
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
        return write_64(place, value - table);
    case R_X86_64_GOT32:
        return write_signed(binder, place,
                            (int64_t)((uint64_t)(uintptr_t)slot_of(binder, symbol) -
                                      table + (uint64_t)r->r_addend),
                            symbol);
    case R_X86_64_GOT64:
        return write_64(place, (uint64_t)(uintptr_t)slot_of(binder, symbol) - table +
                                   (uint64_t)r->r_addend);
    default:
        return 0; /* R_X86_64_NONE: link_scan() refused what is not known */
    }
}

static size_t width_of(uint32_t type)
{
    switch (type) {
    case R_X86_64_NONE:
        return 0;
    case R_X86_64_64:
    case R_X86_64_PC64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_GOTPCREL64:
    case R_X86_64_GOTPC64:
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
    case R_X86_64_GOT64:
        return 8;
    default:
        return 4;
    }
}

static int relocate_section(struct binder *binder, size_t section)
{
    const struct elf *elf = &binder->link->elf;
    char *start = image_section_address(binder->image, section);
    const Elf64_Rela *at;
    size_t n;
    elf_relocations(elf, section, &at, &n);
    for (size_t i = 0; i < n; i++) {
        size_t width = width_of(ELF64_R_TYPE(at[i].r_info));
        if (width > elf->sections[section].sh_size - at[i].r_offset)
            return error_set(
                binder->err, -EBADMSG,
                "not a usable object file: a relocation outside of its section");
        int r = apply(binder, start + at[i].r_offset, &at[i]);
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
    CLEANUP(freep) struct thread_index **pairs = must_alloc(n * sizeof(*pairs));
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
    if (image->has_threads)
        thread_block_set(image->thread_block, image->thread_start);
    return 0;
}
