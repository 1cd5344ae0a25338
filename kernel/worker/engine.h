/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All that a process needs to load code of cells and to know its state: types, names, the
 * world of its values, guarded calls. One a process; session worker and job worker alike.
 */
#ifndef ACHAR_WORKER_ENGINE_H
#define ACHAR_WORKER_ENGINE_H

#include "kernel/peer/outcome.h"
#include "kernel/worker/guard.h"
#include "pickler/code/names.h"
#include "pickler/graph/definition.h"
#include "pickler/type/type.h"
#include "pickler/value/value.h"

struct engine {
    int answer_file; /* owned: goes with the answer to the request; -1: none */
    struct arena arena;
    struct names names;
    struct types types;       /* with the layouts of everything loaded */
    struct value_world world; /* over all this */
};

/* Also sets up the process: signals, locale, stdout. `dying` as in guard_init(). The
 * engine must not move. */
int engine_init(struct engine *engine, void (*dying)(const struct guard_report *report),
                struct error *err) MUST_USE;

/* Entries [from, ...) of the table as types_pack() wrote them; what is known is skipped.
 */
int engine_add_types(struct engine *engine, size_t from, const void *data, size_t size,
                     struct error *err) MUST_USE;

/* Opens a shared library; fills `ret` (OUTCOME_LINK) when it cannot be opened. */
void engine_open_library(struct engine *engine, const char *file, struct outcome *ret);

struct engine_object {
    const void *data; /* an ELF object */
    size_t size;      /* 0: there is none */
    bool is_tcc;      /* made by libtcc: if it cannot be loaded, cc's may */
};

/* Compiles `text` with libtcc when there is no object, loads and binds it, runs its
 * constructors. Returns the unit (borrowed), or NULL with the outcome in `ret`: COMPILE
 * (cc may do better), LINK, or a fault of a constructor. Nothing is left behind by the
 * first two. */
struct unit *engine_load(struct engine *engine, const char *text,
                         struct engine_object object, const struct name_binding *bindings,
                         size_t n, struct outcome *ret);

/* Reads the layouts of n record types from the unit's layout functions; `symbols` are the
 * ids in their names, NULL: the type ids themselves. */
int engine_read_layouts(struct engine *engine, const struct unit *unit,
                        const uint32_t *ids, const uint32_t *symbols, size_t n,
                        struct error *err) MUST_USE;

/* Allocation sites of a definition that the unit holds. */
void engine_add_sites(struct unit *unit, uint32_t cell,
                      const struct allocation_site *sites, size_t n);

/* Calls a unit's function (void (*)(void)); frames of it are shown as "(cell)". `ret` is
 * the outcome, OUTCOME_OK when it came back. */
void engine_call(struct engine *engine, const struct unit *unit, const char *symbol,
                 struct outcome *ret);
/* In two steps, for what is called more than once: the function, NULL when there is none,
 * whose frames are shown as "(cell)" from now on; and a call. */
void (*engine_name_run(const struct unit *unit, const char *symbol))(void);
void engine_call_again(void (*run)(void), struct outcome *ret);
/* The same for main. */
void engine_call_main(struct engine *engine, const struct unit *unit, const char *symbol,
                      int argc, char **argv, struct outcome *ret);

/* Brings everything printed so far to the descriptors. */
void engine_flush(void);

/* An outcome that is not OK; takes nothing. */
void outcome_set(struct outcome *ret, enum outcome_kind kind, const char *name,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
