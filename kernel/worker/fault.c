/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/fault.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/worker/frames.h"
#include "kernel/worker/heap.h"
#include "kernel/worker/heap_guard.h"
#include "kernel/worker/limit.h"

#define NULL_PAGE 65536 /* addresses below are offsets from a null pointer */
#define STACK_SLACK ((uintptr_t)256 << 10)
#define STACK_JUMP ((uintptr_t)1 << 30) /* one frame with a large array */

void fault_name(int signal, char *name, size_t size)
{
    const char *short_name = sigabbrev_np(signal);
    snprintf(name, size, "SIG%s", short_name ? short_name : "?");
}

static bool is_overflow(uintptr_t address, uintptr_t sp, const struct fault_stack *stack)
{
    uintptr_t low = stack ? (uintptr_t)stack->low : 0;
    return low && address < low + STACK_SLACK && address > low - STACK_JUMP &&
           sp < low + STACK_SLACK;
}

bool fault_is_behind_stack(const ucontext_t *context, const struct fault_stack *stack)
{
    uintptr_t address = registers_address(context);
    return stack && registers_is_write(context) &&
           address - (uintptr_t)stack->high < STACK_SLACK;
}

static void describe_access(const siginfo_t *info, const ucontext_t *context,
                            const struct fault_stack *stack, char *text, size_t size)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    if (info->si_code == SI_KERNEL) { /* no address is told: it is in a register */
        bool is_of_freed = registers_hold(context, HEAP_PATTERN_WORD - NULL_PAGE,
                                          HEAP_PATTERN_WORD + NULL_PAGE);
        snprintf(text, size, "use of a pointer that %s",
                 is_of_freed ? "was read from freed memory" : "holds no address");
        return;
    }
    if (is_overflow(address, registers_sp(context), stack)) {
        snprintf(text, size, "stack overflow");
        return;
    }
    bool is_call = registers_is_call(context, address);
    bool is_write = !is_call && registers_is_write(context);
    const char *what = is_call    ? "call of address"
                       : is_write ? "write to address"
                                  : "read of address";
    int n = snprintf(text, size, "%s 0x%zx", what, (size_t)address);
    char *rest = text + n;
    size_t left = size - (size_t)n;
    struct heap_block block;
    if (address < NULL_PAGE)
        snprintf(rest, left, is_call ? " (null function pointer)" : " (null pointer)");
    else if (heap_find(info->si_addr, &block) && block.is_freed)
        snprintf(rest, left, ", in freed memory: a block of %zu bytes was there",
                 block.size);
    else if (info->si_code == SEGV_ACCERR && !is_call)
        snprintf(rest, left,
                 is_write ? ", which is read-only" : ", which may not be read");
    else if (is_call)
        snprintf(rest, left, ", where there is no code");
}

static void describe_arithmetic(const siginfo_t *info, const ucontext_t *context,
                                char *text, size_t size)
{
    if (info->si_code == FPE_INTDIV)
        snprintf(text, size, "%s",
                 registers_divides_by_zero(context)
                     ? "division by zero"
                     : "division by zero, or its result is too large");
    else if (info->si_code > 0)
        snprintf(text, size, "floating-point exception");
    else
        snprintf(text, size, "SIGFPE was raised");
}

/* What the C library said before it aborted, without its newline; "" when it said
 * nothing.
 */
static void library_words(char *text, size_t size)
{
    struct message { /* of glibc, for debuggers and core dumps */
        unsigned size;
        char text[];
    };
    struct message *const *place = dlvsym(RTLD_DEFAULT, "__abort_msg", "GLIBC_PRIVATE");
    const struct message *message = place ? *place : NULL;
    snprintf(text, size, "%.*s", message ? (int)strcspn(message->text, "\n") : 0,
             message ? message->text : "");
}

static void find_abort(char *name, size_t name_size, char *text, size_t size)
{
    static const struct {
        const char *part, *name;
    } list[] = {
        {"stack smashing", "StackSmashing"}, {"buffer overflow", "BufferOverflow"},
        {"double free", "DoubleFree"},       {"free()", "HeapCorruption"},
        {"malloc", "HeapCorruption"},        {"realloc", "HeapCorruption"},
        {"corrupted", "HeapCorruption"},     {"munmap_chunk", "HeapCorruption"},
        {"stdio handle", "BadStream"}};
    char words[256];
    library_words(words, sizeof(words));
    if (!*words)
        return;
    snprintf(text, size, "the C library has aborted the program: %s", words);
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (strstr(words, list[i].part)) {
            snprintf(name, name_size, "%s", list[i].name);
            return;
        }
}

static void find_refusal(const siginfo_t *info, char *name, size_t name_size, char *text,
                         size_t size)
{
    char why[128];
    bool is_limit = false;
    size_t used = strlen(text);
    if (!limit_is_cause(info, why, sizeof(why), &is_limit))
        return;
    snprintf(text + used, size - used, "; %s", why);
    if (is_limit)
        snprintf(name, name_size, "MemoryLimit");
}

/* The processor has found no address in the stack pointer, which functions restore from
 * the stack when they return. */
static void find_lost_stack(char *name, size_t name_size, char *text, size_t size)
{
    snprintf(name, name_size, "StackSmashing");
    snprintf(text, size,
             "the frame of a function was overwritten: a local array was "
             "written behind its end");
}

void fault_find_cause(int signal, const siginfo_t *info, char *name, size_t name_size,
                      char *text, size_t size)
{
    if (signal == SIGABRT)
        find_abort(name, name_size, text, size);
    else if (signal == SIGBUS && info->si_code == SI_KERNEL)
        find_lost_stack(name, name_size, text, size);
    else if (signal == SIGSEGV)
        find_refusal(info, name, name_size, text, size);
}

void fault_describe(int signal, const siginfo_t *info, const ucontext_t *context,
                    const struct fault_stack *stack, char *text, size_t size)
{
    bool is_sent = info->si_code <= 0; /* by raise() or kill() */
    if (is_sent && signal != SIGABRT) {
        char name[16];
        fault_name(signal, name, sizeof(name));
        if (info->si_code == SI_USER && info->si_pid != getpid())
            snprintf(text, size, "%s was sent by process %d", name, (int)info->si_pid);
        else
            snprintf(text, size, "%s was raised", name);
        return;
    }
    switch (signal) {
    case SIGSEGV:
        describe_access(info, context, stack, text, size);
        return;
    case SIGBUS:
        snprintf(text, size,
                 "address 0x%zx is beyond the end of its file, or not aligned",
                 (size_t)info->si_addr);
        return;
    case SIGFPE:
        describe_arithmetic(info, context, text, size);
        return;
    case SIGILL:
        snprintf(text, size, "illegal instruction: __builtin_trap(), or damaged code");
        return;
    case SIGTRAP:
        snprintf(text, size, "breakpoint trap");
        return;
    case SIGABRT:
        snprintf(text, size, "the program was aborted");
        return;
    default:
        snprintf(text, size, "%s", sigdescr_np(signal));
    }
}
