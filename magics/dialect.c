/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/dialect.h"

#include <string.h>

#include "pickler/code/cc.h"

/* Names of the same standard, for compilers from before and after its publication. */
static const char *const twins[][2] = {
    {"c23", "c2x"}, {"gnu23", "gnu2x"}, {"c17", "c18"}, {"gnu17", "gnu18"}};

static const char *twin_of(const char *standard)
{
    for (size_t i = 0; i < sizeof(twins) / sizeof(*twins); i++)
        for (int k = 0; k < 2; k++)
            if (!strcmp(twins[i][k], standard))
                return twins[i][!k];
    return NULL;
}

/* True when a compiler takes the options; else *ret_why (owned) is what it said. */
static bool is_taken(struct magic_context *context, const char *options, char **ret_why)
{
    struct cc_options how = {.chosen = options,
                             .wake_fd = session_interrupt_fd(context->session)};
    CLEANUP(buffer_clear) struct buffer object = {0};
    struct error err = {0};
    char *messages = NULL;
    int r = cc_compile("int achar_probe;\n", &how, &object, &messages, &err);
    free(*ret_why);
    *ret_why = r < 0 ? must_strdup(err.text) : messages;
    return r == 0;
}

static char *join(const char *compiler, const char *standard)
{
    return must_format("%s%s%s%s", compiler ? compiler : "",
                       compiler && standard ? " " : "", standard ? "-std=" : "",
                       standard ? standard : "");
}

static char *try_standard(struct magic_context *context, const char *standard,
                          const char *compiler, char **ret_why)
{
    const char *names[] = {standard, standard ? twin_of(standard) : NULL};
    for (int i = 0; i < 2; i++) {
        CLEANUP(freep) char *options = join(compiler, names[i]);
        if ((i == 0 || names[i]) && is_taken(context, options, ret_why))
            return TAKE(options);
    }
    return NULL;
}

char *dialect_options(struct magic_context *context, const char *standard,
                      const char *compiler, struct result *result)
{
    CLEANUP(freep) char *why = NULL;
    char *options = try_standard(context, standard, compiler, &why);
    bool is_free = !compiler || *compiler == '-'; /* any compiler will do */
    for (size_t i = 0; !options && is_free && cc_candidates[i]; i++) {
        CLEANUP(freep)
        char *named = must_format("%s%s%s", cc_candidates[i], compiler ? " " : "",
                                  compiler ? compiler : "");
        CLEANUP(freep) char *ignored = NULL;
        CLEANUP(freep) char *path = cc_find_named(cc_candidates[i]);
        if (path)
            options = try_standard(context, standard, named, &ignored);
    }
    if (!options)
        result_error(result, "CompilerError", "no compiler here takes '%s%s%s%s': %s",
                     compiler ? compiler : "", compiler && standard ? " " : "",
                     standard ? "-std=" : "", standard ? standard : "",
                     why && *why ? why : "there is none");
    return options;
}

void dialect_set(struct magic_context *context, const char *options, const char *compiler)
{
    CLEANUP(freep) char *macros = NULL;
    struct error ignored; /* it took the options a moment ago */
    if (compiler && cc_macros(options, session_interrupt_fd(context->session), &macros,
                              &ignored) != 0)
        macros = NULL;
    session_set_options(context->session, options, macros);
}
