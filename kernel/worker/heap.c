/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block is
 *
 *     raw ... | struct heap_header | the caller's bytes | guard bytes
 *
 * and two bitmaps hold one bit for every 16 bytes of address space: where a live block
 * starts, and where a freed one started. They come in pieces of 4 GiB of address space,
 * mapped when first needed, so that small limits on address space are no hindrance. The
 * state of an allocator is global by nature. */
#include "kernel/worker/heap.h"

#ifndef ACHAR_ASAN

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/worker/heap_audit.h"
#include "kernel/worker/heap_guard.h"
#include "kernel/worker/heap_piece.h"
#include "kernel/worker/heap_scratch.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

#define EXPORT __attribute__((visibility("default")))
#define FREED_MAX ((size_t)1 << 14) /* freed blocks that are remembered */
#define RESTING_MAX 1024 /* freed blocks whose memory is not given out again yet ... */
#define RESTING_BYTES_MAX ((size_t)1 << 20) /* ... and their bytes */
#define SIZE_MAX_BLOCK ((size_t)1 << 46)

struct piece *heap_pieces[PIECES];
uint64_t heap_pieces_mapped[PIECES / 64];
static struct heap_block freed_blocks[FREED_MAX]; /* by a hash of their start */

/* Memory that a cell has freed rests for a while, so that a pointer that dangles is known
 * as such and does not point into what took its place. The oldest goes first. */
static struct {
    char *blocks[RESTING_MAX];
    size_t first, n, bytes;
    bool is_locked; /* threads of a cell may free at once */
} resting;

static size_t refusal;                  /* bytes of the last allocation that failed */
static const char *own_start, *own_end; /* code that needs no zeros */
static bool (*watch_is_code)(const void *return_address);
static void (*watch_report)(const struct heap_finding *finding);

#define RECENT_MAX 1024 /* newest blocks of cells, which heap_check() looks at first */
#define RESTING_CHECKED 256 /* and the newest of those that rest */

/* Threads may overwrite each other's entry. */
static struct {
    void *blocks[RECENT_MAX];
    size_t n;
} recent;

