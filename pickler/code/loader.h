/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Brings an ELF object of libtcc, gcc or clang (-fPIC) into the arena, in two steps: open
 * lays it out, so that the addresses of its symbols are known; relocate binds it. Errors
 * never end the process and leave nothing behind. Units are not unwound by their own
 * .eh_frame: all code in the arena keeps frame pointers, so one synthetic description
 * covers it (kernel/worker/backtrace.h). */
#ifndef ACHAR_CODE_LOADER_H
#define ACHAR_CODE_LOADER_H

#include "pickler/code/arena.h"
#include "pickler/code/object.h"
#include "pickler/code/thread_block.h"

/* The address of a symbol, of a thread-local one that of its struct thread_index; NULL:
 * unknown. */
typedef void *(*image_resolver)(void *context, const char *name, bool is_thread_local);

struct image_symbol {
    const char *name; /* borrowed from the image */
    char *address;
    uint64_t size;
    bool is_function, is_local;
    bool is_thread_local; /* then `address` is where its initial value lies */
};

/* A run of constant or variable data without symbols of its own, for string literals. */
struct image_section {
    char *start;
    size_t size;
    bool is_strings; /* made of NUL-terminated strings */
    bool is_constant;
    bool is_zero; /* without contents in the object: .bss */
};

struct image {
    struct arena *arena;
    char *parts[ARENA_PART_COUNT];
    size_t part_sizes[ARENA_PART_COUNT];
    struct image_symbol *symbols; /* defined ones, sorted by address */
    size_t n_symbols;
    char *names;
    struct image_section *sections; /* data only */
    size_t n_sections;
    void (**initialisers)(void); /* borrowed from the arena; valid after relocation */
    size_t n_initialisers;
    /* Thread-local variables: their initial values, as they lie in each thread's copy,
     * and the block that the unit's own code finds them in. */
    char *thread_start;
    size_t thread_size, thread_block;
    bool has_threads;
    char **outside; /* what of the arena its code may refer to; known after relocation */
    size_t n_outside, outside_capacity;
    bool needs_stack_code;   /* it writes code on the stack: gcc's nested functions */
    struct image_link *link; /* what only relocation needs; NULL after image_seal() */
    image_resolver shown;    /* set before relocation: the address that a function of the
                                image's own has where it is taken, not called; it may
                                yield NULL (the function itself), and be NULL */
};

/* The object must stay valid until the image is relocated or freed. -EBADMSG: not an
 * object; -ENOTSUP: a model of thread-local variables that no flag of ours asks for;
 * -ENOMEM: the arena is full. */
int image_open(struct arena *arena, const void *object, size_t size, struct image **ret,
               struct error *err) MUST_USE;
/* Gives the memory back: only when nothing can refer to it. */
void image_free(struct image *image);
DEFINE_FREEP(struct image, image_free)

/* Address of a defined symbol, or NULL. */
char *image_address(const struct image *image, const char *name);
const struct image_symbol *image_symbol(const struct image *image, const char *name);
/* The data section that an address lies in; NULL. */
const struct image_section *image_section_at(const struct image *image,
                                             const void *address);
/* From now on the symbol is shown as `shown` (a string that stays) and no longer found by
 * its name. */
void image_rename(struct image *image, const char *name, const char *shown);
/* The symbol that an address lies in; NULL. */
const struct image_symbol *image_symbol_at(const struct image *image,
                                           const void *address);

/* -ENOENT: undefined symbols, all named; -ERANGE: a reference that does not reach. */
int image_relocate(struct image *image, image_resolver resolve, void *context,
                   struct error *err) MUST_USE;

/* The address that section `section` of the object was given, NULL when it has none; only
 * until image_seal(). With it line tables are read. */
char *image_section_address(const struct image *image, size_t section);
const struct elf *image_elf(const struct image *image);
/* Releases what relocation needed; the object is not used any more. */
void image_seal(struct image *image);

/* The target of a jump or call out of the arena that the loader wrote at `code`, NULL for
 * anything else. */
const void *loader_stub_target(const struct arena *arena, const char *code);

#endif
