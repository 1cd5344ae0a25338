# SPDX-License-Identifier: BSD-3-Clause
"""Fault programs: kinds of faults, and places where they happen.

A kind is a few statements; the line that faults ends with the mark `//!`, so that a test knows
which In[n]:line the traceback must name. A place is the code around them. Not every kind makes
sense in every place: `only` and `never` say so.
"""
import dataclasses

MARK = "//!"
SETUP = """#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct node { struct node *next; long number; char text[24]; };
struct node *list = NULL;
long count = 0;
double half = 0.5;
char word[16] = "start";
volatile int zero = 0;
int *volatile nowhere = NULL;
char *volatile wild = (char *)0x4142434445464748;
char *volatile unmapped = (char *)0x10000000;

void mark(void)
{
    struct node *fresh = malloc(sizeof(*fresh));
    fresh->next = list;
    fresh->number = ++count;
    sprintf(fresh->text, "node %ld", count);
    list = fresh;
    half += 0.5;
    sprintf(word, "after %ld", count);
}

void show_state(void)
{
    long n = 0, sum = 0;
    for (struct node *at = list; at; at = at->next, n++)
        sum += at->number * 1000 + (long)strlen(at->text);
    printf("%ld %ld %ld %g %s\\n", count, n, sum, half, word);
}
"""
HELD = "int held_ends[2];\npipe(held_ends)"  # a pipe in a checkpoint would never give EOF


def state(n):
    """What show_state() prints after n calls of mark()."""
    total = sum(i * 1000 + len(f"node {i}") for i in range(1, n + 1))
    return f"{n} {n} {total} {0.5 + n * 0.5:g} {f'after {n}' if n else 'start'}\n"


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    body: str
    error: str          # the error's name
    message: str = ""   # in its message
    define: str = ""    # what stands before the place, at file scope
    only: str = ""      # places, separated by blanks; empty: all
    never: str = ""     # places where it means something else
    frames: str = ""    # functions that the traceback names, separated by blanks