/* Limits on the data of cells (limit.h) are not for our records. */
static struct piece *map_piece(void)
{
    struct rlimit before, none;
    bool is_limited =
        getrlimit(RLIMIT_DATA, &before) == 0 && before.rlim_cur != before.rlim_max;
    none = before;
    none.rlim_cur = before.rlim_max;
    if (is_limited)
        setrlimit(RLIMIT_DATA, &none);
    void *piece = mmap(NULL, sizeof(struct piece), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (is_limited)
        setrlimit(RLIMIT_DATA, &before);
    return piece;
}

static struct piece *piece_of(uintptr_t address, bool is_made)
{
    size_t i = address >> PIECE_BITS;
    if (i >= PIECES)
        return NULL;
    struct piece *piece = __atomic_load_n(&heap_pieces[i], __ATOMIC_ACQUIRE);
    if (piece || !is_made)
        return piece;
    piece = map_piece();
    if (piece == MAP_FAILED)
        return NULL;
    struct piece *expected = NULL;
    if (!__atomic_compare_exchange_n(&heap_pieces[i], &expected, piece, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        munmap(piece, sizeof(*piece));
        return expected;
    }
    __atomic_fetch_or(&heap_pieces_mapped[i / 64], (uint64_t)1 << i % 64,
                      __ATOMIC_RELEASE);
    return piece;
}

static size_t word_of(uintptr_t address)
{
    return (address >> (GRAIN_BITS + 6)) & (WORDS - 1);
}

static uint64_t bit_of(uintptr_t address)
{
    return (uint64_t)1 << ((address >> GRAIN_BITS) & 63);
}

static bool is_block(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    const struct piece *piece = address % 16 ? NULL : piece_of(address, false);
    return piece && piece->live[word_of(address)] & bit_of(address);
}

static void *adopt(char *raw, size_t offset, size_t size, void *site, uint32_t type)
{
    char *block = raw + offset;
    uintptr_t address = (uintptr_t)block;
    struct piece *piece = piece_of(address, true);
    if (!piece) {
        __libc_free(raw);
        errno = ENOMEM;
        return NULL;
    }
    *heap_header_of(block) = (struct heap_header){
        .size = size, .site = site, .type = type, .offset = (uint32_t)offset};
    heap_seal(block);
    uint64_t bit = bit_of(address);
    size_t group = word_of(address) / GROUP_WORDS;
    if (!(piece->used[group / 64] & (uint64_t)1 << group % 64))
        __atomic_fetch_or(&piece->used[group / 64], (uint64_t)1 << group % 64,
                          __ATOMIC_RELAXED);
    __atomic_fetch_or(&piece->live[word_of(address)], bit, __ATOMIC_RELEASE);
    if (piece->freed[word_of(address)] & bit)
        __atomic_fetch_and(&piece->freed[word_of(address)], ~bit, __ATOMIC_RELAXED);
    return block;
}

static void forget(void *block, bool is_remembered)
{
    uintptr_t address = (uintptr_t)block;
    struct piece *piece = piece_of(address, false);
    const struct heap_header *header = heap_header_of(block);
    __atomic_fetch_and(&piece->live[word_of(address)], ~bit_of(address),
                       __ATOMIC_RELAXED);
    if (!is_remembered)
        return;
    freed_blocks[(address >> GRAIN_BITS) % FREED_MAX] =
        (struct heap_block){block, header->size, header->site, header->type, true};
    __atomic_fetch_or(&piece->freed[word_of(address)], bit_of(address), __ATOMIC_RELAXED);
}

/* Our own code (libtcc's above all) does not need its memory zero-filled. */
static bool is_own(const void *caller)
{
    return (const char *)caller >= own_start && (const char *)caller < own_end;
}

/* No pointer of a cell leads there: calloc() and loaded values leave the site out, and
 * the latter have a type. */
static bool is_of_cells(const void *site, uint32_t type)
{
    return type || (site && !is_own(site));
}

static void *refuse(size_t size)
{
    refusal = size ? size : 1;
    return NULL;
}

size_t heap_refusal(void)
{
    return refusal;
}

void heap_forget_refusal(void)
{
    refusal = 0;
}

static void *allocate(size_t size, size_t alignment, void *site, uint32_t type)
{
    size_t offset = sizeof(struct heap_header);
    char *raw;
    if (size > SIZE_MAX_BLOCK || alignment > SIZE_MAX_BLOCK) {
        errno = ENOMEM;
        return refuse(size);
    }
    if (alignment <= 16) {
        raw = is_own(site) ? __libc_malloc(offset + size + HEAP_GUARD_SIZE)
                           : __libc_calloc(1, offset + size + HEAP_GUARD_SIZE);
    } else {
        offset = alignment > offset ? alignment : offset;
        raw = __libc_memalign(alignment, offset + size + HEAP_GUARD_SIZE);
        if (raw)
            memset(raw + offset, 0, size);
    }
    if (!raw)
        return refuse(size);
    char *block = adopt(raw, offset, size, site, type);
    if (is_of_cells(site, type))
        recent.blocks[recent.n++ % RECENT_MAX] = block;
    return block;
}

void *heap_allocate(size_t size, uint32_t type)
{
    return allocate(size, 16, NULL, type);
}

static char *raw_of(const void *block)
{
    return (char *)block - heap_header_of(block)->offset;
}

static void report(const struct heap_finding *finding)
{
    if (watch_report)
        watch_report(finding);
}

static char *take_oldest(void)
{
    char *oldest = resting.blocks[resting.first];
    resting.first = (resting.first + 1) % RESTING_MAX;
    resting.n--;
    resting.bytes -= heap_header_of(oldest)->size;
    return oldest;
}

/* True with what was found of the blocks that have rested. */
static bool rest(char *block, size_t size, struct heap_finding *ret)
{
    bool is_found = false;
    memset(block, HEAP_PATTERN_BYTE, heap_pattern_size(block));
    while (__atomic_test_and_set(&resting.is_locked, __ATOMIC_ACQUIRE))
        ;
    while (resting.n &&
           (resting.n == RESTING_MAX || resting.bytes + size > RESTING_BYTES_MAX)) {
        char *oldest = take_oldest();
        bool is_damaged = heap_find_late_write(oldest, ret);
        is_found |= is_damaged;
        if (!is_damaged || ret->is_contained)
            __libc_free(raw_of(oldest));
    }
    resting.blocks[(resting.first + resting.n++) % RESTING_MAX] = block;
    resting.bytes += size;
    __atomic_clear(&resting.is_locked, __ATOMIC_RELEASE);
    return is_found;
}

static void release(void *block, const void *caller)
{
    const struct heap_header *header = heap_header_of(block);
    size_t size = header->size;
    struct heap_finding finding;
    forget(block, !is_own(caller) || is_of_cells(header->site, header->type));
    if (is_own(caller) || size > RESTING_BYTES_MAX)
        __libc_free(raw_of(block));
    else if (rest(block, size, &finding))
        report(&finding);
}

/* True when `block` is one and sound; false (or no return) when it is not. */
static bool check_block(void *block, void *caller)
{
    struct heap_finding finding = {
        .damage = HEAP_BAD_FREE, .address = block, .is_contained = true};
    if (is_block(block)) {
        if (heap_find_damage(block, &finding))
            report(&finding);
        return true;
    }
    heap_find(block, &finding.block);
    bool is_twice = finding.block.is_freed && finding.block.start == block;
    if (watch_is_code && (is_twice || watch_is_code(caller)))
        report(&finding);
    return false;
}

/* In place where the C library can; large blocks move without being copied. */
static void *grow(void *block, size_t size, void *site)
{
    struct heap_header old = *heap_header_of(block);
    if (old.offset != sizeof(struct heap_header) || size > SIZE_MAX_BLOCK) {
        void *moved = allocate(size, 16, site, old.type);
        if (!moved)
            return NULL;
        memcpy(moved, block, old.size < size ? old.size : size);
        release(block, site);
        return moved;
    }
    forget(block, false);
    char *raw =
        __libc_realloc((char *)block - old.offset, old.offset + size + HEAP_GUARD_SIZE);
    if (!raw) {
        adopt((char *)block - old.offset, old.offset, old.size, old.site, old.type);
        return refuse(size);
    }
    if (size >= old.size && !is_own(site))
        memset(raw + old.offset + old.size, 0, size - old.size);
    return adopt(raw, old.offset, size, site, old.type);
}

EXPORT void *malloc(size_t size)
{
    void *block = heap_scratch_allocate(size);
    return block ? block : allocate(size, 16, __builtin_return_address(0), 0);
}

EXPORT void *calloc(size_t n, size_t size)
{
    size_t total;
    void *caller = __builtin_return_address(0);
    if (__builtin_mul_overflow(n, size, &total))
        total = SIZE_MAX;
    void *block = heap_scratch_allocate(total);
    if (block)
        return memset(block, 0, total);
    return allocate(total, 16, is_own(caller) ? NULL : caller, 0);
}

EXPORT void free(void *block)
{
    if (!block)
        return;
    if (heap_scratch_has(block))
        heap_scratch_free(block);
    else if (check_block(block, __builtin_return_address(0)))
        release(block, __builtin_return_address(0));
    else
        __libc_free(block); /* ends the process with the C library's message */
}

/* Out of it, or from its one end to the other. */
static void *move_scratch(void *block, size_t size, void *caller)
{
    if (size && heap_scratch_resize(block, size))
        return block;
    void *moved = size ? heap_scratch_allocate(size) : NULL;
    if (size && !moved)
        moved = allocate(size, 16, caller, 0);
    size_t before = heap_scratch_size(block);
    if (moved)
        memcpy(moved, block, before < size ? before : size);
    if (moved || !size)
        heap_scratch_free(block);
    return moved;
}

static void *reallocate(void *block, size_t size, void *caller)
{
    if (block && heap_scratch_has(block))
        return move_scratch(block, size, caller);
    if (!block && (block = heap_scratch_allocate(size)))
        return block;
    if (!block)
        return allocate(size, 16, caller, 0);
    if (!check_block(block, caller))
        return __libc_realloc(block, size);
    if (!size) {
        release(block, caller);
        return NULL;
    }
    return grow(block, size, caller);
}

EXPORT void *realloc(void *block, size_t size)
{
    return reallocate(block, size, __builtin_return_address(0));
}

EXPORT void *reallocarray(void *block, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return reallocate(block, total, __builtin_return_address(0));
}

static bool is_power_of_two(size_t n)
{
    return n && !(n & (n - 1));
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(size, alignment, __builtin_return_address(0), 0);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(size, alignment, __builtin_return_address(0), 0);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *))
        return EINVAL;
    int saved = errno;
    void *block = allocate(size, alignment, __builtin_return_address(0), 0);
    errno = saved;
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return allocate(size, (size_t)sysconf(_SC_PAGESIZE), __builtin_return_address(0), 0);
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return allocate((size + page - 1) & ~(page - 1), page, __builtin_return_address(0),
                    0);
}

