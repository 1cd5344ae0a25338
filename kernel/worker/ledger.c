/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/ledger.h"

#include <stdatomic.h>
#include <string.h>

struct ledger_shared {
    _Atomic uint32_t task; /* 0: none */
    uint32_t has_values;
    _Atomic uint64_t n_done;
    uint64_t count;
    _Alignas(64) char values[];
};

static bool has_room(size_t size, size_t element_size, uint64_t count)
{
    size_t bytes;
    return size >= sizeof(struct ledger_shared) &&
           !__builtin_mul_overflow(element_size, count, &bytes) &&
           bytes <= size - sizeof(struct ledger_shared);
}

void ledger_begin(struct ledger *ledger, void *memory, size_t size, uint32_t task,
                  uint64_t count, bool is_flat)
{
    struct ledger_shared *shared = memory;
    size_t element_size = 0;
    for (size_t i = 0; i < ledger->n_outs; i++)
        element_size += ledger->outs[i].size;
    ledger->shared = shared;
    ledger->count = count;
    ledger->n_done = 0;
    ledger->has_values = is_flat && has_room(size, element_size, count);
    char *to = shared->values;
    for (size_t i = 0; ledger->has_values && i < ledger->n_outs; i++) {
        ledger->outs[i].to = to;
        to += ledger->outs[i].size * count;
    }
    shared->has_values = ledger->has_values;
    shared->count = count;
    atomic_store(&shared->n_done, 0);
    atomic_store(&shared->task, task);
}

void ledger_step(void *context)
{
    struct ledger *ledger = context;
    if (ledger->n_done == ledger->count)
        return;
    for (size_t i = 0; ledger->has_values && i < ledger->n_outs; i++) {
        const struct ledger_out *out = &ledger->outs[i];
        size_t at = out->size * ledger->n_done;
        memcpy(out->to + at, out->from + at, out->size);
    }
    ledger->n_done++;
    atomic_store_explicit(&ledger->shared->n_done, ledger->n_done, memory_order_release);
}

void ledger_end(struct ledger *ledger)
{
    if (ledger->shared)
        atomic_store(&ledger->shared->task, 0);
}

bool ledger_read(const void *memory, size_t size, size_t element_size,
                 struct ledger_entry *ret)
{
    struct ledger_shared *shared = (struct ledger_shared *)memory;
    *ret = (struct ledger_entry){.task = atomic_load(&shared->task),
                                 .count = shared->count,
                                 .n_done = atomic_load(&shared->n_done)};
    if (!ret->task || ret->n_done > ret->count)
        return false;
    if (shared->has_values && has_room(size, element_size, ret->count))
        ret->values = shared->values;
    return true;
}
