/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The optimised tier, as the front sees it: which functions of the session still run as
 * they were compiled at first, which are being compiled again by cc together with what
 * they call, and which have been swapped in. Everything here happens between two requests
 * or while one is waited for, never on the way of a cell. */
#ifndef ACHAR_SESSION_TIER_H
#define ACHAR_SESSION_TIER_H

#include "kernel/peer/process.h"
#include "kernel/session/tier_compiler.h"
#include "kernel/session/tier_text.h"

#define TIER_QUIET_MS 40      /* nothing new for so long: compilation may start */
#define TIER_PATIENCE_MS 1000 /* or something waits for so long */
#define TIER_RUNNING_MS 30    /* or a cell runs for so long */
#define TIER_ROOTS_MAX 64     /* functions that one unit is made for */
#define TIER_JOBS_MAX 2       /* given to the compiler at once */

enum tier_state {
    TIER_WAITING,
    TIER_COMPILING,
    TIER_SENT,
    TIER_DONE,
    TIER_REFUSED, /* stays as it is until it is defined again */
    TIER_STATE_COUNT
};

struct tier_function {
    char *name;
    uint32_t id; /* its definition */
    enum tier_state state;
    uint32_t serial; /* of the unit made for it last, 0: none */
    bool is_alone;   /* a unit of it with others was refused */
    char *why;       /* TIER_REFUSED: owned */
    uint32_t *needs; /* ids of what may be compiled in */
    size_t n_needs;
};

struct tier_level {
    const char *name;
    const char *flags[4]; /* ends with NULL */
};

/* What the worker was sent, for workers elsewhere. */
struct tier_unit {
    uint64_t number; /* grows */
    uint32_t serial;
    struct buffer request, object;
};

struct tier {
    struct tier_unit *units; /* that hold code in force; in order of number */
    size_t n_units, units_capacity;
    uint64_t n_kept; /* so many have ever been kept */
    struct tier_function *functions;
    size_t n_functions, functions_capacity;
    struct tier_compiler *compiler;
    uint32_t next_serial;
    uint32_t generation;            /* of the worker that has the units */
    const struct tier_level *level; /* NULL: off */
    size_t n_state[TIER_STATE_COUNT];
    int64_t changed_at, waiting_since; /* ms; 0: nothing waits */
    int64_t asked_at, kick_at;         /* ms; of the request that runs; 0: none */
    int64_t kick_ms;                   /* between two signals to a cell that runs */
    bool has_seen_plan;                /* of a cell that runs */
};

void tier_init(struct tier *tier);
void tier_clear(struct tier *tier);
/* The session begins anew, at the same level; what is being compiled is dropped. */
void tier_reset(struct tier *tier);

/* "0", "1", "2", "3", "fast", "native", "off"; false: there is no such level. Everything
 * is compiled again. */
bool tier_set_level(struct tier *tier, const char *name);

/* A plan's definitions are in force: what held older ones is out of use, in the worker
 * already. */
void tier_defined(struct tier *tier, const struct plan *plan);
/* The name means nothing any more. */
void tier_forget(struct tier *tier, const char *name);
/* As the graph has it, when definitions have gone the other way: what a step was told of
 * a plan that was not defined in the end, or a state that is back. */
void tier_sync(struct tier *tier, const struct graph *graph);
/* The worker has lost its optimised code, or may have. */
void tier_restart(struct tier *tier);

/* What a step works with. */
struct tier_context {
    struct tier_scope scope;
    char **flags; /* of the session */
    size_t n_flags;
    struct process *worker; /* pid 0: none */
};

/* Takes what has been compiled, sends it, compiles more. Returns after how many
 * milliseconds it wants to be called again, -1: when something has changed. */
int tier_step(struct tier *tier, const struct tier_context *context);
/* The same, but nothing is waited for before compilation starts. */
int tier_hurry(struct tier *tier, const struct tier_context *context);
/* While a request runs in the worker: around it, and instead of tier_step(). */
void tier_begin(struct tier *tier);
int tier_step_running(struct tier *tier, const struct tier_context *context);
void tier_end(struct tier *tier);

/* WORKER_SWAPPED */
void tier_swapped(struct tier *tier, const void *data, size_t size);

struct tier_function *tier_find(const struct tier *tier, const char *name);
/* The next unit behind `number` that is in force; NULL: there is none. */
const struct tier_unit *tier_next_unit(const struct tier *tier, uint64_t number);
/* Nothing waits, is compiled or on its way. */
bool tier_is_settled(const struct tier *tier);

#endif
