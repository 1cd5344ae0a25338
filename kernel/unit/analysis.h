/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The analysis of cells: the definition graph and the type table of a session, and what a
 * cell's text means among them. The answers of the analyser process, without the process:
 * hostile text may end the process that calls this. */
#ifndef ACHAR_UNIT_ANALYSIS_H
#define ACHAR_UNIT_ANALYSIS_H

#include "kernel/cell/cell.h"
#include "kernel/plan/plan.h"

struct analysis;

struct analysis *analysis_new(void) MUST_USE;
void analysis_free(struct analysis *analysis);
DEFINE_FREEP(struct analysis, analysis_free)

/* The payloads of ANALYSER_DEFINE and ANALYSER_FLAGS. */
int analysis_define(struct analysis *analysis, struct unpack *in,
                    struct error *err) MUST_USE;
/* ANALYSER_KEEP_TYPES: the front knows what serves nothing any more. */
int analysis_keep_types(struct analysis *analysis, struct unpack *in,
                        struct error *err) MUST_USE;
void analysis_set_flags(struct analysis *analysis, const char *const *flags, size_t n);
/* How what is defined from now on is compiled (pickler/code/cc.h); empty: as usual.
 * `macros` are #define lines of what that compiler defines by itself, or NULL. */
void analysis_set_options(struct analysis *analysis, const char *options,
                          const char *macros);

/* Makes what a plan defines part of the memory, as ANALYSER_DEFINE does. */
int analysis_accept(struct analysis *analysis, const struct plan *plan,
                    struct error *err) MUST_USE;

/* Begins the next parse, which then waits for its text: what would take a third of a
 * short plan's time. To be called when there is nothing else to do. */
void analysis_prepare(struct analysis *analysis);

/* `mode` is enum plan_mode. A mistake in the text is a plan with has_errors. */
int analysis_plan(struct analysis *analysis, uint32_t cell, int mode, const char *source,
                  size_t size, struct plan **ret, struct error *err) MUST_USE;

/* *ret (owned) is the text after macro expansion. Negative: it cannot be preprocessed,
 * `err` says where. */
int analysis_expand(struct analysis *analysis, uint32_t cell, uint32_t line,
                    const char *source, char **ret, struct error *err) MUST_USE;

const struct types *analysis_types(const struct analysis *analysis);

/* What branches of #if leave out becomes blanks, and so do #if and its kin, unless some
 * are not closed. Places stay as they are. */
void analysis_settle(struct analysis *analysis, char *text);

/* How identifiers are known to this session, for cell.h. */
struct cell_names analysis_names(struct analysis *analysis);

struct candidate {
    char *text, *type; /* owned */
};
/* What may stand at `cursor`, in place of [*ret_start, *ret_end). */
void analysis_complete(struct analysis *analysis, const char *source, size_t size,
                       size_t cursor, size_t *ret_start, size_t *ret_end,
                       struct candidate **ret, size_t *ret_n);
void candidates_free(struct candidate *candidates, size_t n);
/* Owned text about the name at `cursor`; NULL when nothing is known. */
char *analysis_inspect(struct analysis *analysis, const char *source, size_t size,
                       size_t cursor, int detail) MUST_USE;

#endif
