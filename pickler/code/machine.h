/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What differs between the processors that code is loaded on. Each has a file,
 * machine_NAME.c, of which the build takes the one for the machine that it builds for. */
#ifndef ACHAR_CODE_MACHINE_H
#define ACHAR_CODE_MACHINE_H

#include "pickler/code/relocate.h"

/* As uname(2) calls it; its number in ELF headers. */
extern const char machine_name[];
extern const uint16_t machine_elf;

/* Jumps of code to code must reach: the most that the arena's part for it may have. */
extern const size_t machine_code_max;

/* What a type of relocation needs of its symbol: LINK_* bits, or one of these. */
enum { MACHINE_UNKNOWN = -1, MACHINE_THREAD_MODEL = -2 };
int machine_need(uint32_t type);
/* Bytes at the place of the relocation that are changed, at most. */
size_t machine_width(uint32_t type);
/* Writes what one relocation asks for. -ERANGE: it does not reach. */
int machine_apply(struct binder *binder, char *place, const Elf64_Rela *r) MUST_USE;

/* A jump to `target`, in MACHINE_STUB_SIZE bytes; and back: the target of a jump that was
 * written so, NULL for anything else. */
#define MACHINE_STUB_SIZE 16
void machine_write_stub(char *code, const void *target);
const void *machine_stub_target(const char *code);

/* A jump to `target` over the first machine_redirect_size bytes of a function that libtcc
 * has compiled; nothing in it jumps or returns to what is inside of them. False: it does
 * not begin as such a function does, or the target is too far. */
extern const size_t machine_redirect_size;
bool machine_write_redirect(char *code, const void *target) MUST_USE;

/* A jump to the address in `slot`, in MACHINE_TRAMPOLINE_SIZE bytes. */
#define MACHINE_TRAMPOLINE_SIZE 16
void machine_write_trampoline(char *code, const char *slot);

/* A jump to `target` with `argument` as the first one, in MACHINE_THUNK_SIZE bytes. */
#define MACHINE_THUNK_SIZE 32
void machine_write_thunk(char *code, const void *argument, const void *target);

/* Where the call before `return_address` went: to `*ret` itself, or (true) to the address
 * in `*ret`. NULL in it: it is no call that has its target in it. MACHINE_CALL_SIZE_MAX
 * bytes in front of the address are read. */
#define MACHINE_CALL_SIZE_MAX 6
bool machine_call_target(const char *return_address, const char **ret);

/* After code has been written: from now on the processor executes it. */
void machine_code_written(char *start, size_t size);

/* How the C library hides pointers in its own data (PTR_MANGLE of glibc): the secret, and
 * a value without it. */
uintptr_t machine_pointer_guard(void);
uintptr_t machine_revealed(uintptr_t value, uintptr_t guard);

/* Functions that code of libtcc calls by itself, to the end: of this machine. */
struct machine_helper {
    const char *name;
    char *address;
};
extern const struct machine_helper machine_helpers[];

#endif
