/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tracking allocator in this very process: blocks by any address inside, exact sizes,
 * zeros, freed blocks, the C library's own blocks, growth, alignment, many at random. */
#include "kernel/worker/heap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernel/worker/heap_scratch.h"
#include "tests/unit/check.h"

static bool is_in(const void *address, const void *start, size_t size, bool is_freed)
{
    struct heap_block block = {0};
    return heap_find(address, &block) && block.start == start && block.size == size &&
           block.is_freed == is_freed;
}

/* The compiler must not reason about what these tests do on purpose. */
static void *hidden(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer));
    return pointer;
}

static size_t huge(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

static bool is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static void test_interior(void)
{
    char *a = hidden(malloc(100)), *big = hidden(malloc(50 << 20)),
         *none = hidden(malloc(0));
    struct heap_block block;
    int local;
    CHECK(is_in(a, a, 100, false));
    CHECK(is_in(a + 57, a, 100, false));
    CHECK(is_in(a + 100, a, 100, false)); /* one past the end */
    CHECK(!heap_find(a + 101, &block));
    CHECK(!heap_find(a - 1, &block));
    CHECK(is_in(big + (49 << 20), big, 50 << 20, false));
    CHECK(is_in(none, none, 0, false));
    CHECK(!heap_find(&local, &block));
    CHECK(!heap_find(NULL, &block));
    CHECK(!heap_find((void *)UINTPTR_MAX, &block));
    CHECK(is_zero(a, 100));
    memset(a, 1, 100);
    char *freed = hidden(a);
    free(a);
    CHECK(is_in(freed + 5, freed, 100, true));
    char *b = hidden(malloc(100));
    CHECK(is_zero(b, 100));
    CHECK(is_in(b, b, 100, false));
    free(b);
    free(big);
    free(none);
}

static void test_library_blocks(void)
{
    char *copy = strdup("hello"), *line = NULL, *text = NULL;
    size_t size = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file && getline(&line, &size, file) > 0);
    CHECK(asprintf(&text, "%d", 12345) == 5);
    CHECK(is_in(copy + 2, copy, 6, false));
    CHECK(is_in(line + 10, line, size, false));
    CHECK(is_in(text + 1, text, 6, false) || is_in(text + 1, text, 100, false));
    fclose(file);
    free(copy);
    free(line);
    free(text);
}

static void test_growth(void)
{
    char *p = hidden(malloc(10));
    memset(p, 7, 10);
    for (size_t size = 11; size < 3 << 20; size = size * 3 / 2) {
        size_t old = malloc_usable_size(p);
        p = hidden(realloc(p, size));
        if (!CHECK(p && is_in(p + size / 2, p, size, false)) ||
            !CHECK(p[0] == 7 && is_zero(p + old, size - old)))
            break;
        memset(p, 7, size);
    }
    p = hidden(realloc(p, 5));
    CHECK(is_in(p, p, 5, false) && p[4] == 7);
    p = hidden(realloc(p, 40));
    CHECK(is_zero(p + 5, 35)); /* what was cut off is gone */
    errno = 0;
    char *kept = hidden(p);
    CHECK(!realloc(p, huge(SIZE_MAX / 2)) && errno == ENOMEM);
    p = hidden(kept);
    CHECK(is_in(p, p, 40, false) && p[4] == 7);
    CHECK(!reallocarray(p, huge(SIZE_MAX / 2), 4));
    CHECK(!hidden(calloc(huge(SIZE_MAX / 2), 4)));
    free(hidden(kept));
}