EXPORT size_t malloc_usable_size(void *block)
{
    if (block && heap_scratch_has(block))
        return heap_scratch_size(block);
    return block && is_block(block) ? heap_header_of(block)->size : 0;
}

#define NO_GRAIN SIZE_MAX

/* The last set bit from word `word` (its bits in `mask`) down to the start of its group.
 */
static size_t scan_group(const uint64_t *words, size_t word, uint64_t mask)
{
    for (;; word--, mask = ~(uint64_t)0) {
        uint64_t bits = words[word] & mask;
        if (bits)
            return word * 64 + (size_t)(63 - __builtin_clzll(bits));
        if (word % GROUP_WORDS == 0)
            return NO_GRAIN;
    }
}

/* The last set bit at or before bit `grain` of a piece. */
static size_t scan_piece(const struct piece *piece, bool is_live, size_t grain)
{
    const uint64_t *words = is_live ? piece->live : piece->freed;
    uint64_t bit = (uint64_t)1 << grain % 64;
    size_t found = scan_group(words, grain / 64, bit | (bit - 1));
    size_t group = grain / 64 / GROUP_WORDS, i = group / 64;
    uint64_t left = piece->used[i] & (((uint64_t)1 << group % 64) - 1);
    while (found == NO_GRAIN) {
        if (left) {
            size_t top = (size_t)(63 - __builtin_clzll(left));
            left &= ~((uint64_t)1 << top);
            size_t last = (i * 64 + top) * GROUP_WORDS + GROUP_WORDS - 1;
            found = scan_group(words, last, ~(uint64_t)0);
        } else if (i == 0) {
            break;
        } else {
            left = piece->used[--i];
        }
    }
    return found;
}