KINDS = [
    # --- memory that is not there ---
    Kind("null-write", "*nowhere = 1; //!", "SIGSEGV", "write to address 0x0 (null pointer)"),
    Kind("null-read", "zero = *nowhere; //!", "SIGSEGV",
         "read of address 0x0 (null pointer)"),
    Kind("null-field", "struct node *no = (struct node *)nowhere;\nno->number = 3; //!", "SIGSEGV",
         "write to address 0x8 (null pointer)"),
    Kind("null-call", "void (*volatile call)(void) = NULL;\ncall(); //!", "SIGSEGV",
         "call of address 0x0 (null function pointer)"),
    Kind("wild-read", "zero = *(volatile int *)unmapped; //!", "SIGSEGV",
         "read of address 0x10000000"),
    Kind("wild-write", "*wild = 1; //!", "SIGSEGV", "use of a pointer that holds no address"),
    Kind("wild-call", "void (*volatile call)(void) = (void (*)(void))unmapped;\ncall(); //!",
         "SIGSEGV", "call of address 0x10000000, where there is no code"),
    Kind("data-call", "void (*volatile call)(void) = (void (*)(void))(void *)word;\ncall(); //!",
         "SIGSEGV", "where there is no code"),
    Kind("read-only", "char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
         "page[8] = 1; //!", "SIGSEGV", "which is read-only"),
    Kind("no-access", "char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
         "word[0] = page[8]; //!", "SIGSEGV", "which may not be read"),
    Kind("unmapped-page", "char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
         "munmap(page, 4096);\nword[0] = page[8]; //!", "SIGSEGV", "read of address"),
    Kind("library-text", "*(volatile char *)(void *)&strtol = 1; //!", "SIGSEGV", "which is read-only",
         only="cell function"),
    Kind("unaligned-sse", '(void)0; __asm__ volatile("lea 1(%%rsp), %%rax\\n\\tmovaps (%%rax), %%xmm0" //!\n'
         '                          ::: "rax");', "SIGSEGV", "use of a pointer that holds no address"),
    Kind("truncated-mapping", "FILE *file = tmpfile();\nftruncate(fileno(file), 4096);\n"
         "char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(file), 0);\n"
         "ftruncate(fileno(file), 0);\nword[0] = page[8]; //!", "SIGBUS",
         "beyond the end of its file"),
    # --- arithmetic and instructions ---
    Kind("division", "zero = (int)count / zero; //!", "SIGFPE", "division by zero"),
    Kind("remainder", "count = count % zero; //!", "SIGFPE", "division by zero"),
    Kind("too-large-quotient", "volatile int low = INT32_MIN, minus = -1;\nlow = low / minus; //!",
         "SIGFPE", "division"),
    Kind("ud2", '(void)0; __asm__ volatile("ud2"); //!', "SIGILL", "illegal instruction"),
    Kind("int3", '(void)0; __asm__ volatile("int3"); //!', "SIGTRAP", "breakpoint trap"),
    Kind("privileged", '(void)0; __asm__ volatile("hlt"); //!', "SIGSEGV"),
    Kind("trap", "__builtin_trap(); //!", "SIGILL", "illegal instruction", only="cc"),
    # --- raised, aborted, asserted ---
    Kind("abort", "abort(); //!", "SIGABRT", "abort() was called"),
    Kind("assert", "assert(zero == 1); //!", "SIGABRT", "assertion 'zero == 1' failed"),
    Kind("raise-segv", "raise(SIGSEGV); //!", "SIGSEGV", "SIGSEGV was raised"),
    Kind("raise-abort", "raise(SIGABRT); //!", "SIGABRT"),
    Kind("raise-fpe", "raise(SIGFPE); //!", "SIGFPE", "SIGFPE was raised"),
    Kind("raise-bus", "raise(SIGBUS); //!", "SIGBUS", "SIGBUS was raised"),
    Kind("kill-self", "kill(getpid(), SIGILL); //!", "SIGILL", "SIGILL was raised", never="thread"),
    Kind("raise-kill", "raise(SIGKILL);", "SIGKILL", "killed"),
    Kind("raise-term", "raise(SIGTERM); //!", "SIGTERM", "SIGTERM was raised"),
    Kind("raise-stop-quit", "raise(SIGQUIT); //!", "SIGQUIT", "SIGQUIT was raised"),
    Kind("raise-alarm", "raise(SIGALRM); //!", "SIGALRM", "SIGALRM was raised"),
    Kind("raise-user", "raise(SIGUSR1); //!", "SIGUSR1", "SIGUSR1 was raised"),
    Kind("raise-hangup", "raise(SIGHUP); //!", "SIGHUP", "SIGHUP was raised"),
    Kind("raise-system", "raise(SIGSYS); //!", "SIGSYS", "SIGSYS was raised"),
    # --- the stack ---
    Kind("recursion", "deep(1); //!", "SIGSEGV", "stack overflow",
         define="int deep(int n)\n{\n    volatile char room[500];\n    room[0] = (char)n;\n"
                "    return deep(n + 1) + room[0];\n}", frames="deep"),
    Kind("large-frame", "huge(1 + zero); //!", "SIGSEGV", "stack overflow",
         define="int huge(int n)\n{\n    volatile char room[300 << 20];\n    room[n] = 1;\n"
                "    return room[n];\n}", frames="huge", never="tier tier-callback"),
    Kind("smashed", "smash(200);", "StackSmashing", "was overwritten",
         define="void smash(int n)\n{\n    char room[16];\n    char *volatile at = room;\n"
                "    memset(at, 'A', n);\n}"),
    Kind("smashed-far", "smash(1 << 20);", "StackSmashing", "was overwritten",
         define="void smash(int n)\n{\n    char room[16];\n    char *volatile at = room;\n"
                "    memset(at, 'A', n);\n}", never="thread"),
    # --- the heap ---
    Kind("double-free", "char *volatile block = malloc(24);\nfree(block);\nfree(block); //!", "DoubleFree",
         "was freed before"),
    Kind("free-middle", "char *volatile block = malloc(100);\nfree(block + 16); //!", "BadFree",
         "16 bytes into a block of 100 bytes"),
    Kind("free-unaligned", "char *volatile block = malloc(100);\nfree(block + 3); //!", "BadFree",
         "3 bytes into a block of 100 bytes"),
    Kind("free-global", "free(word); //!", "BadFree", "which is not an allocated block"),
    Kind("free-stack", "char room[32];\nfree(room); //!", "BadFree", "which is not an allocated block"),
    Kind("free-literal", 'free("text"); //!', "BadFree", "which is not an allocated block"),
    Kind("free-wild", "free(wild); //!", "BadFree", "which is not an allocated block"),
    Kind("free-function", "free((void *)show_state); //!", "BadFree",
         "which is not an allocated block"),
    Kind("realloc-freed", "char *volatile block = malloc(40);\nfree(block);\nblock = realloc(block, 80); //!",
         "DoubleFree", "was freed before"),
    Kind("realloc-global", "char *volatile got = realloc(word, 80); //!", "BadFree",
         "which is not an allocated block"),
    Kind("overrun-by-one", "char *volatile block = malloc(20);\nmemset(block, 1, 21);\nfree(block); //!",
         "HeapOverrun", "behind a block of 20 bytes"),
    Kind("overrun-by-one-aligned", "char *volatile block = malloc(32);\nblock[32] = 0x41;\nfree(block); //!",
         "HeapOverrun", "behind a block of 32 bytes"),
    Kind("overrun-by-zero", "char *volatile block = malloc(5);\nstrcpy(block, \"five!\");\nfree(block); //!",
         "HeapOverrun", "behind a block of 5 bytes"),
    Kind("overrun-by-int", "int *volatile block = malloc(5 * sizeof(int));\nblock[5] = 7;\nfree(block); //!",
         "HeapOverrun", "behind a block of 20 bytes"),
    Kind("overrun-by-many", "char *volatile block = malloc(20);\nmemset(block, 1, 300);\nfree(block);",
         "HeapOverrun", "behind a block of 20 bytes"),
    Kind("underrun", "char *volatile block = malloc(20);\nblock[-1] = 1;\nfree(block); //!", "HeapUnderrun",
         "in front of the block at"),
    Kind("overrun-realloc", "char *volatile block = malloc(20);\nblock[20] = 1;\nblock = realloc(block, 30); //!",
         "HeapOverrun", "behind a block of 20 bytes"),
    Kind("freed-then-written", "char *volatile block = malloc(64);\nfree(block);\nblock[0] = 1;",
         "UseAfterFree", "64 bytes", never="main"),
    Kind("overrun-kept", "char *volatile block = malloc(20);\nblock[20] = 1;", "HeapOverrun",
         "behind a block of 20 bytes", never="main"),
    Kind("freed-page", "char *volatile block = malloc(8 << 20);\nmemset(block, 1, 8 << 20);\nfree(block);\n"
         "block[5000] = 1; //!", "SIGSEGV", "in freed memory: a block of 8388608 bytes was there"),
    # --- in libc, with what the cell handed over ---
    Kind("strlen-null", "size_t got = strlen((char *)nowhere); //!\ncount += got;", "SIGSEGV",
         "null pointer", frames="strlen"),
    Kind("strcpy-null", 'strcpy((char *)nowhere, "text that is copied"); //!', "SIGSEGV", "null pointer"),
    Kind("memcpy-null", "memcpy(nowhere, word, 8 + zero); //!", "SIGSEGV", "null pointer"),
    Kind("memset-wild", "memset(unmapped, 1, 100 + zero); //!", "SIGSEGV", "write to address 0x10000000"),
    Kind("strcmp-wild", "count += strcmp(word, unmapped); //!", "SIGSEGV", "0x10000000"),
    Kind("printf-wild", 'printf("%s\\n", unmapped); //!', "SIGSEGV", "0x10000000", frames="printf"),
    Kind("sprintf-null", 'sprintf((char *)nowhere, "%d", 3); //!', "SIGSEGV", "null pointer"),
    Kind("sscanf-null", 'sscanf("3", "%d", nowhere); //!', "SIGSEGV", "null pointer"),
    Kind("fclose-null", "fclose((FILE *)nowhere); //!", "SIGSEGV", frames="fclose"),
    Kind("fputs-wild", 'fputs("text", (FILE *)unmapped); //!', "SIGSEGV"),
    Kind("fclose-twice", 'FILE *volatile file = tmpfile();\nfclose(file);\nfclose(file); //!',
         "BadStream", "invalid stdio handle", frames="fclose"),
    Kind("getenv-null", "char *volatile got = getenv((char *)nowhere); //!", "SIGSEGV"),
    Kind("qsort-null", "qsort(nowhere, 4, 4, (int (*)(const void *, const void *))strcmp); //!",
         "SIGSEGV", "null pointer", frames="qsort"),
    Kind("time-wild", "struct timespec *at = (struct timespec *)unmapped;\nat->tv_sec = 1; //!", "SIGSEGV",
         "0x10000000"),
    Kind("malloc-null-use", "char *volatile got = malloc((size_t)1 << 60);\ngot[0] = 1; //!", "SIGSEGV",
         "null pointer"),
    # --- ends that are no faults, or of something else ---
    Kind("exit-status", "exit(3); //!", "ExitStatus", "exit status 3", never="thread"),
    Kind("exit-at-once", "_exit(4); //!", "ExitStatus", "exit status 4", never="thread"),
    Kind("quick-exit", "quick_exit(5); //!", "ExitStatus", "exit status 5", never="thread"),
    Kind("Exit", "_Exit(6); //!", "ExitStatus", "exit status 6", never="thread"),
    Kind("undefined", "missing_function(1); //!", "UndefinedFunction", "is declared but not defined",
         define="int missing_function(int);"),
]

