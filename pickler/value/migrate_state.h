/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of a migration: objects that have been found, in the order in which they
 * were, and where they go. */
#ifndef ACHAR_VALUE_MIGRATE_STATE_H
#define ACHAR_VALUE_MIGRATE_STATE_H

#include "pickler/base/map.h"
#include "pickler/value/migrate.h"

#define MIGRATE_NOTES_MAX 20
#define MIGRATE_DEPTH_MAX 200 /* records and arrays inside each other */

struct object {
    char *start;
    uint64_t size;
    uint32_t type;  /* of one element, never an array; 0: not known */
    uint64_t count; /* elements */
    uint64_t tail;  /* elements of a flexible array member */
    char *to;       /* where it goes; NULL: it stays */
    uint32_t to_type;
    uint64_t to_count, to_size;
    bool is_heap, is_carried;
};

struct migrate {
    const struct migration *given;
    struct types *types;
    uint32_t *newest; /* by type id: what it is now, or itself */
    struct object *objects;
    size_t n_objects, capacity;
    struct map by_start; /* index plus one */
    uint32_t *todo;      /* objects to be looked through */
    size_t n_todo, todo_capacity;
    uint64_t steps;
    bool is_stopped;
    char **notes; /* each once */
    size_t n_notes, notes_capacity;
    struct map noted; /* old record << 32 | new record */
};

/* The object that holds the address (or ends at it); NULL: none is known. */
struct object *migrate_find(struct migrate *m, const char *address);

/* The address that a pointer to `target` has after the migration. `is_weak`: it may be no
 * pointer at all. `where` is said when it leads nowhere any more. */
char *migrate_pointer(struct migrate *m, char *pointer, uint32_t target, bool is_weak,
                      const char *where);

/* Calls `found` for every pointer inside an object of `type`. */
typedef void (*migrate_found)(struct migrate *m, char *at, uint32_t target, bool is_weak);
void migrate_walk(struct migrate *m, uint32_t type, char *at, bool is_weak, int depth,
                  migrate_found found);

/* Fills what is at `to`, which is zero, from what is at `from`. `where` is said of what
 * is lost. */
void migrate_convert(struct migrate *m, uint32_t from_type, char *from, uint32_t to_type,
                     char *to, const char *where, int depth);
/* The elements of a flexible array member. */
bool migrate_tail(const struct types *types, uint32_t type, uint64_t *ret_offset,
                  uint32_t *ret_element);
/* The place in the new type of what is at `offset` of the old one; `target` (0: unknown)
 * is what a pointer there points to. False: it is gone. */
bool migrate_offset(struct migrate *m, uint32_t from_type, uint32_t to_type,
                    uint64_t offset, uint32_t target, uint64_t *ret, int depth);

void migrate_note(struct migrate *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