/* The nearest start at or before the address, 0: none. */
static uintptr_t nearest(uintptr_t address, bool is_live)
{
    size_t grain = (address >> GRAIN_BITS) & (WORDS * 64 - 1);
    for (size_t i = address >> PIECE_BITS;; i--) {
        const struct piece *piece = __atomic_load_n(&heap_pieces[i], __ATOMIC_ACQUIRE);
        size_t found = piece ? scan_piece(piece, is_live, grain) : NO_GRAIN;
        if (found != NO_GRAIN)
            return (uintptr_t)i << PIECE_BITS | (uintptr_t)found << GRAIN_BITS;
        grain = WORDS * 64 - 1;
        if (!i)
            return 0;
    }
}

char *heap_block_before(const void *address)
{
    return (char *)nearest((uintptr_t)address - 1, true);
}

static bool find_freed(uintptr_t address, struct heap_block *ret)
{
    uintptr_t start = nearest(address, false);
    const struct heap_block *block = &freed_blocks[(start >> GRAIN_BITS) % FREED_MAX];
    if (!start || (uintptr_t)block->start != start || address - start > block->size)
        return false;
    *ret = *block;
    return true;
}

bool heap_find(const void *address, struct heap_block *ret)
{
    uintptr_t at = (uintptr_t)address;
    if (at >> 47)
        return false;
    uintptr_t start = nearest(at, true);
    if (start) {
        const struct heap_header *header = heap_header_of((void *)start);
        if (at - start <= header->size) {
            *ret = (struct heap_block){(char *)start, header->size, header->site,
                                       header->type, false};
            return true;
        }
    }
    return find_freed(at, ret);
}

void heap_init(const void *start, const void *end)
{
    own_start = start;
    own_end = end;
    mallopt(M_MMAP_THRESHOLD,
            1 << 20); /* libtcc's pools stay in the heap from cell to cell */
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

void heap_watch(bool (*is_code)(const void *return_address),
                void (*report_finding)(const struct heap_finding *finding))
{
    watch_is_code = is_code;
    watch_report = report_finding;
}

static bool check_recent(struct heap_finding *ret)
{
    size_t n = recent.n < RECENT_MAX ? recent.n : RECENT_MAX;
    for (size_t i = 0; i < n; i++)
        if (recent.blocks[i] && is_block(recent.blocks[i]) &&
            heap_find_damage(recent.blocks[i], ret))
            return true;
    return false;
}

static bool check_resting(struct heap_finding *ret)
{
    size_t n = resting.n < RESTING_CHECKED ? resting.n : RESTING_CHECKED;
    for (size_t i = 0; i < n; i++) {
        size_t at = (resting.first + resting.n - 1 - i) % RESTING_MAX;
        if (heap_find_late_write(resting.blocks[at], ret))
            return true;
    }
    return false;
}

bool heap_check(struct heap_finding *ret)
{
    return check_recent(ret) || check_resting(ret) || heap_audit(ret);
}

#endif