PLACES = ["cell", "function", "callback", "nested", "handler", "exit-handler", "thread", "cc",
          "cc-callback", "main"]
TIER = ["tier", "tier-callback"]  # for every sixth kind: gcc takes its time
ALWAYS = ["cell", "callback", "thread", "cc"]  # the other places take turns
WIDE = "    __int128 wide = zero;\n    (void)wide;\n"  # libtcc has no such type


@dataclasses.dataclass(frozen=True)
class Program:
    kind: Kind
    place: str
    cells: tuple   # texts; the last one is left by the fault

    @property
    def name(self):
        return f"{self.place}-{self.kind.name}"

    def fault_at(self):
        """(position of the cell, line) of the mark; None where a line cannot be known."""
        for position, text in enumerate(self.cells):
            for number, line in enumerate(text.split("\n"), 1):
                if MARK in line:
                    return position, number
        return None


def indent(text):
    return "\n".join("    " + line for line in text.split("\n"))


def program(kind, place):
    name = "p_" + f"{place}_{kind.name}".replace("-", "_")
    body, define = kind.body, kind.define
    if define and not kind.name == "undefined":
        for word in ("deep", "huge", "smash"):
            body, define = body.replace(f"{word}(", f"{name}_{word}("), define.replace(f"{word}(", f"{name}_{word}(")
    is_cc = place.startswith("cc")
    is_optimised = is_cc or place.startswith("tier")  # `zero = zero`: no call before it is a tail call
    function = f"{{\n{WIDE if is_cc else ''}{indent(body)}\n{'    zero = zero;' if is_optimised else ''}\n"
    if place == "cell":
        cells = [define, f"mark();\n{{\n{indent(body)}\n}}"]
    elif place == "main":
        cells = [define, f"int main(void)\n{{\n    mark();\n{indent(body)}\n    return 0;\n}}"]
    elif place in ("function", "cc"):
        cells = [define, f"void {name}(void)\n{function}}}", f"mark();\n{name}();"]
    elif place == "tier":
        cells = [define, f"void {name}(void)\n{function}}}", f"%opt now {name}", f"mark();\n{name}();"]
    elif place == "tier-callback":
        cells = [define, f"int {name}(const void *a, const void *b)\n{function}    return a < b;\n}}",
                 f"%opt now {name}",
                 f"mark();\nint {name}_v[4] = {{1}};\nqsort({name}_v, 4, sizeof(int), {name});"]
    elif place in ("callback", "cc-callback"):
        cells = [define, f"int {name}(const void *a, const void *b)\n{function}    return a < b;\n}}",
                 f"mark();\nint {name}_v[4] = {{1}};\nqsort({name}_v, 4, sizeof(int), {name});"]
    elif place == "nested":
        cells = [define, f"int {name}(const void *a, const void *b)\n{function}    return a < b;\n}}",
                 f"int {name}_o(const void *a, const void *b)\n{{\n"
                 f"    return bsearch(a, b, 1, 4, {name}) != NULL;\n}}",
                 f"mark();\nint {name}_v[4] = {{1}};\nqsort({name}_v, 4, sizeof(int), {name}_o);"]
    elif place == "handler":
        cells = [define, f"void {name}(int number)\n{function}    (void)number;\n}}",
                 f"mark();\nsignal(SIGUSR2, {name});\nraise(SIGUSR2);"]
    elif place == "exit-handler":
        cells = [define, f"void {name}(void)\n{function}}}", f"mark();\natexit({name});\nexit(0);"]
    elif place == "thread":
        cells = [define, f"void *{name}(void *argument)\n{function}    return argument;\n}}",
                 f"mark();\npthread_t {name}_t;\npthread_create(&{name}_t, NULL, {name}, NULL);\n"
                 f"pthread_join({name}_t, NULL);"]
    return Program(kind, place, tuple(cell for cell in cells if cell))


def turn(places, number, n):
    """n of the places, others for each number."""
    return [places[(number * n + i) % len(places)] for i in range(n)]


def places_of(number, is_held, is_all):
    others = [place for place in PLACES if place not in ALWAYS]
    if is_all:
        return PLACES + TIER
    if is_held:
        return ["cell"] + turn(PLACES[1:], number, 1)
    return ALWAYS + turn(others, number, 2) + (turn(TIER, number // 6, 1) if number % 6 == 0 else [])


def programs(is_held=False, is_all=True):
    """All programs, or those of a test that has less than a minute."""
    return [program(kind, place) for number, kind in enumerate(KINDS)
            for place in places_of(number, is_held, is_all)
            if (not kind.only or place in kind.only.split()) and place not in kind.never.split()]
