/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The options of the magics that send work to an executor: one table, so that each means
 * the same everywhere. */
#ifndef ACHAR_MAGICS_JOB_OPTIONS_H
#define ACHAR_MAGICS_JOB_OPTIONS_H

#include "magics/magic.h"

#define JOB_RETRIES_MAX 1000
#define JOB_CHUNK_MAX ((uint64_t)1 << 40)
#define JOB_LIST_MAX 1000 /* names, files or settings of one option */

/* The beginning of magic->options; options of the magic's own may follow. */
/* clang-format off */
#define JOB_OPTIONS \
    {"on", "NAME", "the executor; without it that of %executor NAME, at first local"}, \
    {"async", "NAME", "do not wait: the job gets this name, see %jobs and %wait"}, \
    {"timeout", "TIME", "of a task, or of an element: then it is ended (10s, 500ms)"}, \
    {"retries", "N", "how often a task that failed is tried again"}, \
    {"chunk", "N", "elements of a task (%map, %%parfor)"}, \
    {"stream", "WHEN", "what tasks print: live, end (task by task), no (%logs has it)"}, \
    {"progress-after", "TIME", "when a progress bar appears (2s; never)"}, \
    {"out", "NAMES", "what comes home: variables (%%remote), arrays (%%parfor)"}, \
    {"files", "LIST", "files for the folder that tasks run in: a.csv,b.bin"}, \
    {"cwd", "DIR", "the folder that tasks run in"}, \
    {"env", "LIST", "of the tasks' environment: NAME=VALUE,NAME=VALUE"}, \
    {"verbose", NULL, "say what is sent and brought back, and how large it is"}, \
    {"batch", NULL, "as a job of the engine (slurm) that goes on without this kernel"}
/* clang-format on */

enum job_option { /* in the order of JOB_OPTIONS */
                  OPTION_ON,
                  OPTION_ASYNC,
                  OPTION_TIMEOUT,
                  OPTION_RETRIES,
                  OPTION_CHUNK,
                  OPTION_STREAM,
                  OPTION_PROGRESS,
                  OPTION_OUT,
                  OPTION_FILES,
                  OPTION_CWD,
                  OPTION_ENV,
                  OPTION_VERBOSE,
                  OPTION_BATCH,
                  JOB_OPTIONS_N /* the index of the first of the magic's own */
};

enum job_stream { JOB_STREAM_LIVE, JOB_STREAM_END, JOB_STREAM_NO };

/* Texts are owned. */
struct job_options {
    char *executor, *name; /* NULL: not given */
    double timeout_ms;     /* 0: none */
    unsigned retries;
    uint64_t chunk; /* 0: not given */
    enum job_stream stream;
    double progress_ms; /* negative: never */
    char **out;
    size_t n_out;
    char **files;
    size_t n_files;
    char *folder;
    char **settings; /* "NAME=VALUE" */
    size_t n_settings;
    bool is_verbose, is_batch;
};

/* Reads the options of a magic whose table begins with JOB_OPTIONS. False after a
 * mistake, or after an option that has no meaning with this magic: the result says which.
 * To be cleared in either case. */
bool job_options_read(const struct magic *magic, const struct magic_arguments *arguments,
                      struct job_options *ret, struct result *result);
/* For what has no use for some: with any option but those of the bit mask `allowed` it is
 * a mistake; `what` is said ("ranks"). */
bool job_options_allow(const struct magic *magic, const struct magic_arguments *arguments,
                       unsigned allowed, const char *what, struct result *result);
void job_options_clear(struct job_options *options);

#endif