static void test_alignment(void)
{
    for (size_t alignment = 16; alignment <= 1 << 16; alignment *= 2) {
        char *a = hidden(aligned_alloc(alignment, 100)), *b = NULL;
        CHECK(posix_memalign((void **)&b, alignment, 33) == 0);
        CHECK((uintptr_t)a % alignment == 0 && (uintptr_t)b % alignment == 0);
        CHECK(is_in(a + 99, a, 100, false) && is_in(b, b, 33, false));
        CHECK(is_zero(a, 100));
        memset(a, 9, 100);
        a = hidden(realloc(a, 5000));
        CHECK(a[99] == 9 && is_zero(a + 100, 4900) && is_in(a, a, 5000, false));
        free(a);
        free(b);
    }
    void *p = NULL;
    CHECK_INT(posix_memalign(&p, 3, 8), EINVAL);
    CHECK(!hidden(aligned_alloc(huge(24), 8)));
}

static void test_types(void)
{
    struct heap_block block = {0};
    char *p = heap_allocate(64, 12);
    CHECK(heap_find(p + 8, &block));
    CHECK_INT(block.type, 12);
    free(p);
    p = hidden(malloc(8));
    CHECK(heap_find(p, &block));
    CHECK(block.site >= (void *)test_types &&
          (char *)block.site < (char *)test_types + 4096);
    free(p);
}

static void test_many(void)
{
    enum { N = 4000 };
    static char *blocks[N];
    static size_t sizes[N];
    unsigned seed = 1;
    size_t wrong = 0;
    for (int round = 0; round < 20 * N; round++) {
        size_t i = (size_t)rand_r(&seed) % N;
        free(blocks[i]);
        sizes[i] = (size_t)rand_r(&seed) % (round % 50 ? 300 : 200000);
        blocks[i] = hidden(malloc(sizes[i]));
        memset(blocks[i], 0xff, sizes[i]);
        size_t k = (size_t)rand_r(&seed) % N;
        if (blocks[k])
            wrong += !is_in(blocks[k] + rand_r(&seed) % (sizes[k] + 1), blocks[k],
                            sizes[k], false);
    }
    CHECK_INT(wrong, 0);
    for (size_t i = 0; i < N; i++)
        free(blocks[i]);
}

static void *allocate_much(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed;
    size_t wrong = 0;
    for (int i = 0; i < 20000; i++) {
        size_t size = (size_t)rand_r(&state) % 500;
        char *p = hidden(malloc(size));
        wrong += !is_in(p + size / 2, p, size, false);
        free(p);
    }
    return (void *)wrong;
}

static void test_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, allocate_much, (void *)(i + 1)), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_INT((uintptr_t)wrong, 0);
    }
}

static struct heap_finding last;
static int n_findings;

static void record(const struct heap_finding *finding)
{
    last = *finding;
    n_findings++;
}

static bool is_never(const void *return_address)
{
    (void)return_address;
    return false;
}

/* What was found since the last time: one finding, of this kind and block. */
static bool found(enum heap_damage damage, uintptr_t block, size_t at)
{
    bool is_it = n_findings == 1 && last.damage == damage &&
                 (uintptr_t)last.block.start == block &&
                 (uintptr_t)last.address == block + at;
    if (!is_it)
        fprintf(stderr, "  %d findings, the last of kind %d\n", n_findings, last.damage);
    n_findings = 0;
    return is_it;
}

static void test_damage(void)
{
    struct heap_finding finding;
    char *block = hidden(malloc(20)), *other = hidden(malloc(33));
    uintptr_t first = (uintptr_t)block;
    heap_watch(is_never, record);
    while (heap_check(&finding))
        ;
    block[20] = 0;
    free(hidden(block));
    CHECK(found(HEAP_OVERRUN, first, 20) && last.is_contained);
    other[36] = 1;
    other = hidden(realloc(other, 50));
    CHECK(n_findings == 1 && last.damage == HEAP_OVERRUN && last.block.size == 33);
    n_findings = 0;
    other[50] = 1;
    CHECK(heap_check(&finding) && finding.block.start == other);
    CHECK(!heap_check(&finding));               /* reported once */
    volatile uintptr_t late = (uintptr_t)other; /* what a pointer that dangles holds */
    free(hidden(other));
    CHECK_INT(n_findings, 0);
    ((char *)late)[7] = 1;
    CHECK(heap_check(&finding) && finding.damage == HEAP_USE_AFTER_FREE);
    CHECK((uintptr_t)finding.block.start == late &&
          (uintptr_t)finding.address == late + 7);
    CHECK(!heap_check(&finding));
    block = hidden(malloc(64));
    char saved = block[-1];
    block[-1] ^= 1;
    CHECK(heap_check(&finding) && finding.damage == HEAP_UNDERRUN);
    CHECK(!finding.is_contained);
    block[-1] = saved;
    free(hidden(block));
    CHECK_INT(n_findings, 0);
}

