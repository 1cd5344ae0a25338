/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two rings of records. Positions count bytes and never wrap; a record never does either:
 * what is too short at the ring's end is skipped by a record of its own. An empty ring
 * soon begins anew at its start, so few pages are ever used. */
#include "kernel/peer/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/peer/patience.h"

#define ALIGNMENT 16u
#define RESTART (32u << 10)  /* an empty ring that has come so far begins anew */
#define LINE 64              /* bytes that processors exchange */
#define GUARD ((size_t)4096) /* without rights, on both sides: no overrun gets in */

enum record_state { RECORD_READY, RECORD_BEGUN, RECORD_REVOKED, RECORD_SKIP };

struct record {
    uint32_t size, id; /* of what follows */
    _Atomic uint32_t state;
    uint32_t unused;
};

struct ring {
    _Alignas(LINE) _Atomic uint32_t head; /* where the next record goes; of its writer */
    _Alignas(LINE) _Atomic uint32_t tail; /* of its reader */
    _Alignas(LINE) char bytes[LANE_RING_SIZE];
};

struct lane_shared {
    _Alignas(LINE) _Atomic uint32_t worker_sleeps;
    _Alignas(LINE) _Atomic uint32_t pool_sleeps;
    _Atomic uint32_t wake_at; /* ... until there have been so many answers */
    _Alignas(LINE) _Atomic uint32_t n_answers;
    _Alignas(LINE) char inbox[LANE_INBOX_SIZE];
    struct patience patience; /* the worker's, which has no other place that lasts */
    struct ring tasks, results;
    _Alignas(LINE) char ledger[LANE_LEDGER_SIZE];
};

struct lane {
    struct lane_shared *shared;
    uint32_t head, released; /* of the tasks: what the pool has written and needs */
    uint32_t tail;           /* of the results */
    uint32_t next_tail;      /* behind the result that was handed out */
    uint32_t n_taken;        /* results */
};

