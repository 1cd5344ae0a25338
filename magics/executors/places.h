/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places where a launcher (ssh, kubectl, a command of the user) is to keep one pool each:
 * starts the launchers, a few at a time, replaces those that end, and gives up on a place
 * after a few times. What executors over launchers have in common. */
#ifndef ACHAR_EXECUTORS_PLACES_H
#define ACHAR_EXECUTORS_PLACES_H

#include "magics/executors/executor.h"
#include "magics/executors/launch.h"

#define PLACES_MAX 1024
#define PLACE_MARK_SIZE 33 /* 32 hexadecimal digits */
#define PLACE_BOOT_MS 120000

enum place_state { PLACE_IDLE, PLACE_BOOTING, PLACE_UP, PLACE_FAILED };

struct place {
    char *name;
    enum place_state state;
    struct launch launch;
    char mark[PLACE_MARK_SIZE]; /* a new one for every start */
    unsigned n_failures;        /* in a row */
    int64_t started, due;       /* ms */
    char *why;                  /* of the last failure; owned */
    void *boot;                 /* of the boot() below */
};

/* A launcher that was told to end, with all that it has started. */
struct leaving {
    pid_t pid;
    int pidfd;
    int64_t due; /* ms; of the next signal */
    int signal;
};

struct places {
    struct place *all;
    size_t n;
    struct leaving *leaving;
    size_t n_leaving, leaving_capacity;
    int news_fd; /* an epoll descriptor */
    void *context;
    /* The words of the launcher, NULL-terminated, owned with the array. */
    char **(*words)(void *context, const struct place *place);
    /* What is to be done before the pool speaks, again and again until it is done. 1: the
     * pool's mark comes next; 0: not yet; negative: it will not do, and why. NULL: it
     * begins at once. */
    int (*boot)(void *context, struct place *place, struct error *err);
    void (*end_boot)(void *context, struct place *place); /* frees place->boot */
};

void places_init(struct places *places);
void places_add(struct places *places, const char *name, size_t size);
void places_clear(struct places *places);
/* While a place boots: also when its launcher takes more input. */
void places_want_write(struct places *places, struct place *place, bool is_wanted);

/* The calls of struct executor_type, for executors that begin with their places. */
int places_next(void *executor, struct executor_link *ret, struct error *err);
int places_fd(const void *executor);
void places_status(const void *executor, struct buffer *ret);
void places_why(void *executor, void *place, struct buffer *ret);
void places_end(void *executor, void *place);
void places_free(void *executor); /* that owns nothing else */

/* What --workers says, to be checked, and as arguments of the pool behind --stdio and its
 * mark; owned. */
#define PLACE_WORKERS_MAX 512
int places_check_workers(const struct executor_option *options, size_t n_options,
                         struct error *err) MUST_USE;
char *places_arguments(const struct place *place, const struct executor_option *options,
                       size_t n_options) MUST_USE;

#endif