static void test_refusal(void)
{
    heap_forget_refusal();
    free(hidden(malloc(10)));
    CHECK_INT(heap_refusal(), 0);
    CHECK(!hidden(malloc(huge((size_t)1 << 50))));
    CHECK(heap_refusal() == (size_t)1 << 50);
    heap_forget_refusal();
    CHECK_INT(heap_refusal(), 0);
}

/* Memory for the length of a task: no blocks, all of it free again afterwards, and the
 * heap where it ends. */
static void test_scratch(void)
{
    static struct heap_scratch scratch;
    struct heap_block block;
    char *before = hidden(malloc(100));
    heap_scratch_init(&scratch);
    CHECK(!heap_scratch_has(hidden(malloc(10))));
    CHECK(!heap_scratch_use(true));
    char *first = hidden(malloc(20));
    memset(first, 1, 20);
    CHECK(heap_scratch_has(first) && (uintptr_t)first % 16 == 0);
    CHECK(!heap_find(first, &block));
    CHECK_INT(malloc_usable_size(first), 20);
    uintptr_t place = (uintptr_t)first;
    first = hidden(realloc(hidden(first), 3000)); /* the last one grows in place */
    CHECK((uintptr_t)first == place);
    char *second = hidden(calloc(5, 100));
    CHECK(is_zero(second, 500));
    char *moved = hidden(realloc(hidden(first), 4000));
    uintptr_t moved_to = (uintptr_t)moved;
    CHECK(heap_scratch_has(moved) && moved_to != place && moved[19] == 1);
    free(hidden(moved));
    moved = hidden(malloc(4000));
    CHECK((uintptr_t)moved == moved_to);
    char *large = hidden(realloc(hidden(moved), HEAP_SCRATCH_SIZE));
    CHECK(!heap_scratch_has(large) && heap_find(large, &block) && large[19] == 1);
    before = hidden(realloc(before, 200)); /* a block of the heap stays one */
    CHECK(!heap_scratch_has(before) && heap_find(before, &block));
    memset(&scratch.n, 0x5a, sizeof(scratch.n)); /* as code of cells may */
    CHECK(!heap_scratch_has(hidden(malloc(16))));
    heap_scratch_clear();
    CHECK(!heap_scratch_has(hidden(malloc(20))));
    CHECK(!heap_scratch_use(true));
    first = hidden(malloc(20));
    CHECK((uintptr_t)first == place);
    char *most = hidden(malloc(HEAP_SCRATCH_SIZE - scratch.n - 32));
    CHECK(heap_scratch_has(most));
    char *nothing = hidden(malloc(0)); /* at the very end is no place for it */
    CHECK(!heap_scratch_has(nothing) && heap_find(nothing, &block));
    free(nothing);
    free(most);
    heap_scratch_close();
    CHECK(!heap_scratch_has(hidden(malloc(20))));
    CHECK(!heap_scratch_use(true));
    CHECK(!heap_scratch_has(hidden(malloc(20))));
    free(first);
    free(large);
    free(before);
    CHECK_INT(n_findings, 0);
}

int main(void)
{
    test_damage();
    test_refusal();
    test_interior();
    test_library_blocks();
    test_growth();
    test_alignment();
    test_types();
    test_many();
    test_threads();
    test_scratch();
    return check_status();
}
