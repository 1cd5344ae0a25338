/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A live session as the front sees it: the definition graph, the analyser, the session
 * worker and what has to be done when either dies. All calls block and belong to one
 * thread (the shell thread), except session_interrupt(), which any thread may call.
 *
 * A mistake of the user (a compile error, a fault, a refused value) is a successful call
 * that yields a `struct result`; a negative return means that this process cannot go on
 * with the request, and `err` says why. */
#ifndef ACHAR_SESSION_SESSION_H
#define ACHAR_SESSION_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/peer/blob.h"
#include "kernel/peer/outcome.h"
#include "kernel/plan/plan.h"
#include "pickler/graph/graph.h"

enum result_kind { RESULT_OK, RESULT_ERROR };

struct result {
    enum result_kind kind;
    char *name, *message; /* ename and evalue of an error */
    char **traceback;     /* lines with ANSI colours, no newlines at their ends */
    size_t n_traceback;
    char *value_text;         /* text/plain of the value, NULL when there is none */
    struct bundle value_more; /* its other representations */
    char *page;               /* text for the pager (?name), or NULL */
};

void result_clear(struct result *result);
void result_drop_value(struct result *result);
/* Makes it an error with a one-line traceback. */
void result_error(struct result *result, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Effects of a running cell; called on the thread that runs it. */
struct session_events {
    void (*stream)(void *context, bool is_stderr, const char *text, size_t size);
    void (*display)(void *context, const struct bundle *bundle);
    /* Asks the person for a line of input; false: nobody can be asked, as when NULL. The
     * answer makes answer_fd readable, and take_answer() gives it, or false when it was
     * none. After withdraw() an answer is not waited for any more. */
    bool (*ask)(void *context, const char *prompt, bool is_secret);
    bool (*take_answer)(void *context, struct buffer *ret);
    void (*withdraw)(void *context);
    int answer_fd;
    void *context;
    /* One more owner of the context, and one less; NULL: it outlives the session. What is
     * printed after a cell, by its threads and programs, needs it still. */
    void (*keep)(void *context);
    void (*drop)(void *context);
};

struct session_events session_events_keep(const struct session_events *events);
void session_events_drop(struct session_events *events); /* {0} afterwards */

struct session;

int session_new(struct session **ret, struct error *err) MUST_USE;
void session_free(struct session *session);
DEFINE_FREEP(struct session, session_free)

const struct graph *session_graph(const struct session *session);
const struct types *session_types(const struct session *session);

/* Keeps the whole text of a cell, magics too, for the source lines in tracebacks. */
void session_add_source(struct session *session, uint32_t cell, const char *source);

/* What a front end tells of the notebook with a request: which of its cells runs (NULL:
 * unknown) and which have been deleted. All borrowed. */
struct cell_origin {
    const char *id;
    const char *const *deleted;
    size_t n_deleted;
};
/* Round a whole cell, magics and all. When a cell that was run before has succeeded, the
 * functions, types and macros that its text no longer has and nothing else uses are
 * forgotten; what stays is said. */
void session_begin_cell(struct session *session, uint32_t cell,
                        const struct cell_origin *origin);
int session_end_cell(struct session *session, uint32_t cell, bool has_succeeded,
                     const struct session_events *events, struct error *err) MUST_USE;

enum session_cell_state {
    SESSION_CELL_CURRENT, /* or not known */
    SESSION_CELL_EDITED,  /* the cell has been run again without it */
    SESSION_CELL_DELETED,
};
enum session_cell_state session_cell_state(const struct session *session,
                                           const struct definition *definition);

/* Runs C text as cell number `cell`, its first line being line `line` of the cell. */
int session_run(struct session *session, uint32_t cell, uint32_t line, const char *source,
                const struct session_events *events, struct result *result,
                struct error *err) MUST_USE;

/* As session_run(), but analyses and compiles only: *ret is a plan whose definitions are
 * *not* made part of the session; NULL when result says what is wrong. */
int session_plan(struct session *session, uint32_t cell, uint32_t line, int plan_mode,
                 const char *source, struct plan **ret, struct result *result,
                 struct error *err) MUST_USE;

/* How long a statement takes that goes round while __achar_loops, which it declares, is
 * counted down. `loops` 0: enough of them to be measured. The result may be an error. */
struct session_times {
    uint64_t loops;        /* of each repeat */
    uint64_t *nanoseconds; /* of all loops of a repeat; owned */
    size_t n;
};
int session_time(struct session *session, uint32_t cell, uint32_t line,
                 const char *source, uint64_t loops, unsigned repeats,
                 const struct session_events *events, struct session_times *ret,
                 struct result *result, struct error *err) MUST_USE;

/* Makes a plan's definitions part of the session without running anything. */
int session_define(struct session *session, struct plan *plan,
                   const struct session_events *events, struct result *result,
                   struct error *err) MUST_USE;

/* The same; *ret_request is the body of the WORKER_RUN that runs it, for a worker that
 * has been fed up to this plan, but not with it. */
int session_define_for(struct session *session, struct plan *plan,
                       const struct session_events *events, struct buffer *ret_request,
                       struct result *result, struct error *err) MUST_USE;

/* How far another worker has come that is to know what the session's knows; {0}: it is
 * new. It gets libraries, types, units and optimised units, each once and in order. */
struct session_feed {
    uint64_t n_drops, unit, swap;
    size_t n_types, n_libraries;
    bool has_begun;
};
/* 1: *ret_body is the body of the next request, of kind *ret_kind; 0: it knows all;
 * -ESTALE: something that it knows has been taken back. */
int session_feed_next(const struct session *session, struct session_feed *feed,
                      uint16_t *ret_kind, struct buffer *ret_body) MUST_USE;
/* What is new has come to it by another way. */
void session_feed_skip(const struct session *session, struct session_feed *feed);
/* Grows with every change of the session's state. */
uint64_t session_moment(const struct session *session);

/* What was run from the text at a line of a cell, for a program (plan->body_text), and
 * the ids of what it defines and refers to; borrowed. False: nothing is known of it. */
struct session_statements {
    const char *text;
    const uint32_t *refs;
    size_t n_refs;
};
bool session_statements(const struct session *session, uint32_t cell, uint32_t line,
                        struct session_statements *ret);

/* An outcome of a job worker that is not a success, as the user's error. */
void session_report_task(struct session *session, const struct outcome *outcome,
                         struct result *result);

/* What a checker has found in a program made of cells, as the user's error; nothing when
 * it found nothing. */
struct findings;
void session_report_findings(struct session *session, const char *checker,
                             const struct findings *findings, struct result *result);

/* Of every later run of code; 0: none. */
struct session_limits {
    int64_t time_ms; /* then it ends as by an interrupt, named TimeLimit */
    uint64_t memory; /* bytes that cells may have in all; malloc() refuses more */
};
struct session_limits session_limits(const struct session *session);
void session_set_limits(struct session *session, struct session_limits limits);

/* Opens a shared library ("libz.so.1", "/path/x.so") for all later cells. */
int session_link(struct session *session, const char *file,
                 const struct session_events *events, struct result *result,
                 struct error *err) MUST_USE;
int session_add_flags(
    struct session *session, const char *const *flags, size_t n,
    struct error *err) MUST_USE; /* -I, -D, ... for analyser and compilers */
const char *const *session_flags(const struct session *session, size_t *n);
/* How what later cells define is compiled: a compiler and flags (pickler/code/cc.h);
 * empty: as usual. `macros` are #define lines of what that compiler defines by itself;
 * NULL: nothing unusual. */
void session_set_options(struct session *session, const char *options,
                         const char *macros);
/* As they are now, and back; packed. */
void session_save_options(const struct session *session, struct buffer *ret);
void session_restore_options(struct session *session, const struct buffer *saved);
/* What main() of later cells gets behind its name. */
void session_set_arguments(struct session *session, const char *const *words, size_t n);
const char *const *session_arguments(const struct session *session, size_t *n);
const char *const *session_libraries(const struct session *session, size_t *n);

/* The values of variables as a value graph; *ret_names (owned) are the cell functions and
 * other variables that were met in values. result is an error when something cannot
 * travel. */
struct session_dumped {
    struct blob *values; /* owned; NULL: none */
    uint64_t *cuts;      /* of large values (struct value_dump), else NULL; owned */
    size_t n_cuts;
    char **names; /* owned */
    size_t n_names;
};
void session_dumped_clear(struct session_dumped *dumped);
int session_dump_shared(struct session *session, const char *const *variables, size_t n,
                        struct session_dumped *ret, struct result *result,
                        struct error *err) MUST_USE;
/* The same in a buffer of its own. */
int session_dump(struct session *session, const char *const *variables, size_t n,
                 struct buffer *ret_values, char ***ret_names, size_t *ret_n_names,
                 struct result *result, struct error *err) MUST_USE;
int session_load(struct session *session, const void *values, size_t size,
                 struct result *result, struct error *err) MUST_USE;

/* The bytes of variables, each into one of `ret`, which are left empty for those that
 * hold pointers, are not there, or go beyond `max` bytes together. */
int session_bytes(struct session *session, const char *const *names, size_t n, size_t max,
                  struct buffer *ret, struct result *result, struct error *err) MUST_USE;

/* Machine code of a function as it runs now. */
struct session_code {
    uint64_t address;
    struct buffer bytes;
    struct session_code_line {
        uint64_t offset;
        uint32_t cell, line; /* of the code from there on; cell 0: of no cell */
    } *lines;
    size_t n_lines;
    struct session_code_name {
        uint64_t address;
        char *name;
    } *names; /* of what the code may refer to */
    size_t n_names;
};
void session_code_clear(struct session_code *code);
int session_code(struct session *session, const char *function, struct session_code *ret,
                 struct result *result, struct error *err) MUST_USE;
/* A line of a past cell, owned; NULL when it is not known. */
char *session_source_line(const struct session *session, uint32_t cell, uint32_t line);

/* An array or object in the session, found by evaluating a pointer expression. */
struct session_place {
    uint64_t address, count; /* count 0: unknown */
    uint64_t element_size;   /* bytes */
    uint32_t type;           /* of one element */
    uint32_t generation;     /* of the worker it is in */
};
int session_place(struct session *session, uint32_t cell, const char *pointer_expression,
                  const struct session_events *events, struct session_place *ret,
                  struct result *result, struct error *err) MUST_USE;
/* The same of a variable by its name, without any code; *ret_is_found false: of this name
 * there is none with one address. */
int session_place_variable(struct session *session, const char *name,
                           const struct session_events *events, struct session_place *ret,
                           bool *ret_is_found, struct result *result,
                           struct error *err) MUST_USE;
int session_dump_at(struct session *session, const char *root,
                    const struct session_place *place, uint64_t from, uint64_t count,
                    struct buffer *ret_values, char ***ret_names, size_t *ret_n_names,
                    struct result *result, struct error *err) MUST_USE;
/* The same of `n` pieces of `count` elements one after the other, each with values of its
 * own: in one question. */
int session_dump_pieces(struct session *session, const char *root,
                        const struct session_place *place, uint64_t from, uint64_t count,
                        struct buffer *ret_values, size_t n, struct result *result,
                        struct error *err) MUST_USE;
struct session_part { /* values of elements from there on; borrowed */
    uint64_t from, count;
    const void *values;
    size_t size;
};
/* In order, until one cannot be loaded. */
int session_load_at(struct session *session, const struct session_place *place,
                    const struct session_part *parts, size_t n, struct result *result,
                    struct error *err) MUST_USE;

/* Takes current definitions out of the session. What still refers to them stays, and says
 * so when it is used: the caller looks for that first. */
int session_forget(struct session *session, const uint32_t *ids, size_t n,
                   const struct session_events *events, struct error *err) MUST_USE;
/* Everything that is defined and running goes; or all state only: variables have the
 * values that they start with. There is no way back. */
void session_reset(struct session *session, bool only_variables);
/* So do libraries and flags, which a reset leaves; after one. */
void session_forget_settings(struct session *session);
/* What variables hold, in one line, and bytes of variables and functions. `ret` holds n,
 * zeroed; texts are owned, NULL where there is no value. */
struct session_shown {
    char *text;
    uint64_t size;
};
int session_show(struct session *session, const char *const *names, size_t n,
                 struct session_shown *ret, struct error *err) MUST_USE;

/* Takes back what the last n cells that changed something have done: state, definitions,
 * all. The result is an error when that cannot be. */
#define SESSION_UNDO_MAX 10
struct session_undone {
    uint32_t *cells; /* oldest first; owned */
    size_t n;
    char *changed; /* files that keep what was written to them, or NULL; owned */
};
void session_undone_clear(struct session_undone *undone);
int session_undo(struct session *session, size_t n, struct session_undone *ret,
                 struct result *result, struct error *err) MUST_USE;

/* Checkpoints: kept before each cell while the session's memory is within the budget
 * (bytes; 0: as it is). */
void session_set_checkpoints(struct session *session, bool is_on, uint64_t budget);
struct session_checkpoints {
    bool is_on;
    uint64_t budget, bytes; /* `bytes`: the session's own memory */
    size_t n;               /* that are kept now ... */
    uint64_t kept_bytes;    /* ... and the memory that they need beside the session's */
    uint32_t *cells;        /* that can be taken back, oldest first; owned */
    size_t n_cells;
    char *obstacle; /* why the next cell has none, after "the session "; NULL: it has one;
                       owned */
};
void session_checkpoints_clear(struct session_checkpoints *state);
void session_checkpoints(struct session *session, const struct session_events *events,
                         struct session_checkpoints *ret);

/* Questions to the analyser; a dead or slow one is replaced and the answer is empty. */
struct segment {
    int kind; /* enum segment_kind */
    uint32_t line, column;
    size_t offset, size;
};
int session_segments(struct session *session, const char *source,
                     const char *const *magics, size_t n_magics, struct segment **ret,
                     size_t *ret_n, struct error *err) MUST_USE;
struct completion {
    char *text, *type;
};
int session_complete(struct session *session, const char *source, size_t cursor,
                     size_t *ret_start, size_t *ret_end, struct completion **ret,
                     size_t *ret_n, struct error *err) MUST_USE;
void completions_free(struct completion *completions, size_t n);
/* *ret is NULL when nothing is known. */
int session_inspect(struct session *session, const char *source, size_t cursor,
                    int detail, char **ret, struct error *err) MUST_USE;
/* *ret (owned) is C text after macro expansion; NULL when the result says why not. */
int session_expand(struct session *session, uint32_t cell, uint32_t line,
                   const char *source, char **ret, struct result *result,
                   struct error *err) MUST_USE;
/* *ret_status "complete", "incomplete" or "invalid"; *ret_indent "" or blanks; owned. */
int session_is_complete(struct session *session, const char *source,
                        const char *const *magics, size_t n_magics, char **ret_status,
                        char **ret_indent, struct error *err) MUST_USE;

/* The optimised tier (tier.h). session_idle() is called while no request is there, again
 * after the milliseconds it returns; -1: not before the next request. */
int session_idle(struct session *session);
struct tier;
const struct tier *session_tier(const struct session *session);
int session_set_level(struct session *session, const char *level,
                      const struct session_events *events, struct error *err) MUST_USE;
/* Waits until these functions, or all (n 0), have been compiled and swapped in. */
int session_optimise(struct session *session, const char *const *names, size_t n,
                     const struct session_events *events, struct result *result,
                     struct error *err) MUST_USE;

/* Stops what runs: SIGINT to the worker, and its replacement when that does not help
 * within two seconds. What runs no code of cells is not ended, but what follows it is:
 * an interrupt stays until something has ended by it, or session_begin(). */
void session_interrupt(struct session *session);
/* True once per interrupt; what waits for something else than the worker asks for this.
 * The descriptor becomes readable at the same moment. */
bool session_was_interrupted(struct session *session);
int session_interrupt_fd(const struct session *session);

/* The folder that the session's code is in, owned; NULL when it has no process. */
char *session_folder(const struct session *session);

/* Something else that the session's thread looks after, while code of a cell runs and
 * (through session_listen()) while nothing does: run() is called when `fd` is readable.
 * It may not use the session. run NULL: nothing. */
struct session_aside {
    int fd;
    void (*run)(void *context);
    void *context;
};
void session_set_aside(struct session *session, const struct session_aside *aside);

#define SESSION_WATCHED_MAX 80
/* While nothing runs: what to wait for, at most SESSION_WATCHED_MAX, returns how many;
 * and then, the output that has come. */
size_t session_watch(const struct session *session, struct pollfd *fds);
void session_listen(struct session *session, const struct pollfd *fds);

/* Before and after every request that may be interrupted: earlier interrupts are
 * forgotten, unless it begins with one: the caller knows whether one was meant for it. */
void session_begin(struct session *session, bool is_interrupted);
/* After a cell. */
void session_finish(struct session *session);
/* When the answer to the request is on its way: what is done at leisure. */
void session_rest(struct session *session);

/* Of the process that holds the session's memory. It changes whenever that memory went
 * back to what it was before (a fault, %undo) or was lost: whoever has put something into
 * the process beside the session's definitions (optimised code, addresses) asks whether
 * the number is still the one it was, and puts it there again. */
uint32_t session_generation(const struct session *session);

#endif
