/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `command`: any command line that ends in a pool's standard input and
 * output, for what starts processes elsewhere: kubectl exec, apptainer exec, bsub -I.
 * The pool's own arguments are put at its end, or where it says {arguments}; {pool} is
 * the path of our achar-pool. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/process.h"
#include "magics/executors/places.h"

struct command {
    struct places places; /* first: places.h */
    const struct executor_option *options;
    size_t n_options;
};

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    unsigned n;
    int r = places_check_workers(options, n_options, err);
    if (r == 0)
        r = executor_number(options, n_options, "pools", PLACES_MAX, &n, err);
    if (r == 0 && executor_option(options, n_options, "prologue"))
        r = error_set(err, -EINVAL,
                      "--prologue is what the command itself does: command -- sh -c "
                      "\"module load gcc; exec {pool} {arguments}\"");
    const char *first = executor_option(options, n_options, "");
    if (r == 0 && (!first || !*first))
        r = error_set(err, -EINVAL,
                      "which command? such as command -- kubectl exec -i POD -- "
                      "achar-pool");
    return r;
}

/* `word` with every `name` replaced. */
static char *replace(const char *word, const char *name, const char *with)
{
    struct buffer out = {0};
    for (const char *at; (at = strstr(word, name)); word = at + strlen(name)) {
        buffer_add(&out, word, (size_t)(at - word));
        buffer_add_string(&out, with);
    }
    buffer_add_string(&out, word);
    return buffer_take(&out);
}

static char **words(void *context, const struct place *place)
{
    const struct command *command = context;
    CLEANUP(freep) char *pool = process_helper_path("achar-pool");
    CLEANUP(freep)
    char *arguments = places_arguments(place, command->options, command->n_options);
    char **ret = must_alloc((command->n_options + 5) * sizeof(*ret));
    size_t n = 0;
    bool has_arguments = false;
    for (size_t i = 0; i < command->n_options; i++) {
        const char *word = command->options[i].value;
        if (*command->options[i].name)
            continue;
        has_arguments |= strstr(word, "{arguments}") != NULL;
        CLEANUP(freep) char *with_pool = replace(word, "{pool}", pool);
        ret[n++] = replace(with_pool, "{arguments}", arguments);
    }
    if (has_arguments)
        return ret;
    for (const char *at = arguments; *at; at += strspn(at, " ")) {
        ret[n++] = must_strndup(at, strcspn(at, " "));
        at += strcspn(at, " ");
    }
    return ret;
}

static int open_command(const struct executor_option *options, size_t n_options,
                        void **ret, struct error *err)
{
    struct command *command = must_alloc(sizeof(*command));
    unsigned n = 1;
    *command = (struct command){.options = options, .n_options = n_options};
    command->places = (struct places){.context = command, .words = words};
    places_init(&command->places);
    int r = executor_number(options, n_options, "pools", PLACES_MAX, &n, err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        CLEANUP(freep) char *name = must_format("command %u", i + 1);
        places_add(&command->places, name, strlen(name));
    }
    *ret = command;
    return 0;
}

static const char *const options[] = {"pools", "workers", "prologue", NULL};

const struct executor_type executor_command = {
    .name = "command",
    .summary = "pools behind a command line of yours: command -- WORDS...",
    .options = options,
    .takes_words = true,
    .lease_ms = 3000,
    .check = check,
    .open = open_command,
    .next = places_next,
    .fd = places_fd,
    .status = places_status,
    .why = places_why,
    .end = places_end,
    .close = places_free,
};
