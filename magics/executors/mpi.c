/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ranks of an MPI program, started by mpirun or srun, that run whole cells side by side.
 * Options that are not ours are the launcher's. Single tasks go to a pool that the same
 * launcher starts as one process, with as many workers as there are ranks. */
#include "magics/executors/mpi.h"

#include <errno.h>
#include <string.h>

#include "kernel/peer/callback.h"
#include "kernel/peer/line.h"
#include "kernel/peer/process.h"
#include "magics/executors/places.h"

#define LAUNCHER_DEFAULT "mpirun"

static void add_word(struct ranks_command *command, const char *text, size_t size)
{
    command->words =
        must_realloc(command->words, command->n_words + 1, sizeof(*command->words));
    command->words[command->n_words++] = must_strndup(text, size);
}

/* Of a value, which may stand in quotes. */
static void add_words(struct ranks_command *command, const char *text)
{
    size_t last = strlen(text) ? strlen(text) - 1 : 0;
    if (last && (*text == '"' || *text == '\'') && text[last] == *text) {
        CLEANUP(freep) char *inside = must_strndup(text + 1, last - 1);
        add_words(command, inside);
        return;
    }
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        size_t size = strcspn(text, " \t");
        add_word(command, text, size);
        text += size;
    }
}

static bool is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, name);
}

static bool is_any_called(const struct ranks_command *command, const char *name)
{
    for (size_t i = 0; i < command->n_words; i++)
        if (is_called(command->words[i], name))
            return true;
    return false;
}

/* srun reads "--name=value", mpirun "--name value". */
static void add_option(struct ranks_command *command,
                       const struct executor_option *option, bool is_srun)
{
    const char *separator = is_srun && *option->value ? "=" : "";
    CLEANUP(freep)
    char *word = must_format("%s%s%s%s", option->name[1] ? "--" : "-", option->name,
                             separator, is_srun ? option->value : "");
    add_word(command, word, strlen(word));
    if (!is_srun)
        add_words(command, option->value);
}

static const char *const own_options[] = {"np", "launcher", "interface", NULL};

static bool is_ours(const char *name)
{
    size_t i = 0;
    while (own_options[i] && strcmp(own_options[i], name) != 0)
        i++;
    return own_options[i] || !strcmp(name, "lease") || !strcmp(name, "prestart");
}

static int read_options(const struct executor_option *options, size_t n_options,
                        struct ranks_command *ret, struct error *err)
{
    const char *interface = executor_option(options, n_options, "interface");
    unsigned n_ranks = 0, lease = 0;
    int r = executor_number(options, n_options, "np", RANKS_MAX, &n_ranks, err);
    if (r == 0 && executor_option(options, n_options, "prologue"))
        r = error_set(
            err, -EINVAL,
            "--prologue is for tasks; ranks start as --launcher says, which may "
            "be a script of yours that ends in: exec mpirun \"$@\"");
    if (r == 0)
        r = executor_number(options, n_options, "lease", LINE_MS_MAX / 1000, &lease, err);
    if (r == 0 && interface && strcmp(interface, "none") != 0)
        r = callback_check(interface, err);
    if (r < 0)
        return r;
    if (!n_ranks)
        return error_set(err, -EINVAL, "executor type 'mpi' needs --np=N, its ranks");
    *ret = (struct ranks_command){.n = n_ranks, .lease_ms = lease * 1000};
    return 0;
}

/* The launcher, and its options with which it starts `n` processes; `n_workers`: one of
 * them is to have the processors of so many, 0: each has its own. */
static int add_launcher(struct ranks_command *command,
                        const struct executor_option *options, size_t n_options, size_t n,
                        size_t n_workers, struct error *err)
{
    const char *launcher = executor_option(options, n_options, "launcher");
    add_words(command, launcher ? launcher : LAUNCHER_DEFAULT);
    if (!command->n_words)
        return error_set(err, -EINVAL,
                         "--launcher is a command such as 'srun --mpi=pmix'");
    bool is_srun = is_any_called(command, "srun"); /* `salloc -N2 srun` as well */
    CLEANUP(freep) char *number = must_format("%s %zu", is_srun ? "-n" : "-np", n);
    add_words(command, number);
    for (size_t i = 0; i < n_options; i++)
        if (*options[i].name && !is_ours(options[i].name))
            add_option(command, &options[i], is_srun);
    if (!n_workers)
        return 0;
    CLEANUP(freep)
    char *room =
        is_srun ? must_format("-c %zu", n_workers) : must_strdup("--bind-to none");
    if (is_srun || !executor_option(options, n_options, "bind-to"))
        add_words(command, room);
    return 0;
}

int mpi_command(const struct executor_option *options, size_t n_options,
                struct ranks_command *ret, struct error *err)
{
    const char *interface = executor_option(options, n_options, "interface");
    struct ranks_command command;
    int r = read_options(options, n_options, &command, err);
    if (r < 0)
        return r;
    command.interface = interface ? must_strdup(interface) : NULL;
    r = add_launcher(&command, options, n_options, command.n, 0, err);
    if (r < 0)
        ranks_command_clear(&command);
    else
        *ret = command;
    return r;
}

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    struct ranks_command command = {0};
    int r = mpi_command(options, n_options, &command, err);
    ranks_command_clear(&command);
    return r;
}

/* ---- tasks ---- */

struct mpi {
    struct places places; /* first: places.h */
    const struct executor_option *options;
    size_t n_options;
};

static char **words(void *context, const struct place *place)
{
    const struct mpi *mpi = context;
    struct ranks_command all = {0}, command = {0};
    if (read_options(mpi->options, mpi->n_options, &all, NULL) < 0 ||
        add_launcher(&command, mpi->options, mpi->n_options, 1, all.n, NULL) < 0)
        add_words(&command, LAUNCHER_DEFAULT); /* they were checked */
    CLEANUP(freep) char *pool = process_helper_path("achar-pool");
    CLEANUP(freep) char *n_workers = must_format("%zu", all.n);
    const char *last[] = {pool, "--stdio", place->mark, "--workers", n_workers};
    for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++)
        add_word(&command, last[i], strlen(last[i]));
    command.words =
        must_realloc(command.words, command.n_words + 1, sizeof(*command.words));
    command.words[command.n_words] = NULL;
    return command.words;
}

static int open_mpi(const struct executor_option *options, size_t n_options, void **ret,
                    struct error *err)
{
    struct mpi *mpi = must_alloc(sizeof(*mpi));
    (void)err;
    *mpi = (struct mpi){.options = options, .n_options = n_options};
    mpi->places = (struct places){.context = mpi, .words = words};
    places_init(&mpi->places);
    places_add(&mpi->places, "mpi", strlen("mpi"));
    *ret = mpi;
    return 0;
}

const struct executor_type executor_mpi = {
    .name = "mpi",
    .summary = "ranks of an MPI program, which run whole cells side by side",
    .options = own_options,
    .takes_any = true,
    .is_ranks = true,
    .lease_ms = 10000,
    .check = check,
    .open = open_mpi,
    .next = places_next,
    .fd = places_fd,
    .status = places_status,
    .why = places_why,
    .end = places_end,
    .close = places_free,
};