static uint32_t record_size(size_t size)
{
    return (uint32_t)sizeof(struct record) +
           ((uint32_t)size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct record *record_at(struct ring *ring, uint32_t place)
{
    return (struct record *)(void *)(ring->bytes + place % LANE_RING_SIZE);
}

/* Writes a record behind `head`, `tail` being the oldest that is needed; moves `head`. */
static bool put(struct ring *ring, uint32_t *head, uint32_t tail, uint32_t id,
                const void *data, size_t size, uint32_t *ret_place)
{
    uint32_t at = *head % LANE_RING_SIZE, used = *head - tail;
    uint32_t need = record_size(size), to_end = LANE_RING_SIZE - at;
    bool must_skip = to_end < need || (!used && at >= RESTART);
    uint32_t skip = must_skip ? to_end : 0;
    if (size > LANE_RECORD_MAX || used + skip + need > LANE_RING_SIZE)
        return false;
    if (skip) {
        struct record *record = record_at(ring, *head);
        record->size = skip - (uint32_t)sizeof(*record);
        atomic_store_explicit(&record->state, RECORD_SKIP, memory_order_relaxed);
    }
    *ret_place = *head + skip;
    struct record *record = record_at(ring, *ret_place);
    record->size = (uint32_t)size;
    record->id = id;
    atomic_store_explicit(&record->state, RECORD_READY, memory_order_relaxed);
    if (size)
        memcpy(record + 1, data, size);
    *head = *ret_place + need;
    atomic_store(&ring->head, *head);
    return true;
}

/* The bytes of the record at `tail`, 0 when there is none, also none that makes sense. */
static uint32_t look(struct ring *ring, uint32_t tail, uint32_t head, uint32_t *ret_size)
{
    uint32_t there = head - tail, to_end = LANE_RING_SIZE - tail % LANE_RING_SIZE;
    if (there < sizeof(struct record) || there > LANE_RING_SIZE || tail % ALIGNMENT)
        return 0;
    uint32_t size = *(volatile uint32_t *)&record_at(ring, tail)->size;
    if (size > LANE_RING_SIZE || record_size(size) > there || record_size(size) > to_end)
        return 0;
    *ret_size = size;
    return record_size(size);
}

static uint32_t state_of(struct ring *ring, uint32_t place)
{
    return atomic_load(&record_at(ring, place)->state);
}

static size_t mapped_size(void)
{
    return (sizeof(struct lane_shared) + GUARD - 1) / GUARD * GUARD;
}

static struct lane_shared *map(int fd)
{
    size_t size = mapped_size();
    char *all =
        mmap(NULL, size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    void *shared =
        mmap(all + GUARD, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (shared != MAP_FAILED)
        return shared;
    munmap(all, size + 2 * GUARD);
    return NULL;
}

void lane_unmap(struct lane_shared *shared)
{
    if (shared)
        munmap((char *)shared - GUARD, mapped_size() + 2 * GUARD);
}

size_t lane_size(void)
{
    return sizeof(struct lane_shared);
}

/* Its size is sealed: no process can make the other one fault. */
struct lane_shared *lane_new(int *ret_fd)
{
    int fd = memfd_create("achar-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct lane_shared *shared = NULL;
    if (fd >= 0 && ftruncate(fd, (off_t)mapped_size()) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        shared = map(fd);
    if (shared) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        int code = errno;
        close(fd);
        errno = code;
    }
    return shared;
}

struct lane_shared *lane_map(int fd)
{
    struct stat file;
    bool is_one = fstat(fd, &file) == 0 && file.st_size == (off_t)mapped_size();
    return is_one ? map(fd) : NULL;
}

void *lane_ledger(struct lane_shared *shared)
{
    return shared->ledger;
}

struct lane *lane_open(int fd)
{
    struct lane_shared *shared = lane_map(fd);
    close(fd);
    if (!shared)
        return NULL;
    struct lane *lane = must_alloc(sizeof(*lane));
    lane->shared = shared;
    return lane;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    lane_unmap(lane->shared);
    free(lane);
}

bool lane_send(struct lane *lane, uint32_t id, const void *data, size_t size,
               uint32_t *ret_place)
{
    /* The worker may still have to pass over what was taken back from it. */
    uint32_t passed = atomic_load(&lane->shared->tasks.tail);
    uint32_t tail =
        lane->head - passed < lane->head - lane->released ? lane->released : passed;
    if (lane->head - tail > LANE_RING_SIZE)
        return false;
    return put(&lane->shared->tasks, &lane->head, tail, id, data, size, ret_place);
}

bool lane_revoke(struct lane *lane, uint32_t place)
{
    uint32_t ready = RECORD_READY;
    return atomic_compare_exchange_strong(&record_at(&lane->shared->tasks, place)->state,
                                          &ready, RECORD_REVOKED);
}

bool lane_has_begun(const struct lane *lane, uint32_t place)
{
    return state_of(&lane->shared->tasks, place) != RECORD_READY;
}

void lane_release(struct lane *lane, uint32_t place)
{
    lane->released = place;
}

uint32_t lane_end(const struct lane *lane)
{
    return lane->head;
}

bool lane_receive(struct lane *lane, uint32_t *ret_id, const void **ret_data,
                  size_t *ret_size)
{
    struct ring *ring = &lane->shared->results;
    for (;;) {
        lane->tail = lane->next_tail;
        atomic_store(&ring->tail, lane->tail);
        uint32_t size, bytes = look(ring, lane->tail, atomic_load(&ring->head), &size);
        if (!bytes)
            return false;
        lane->next_tail = lane->tail + bytes;
        const struct record *record = record_at(ring, lane->tail);
        if (state_of(ring, lane->tail) == RECORD_SKIP)
            continue;
        *ret_id = record->id;
        *ret_data = record + 1;
        *ret_size = size;
        lane->n_taken++;
        return true;
    }
}

void lane_put_back(struct lane *lane)
{
    lane->next_tail = lane->tail;
    lane->n_taken--;
}

bool lane_has_results(const struct lane *lane, uint32_t n)
{
    const struct lane_shared *shared = lane->shared;
    if (atomic_load(&shared->results.head) == lane->next_tail)
        return false;
    return n <= 1 || atomic_load(&shared->n_answers) - lane->n_taken >= n ||
           atomic_load(&shared->tasks.tail) == lane->head;
}

bool lane_is_watched(const struct lane *lane)
{
    return !atomic_load(&lane->shared->worker_sleeps);
}

bool lane_sleep(struct lane *lane, uint32_t n)
{
    atomic_store_explicit(&lane->shared->wake_at, lane->n_taken + n,
                          memory_order_relaxed);
    atomic_store(&lane->shared->pool_sleeps, 1);
    return lane_has_results(lane, n);
}

void lane_awake(struct lane *lane)
{
    if (atomic_load_explicit(&lane->shared->pool_sleeps, memory_order_relaxed))
        atomic_store(&lane->shared->pool_sleeps, 0);
}

bool lane_must_wake(struct lane *lane)
{
    return atomic_exchange(&lane->shared->worker_sleeps, 0) != 0;
}

bool lane_take(struct lane_shared *shared, uint32_t *ret_id, const void **ret_data,
               size_t *ret_size)
{
    struct ring *ring = &shared->tasks;
    for (;;) {
        uint32_t tail = atomic_load(&ring->tail), ready = RECORD_READY;
        uint32_t size, bytes = look(ring, tail, atomic_load(&ring->head), &size);
        if (!bytes)
            return false;
        struct record *record = record_at(ring, tail);
        if (atomic_compare_exchange_strong(&record->state, &ready, RECORD_BEGUN)) {
            *ret_id = record->id;
            *ret_data = record + 1;
            *ret_size = size;
            return true;
        }
        atomic_store(&ring->tail, tail + bytes);
    }
}

bool lane_answer(struct lane_shared *shared, uint32_t id, const void *data, size_t size)
{
    struct ring *ring = &shared->results;
    uint32_t place, head = atomic_load(&ring->head), tail = atomic_load(&ring->tail);
    if (!put(ring, &head, tail, id, data, size, &place))
        return false;
    atomic_fetch_add(&shared->n_answers, 1);
    return true;
}

/* Only tasks are begun that the worker then finishes: the one at the tail. */
void lane_finish(struct lane_shared *shared)
{
    struct ring *ring = &shared->tasks;
    uint32_t tail = atomic_load(&ring->tail);
    uint32_t size, bytes = look(ring, tail, atomic_load(&ring->head), &size);
    atomic_store(&ring->tail, tail + bytes);
}

static bool has_task(void *context)
{
    struct lane_shared *shared = context;
    return atomic_load(&shared->tasks.head) != atomic_load(&shared->tasks.tail);
}

bool lane_worker_look(struct lane_shared *shared)
{
    /* One that was forked ahead of need may have to wait for long. */
    bool is_new = !atomic_load(&shared->results.head);
    return is_new ? has_task(shared) : patience_wait(&shared->patience, has_task, shared);
}

bool lane_worker_sleep(struct lane_shared *shared)
{
    atomic_store(&shared->worker_sleeps, 1);
    return has_task(shared);
}

void lane_worker_awake(struct lane_shared *shared, int64_t slept_us)
{
    atomic_store(&shared->worker_sleeps, 0);
    if (has_task(shared))
        patience_slept(&shared->patience, slept_us);
}

bool lane_must_wake_pool(struct lane_shared *shared)
{
    if (!atomic_load(&shared->pool_sleeps))
        return false;
    uint32_t n_more = atomic_load(&shared->wake_at) - atomic_load(&shared->n_answers);
    bool is_enough = !n_more || n_more > INT32_MAX;
    bool has_results =
        atomic_load(&shared->results.head) != atomic_load(&shared->results.tail);
    return (is_enough || (has_results && !has_task(shared))) &&
           atomic_exchange(&shared->pool_sleeps, 0) != 0;
}

char *lane_inbox(struct lane_shared *shared)
{
    return shared->inbox;
}
