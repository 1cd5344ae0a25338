/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a person chose that definitions are compiled ("gcc -std=gnu23 -O3", cc.h): every
 * definition remembers it. A unit is compiled with all that its definitions were given,
 * those of the cell last, so that they win. */
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"

#define OPTIONS_TOTAL_MAX 8192 /* bytes of what one unit is compiled with */

static const char *next_word(const char **at, size_t *ret_size)
{
    *at += strspn(*at, " \t\n");
    const char *word = *at;
    *ret_size = strcspn(word, " \t\n");
    *at += *ret_size;
    return *ret_size ? word : NULL;
}

/* What libclang and the header index must see too. */
static bool is_about_language(const char *word)
{
    return !strncmp(word, "-std=", 5) || !strncmp(word, "-D", 2) ||
           !strncmp(word, "-U", 2) || !strncmp(word, "-I", 2) ||
           !strncmp(word, "-isystem", 8) || !strncmp(word, "-m", 2) ||
           !strncmp(word, "-O", 2) || !strcmp(word, "-ffast-math") ||
           !strcmp(word, "-ffinite-math-only") || !strncmp(word, "-funsigned-char", 15) ||
           !strncmp(word, "-fshort-enums", 13);
}

static bool names_standard(const char *options, const char *const *standards)
{
    const char *at = options ? strstr(options, "-std=") : NULL;
    for (const char *next; at && (next = strstr(at + 1, "-std=")); at = next)
        ;
    if (!at)
        return false;
    at += strlen("-std=");
    size_t size = strcspn(at, " \t\n");
    for (; *standards; standards++)
        if (strlen(*standards) == size && !memcmp(*standards, at, size))
            return true;
    return false;
}

bool options_are_c23(const char *options)
{
    static const char *const standards[] = {"c2x", "gnu2x", "c23", "gnu23",
                                            "c2y", "gnu2y", NULL};
    return names_standard(options, standards);
}

bool options_take_c23(struct draft *draft)
{
    if (draft->standard || options_are_c23(draft->analysis->options))
        return false;
    for (size_t i = 0; i < draft->n_used && !draft->standard; i++) {
        const struct definition *used = graph_get(draft->analysis->graph, draft->used[i]);
        if (!used || !options_are_c23(used->options))
            continue;
        const char *word = strstr(used->options, "-std="), *next;
        while ((next = strstr(word + 1, "-std=")))
            word = next;
        draft->standard = must_strndup(word, strcspn(word, " \t\n"));
    }
    return draft->standard != NULL;
}

/* libtcc compiles C11 with GNU's extensions: what asks for no more may go to it. */
bool options_need_cc(const char *options)
{
    static const char *const standards[] = {"c11", "gnu11", "c17", "gnu17",
                                            "c18", "gnu18", NULL};
    const char *at = options ? options : "", *word;
    size_t size;
    while ((word = next_word(&at, &size)))
        if (strncmp(word, "-std=", 5) != 0 || !names_standard(options, standards))
            return true;
    return false;
}

/* The session's flags and those among the options that libclang must see. */
static void set_language_flags(struct analysis *analysis)
{
    const char *at = analysis->options ? analysis->options : "", *word;
    size_t size;
    for (size_t i = 0; i < analysis->n_language_flags; i++)
        free(analysis->language_flags[i]);
    analysis->n_language_flags = 0;
    analysis->language_flags =
        must_realloc(analysis->language_flags, strlen(at) / 2 + 1, sizeof(char *));
    while ((word = next_word(&at, &size)))
        if (is_about_language(word))
            analysis->language_flags[analysis->n_language_flags++] =
                must_strndup(word, size);
}

/* What libclang says of itself and another compiler, or another choice of flags, may not.
 * The names of questions like __has_feature go too. */
static const char *const own_macros[] = {"__clang__",
                                         "__clang_major__",
                                         "__clang_minor__",
                                         "__clang_patchlevel__",
                                         "__clang_version__",
                                         "__llvm__",
                                         "__NO_INLINE__",
                                         "__BITINT_MAXWIDTH__",
                                         "__has_feature",
                                         "__has_extension",
                                         "__has_declspec_attribute",
                                         "__is_identifier",
                                         NULL};

static bool defines(const char *macros, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = macros; (at = strstr(at, name)); at += n)
        if (at > macros && at[-1] == ' ' && (at[n] == ' ' || at[n] == '\n'))
            return true;
    return false;
}

/* Owned lines that take the place of libclang's own macros, for #if and its kin. */
static char *replacement(const char *macros)
{
    struct buffer out = {0};
    bool is_clang = defines(macros, "__clang__");
    for (size_t i = 0; own_macros[i]; i++)
        if (!defines(macros, own_macros[i]) &&
            (!is_clang || strncmp(own_macros[i], "__has", 5) != 0))
            buffer_format(&out, "#undef %s\n", own_macros[i]);
    for (const char *at = macros; *at; at += strcspn(at, "\n") + 1) {
        size_t skip = strlen("#define "), size = strcspn(at, "\n");
        if (size <= skip || strncmp(at, "#define ", skip) != 0)
            continue;
        size_t name = strcspn(at + skip, " (\n");
        buffer_format(&out, "#undef %.*s\n%.*s\n", (int)name, at + skip, (int)size, at);
        if (at[size] == '\0')
            break;
    }
    return buffer_take(&out);
}

void analysis_set_options(struct analysis *analysis, const char *options,
                          const char *macros)
{
    free(analysis->options);
    free(analysis->macros);
    analysis->options = *options ? must_strdup(options) : NULL;
    analysis->macros = macros ? replacement(macros) : NULL;
    set_language_flags(analysis);
    analysis_forget_units(analysis);
    analysis_index_flags(analysis);
}

void options_clear(struct analysis *analysis)
{
    free(analysis->options);
    free(analysis->macros);
    for (size_t i = 0; i < analysis->n_language_flags; i++)
        free(analysis->language_flags[i]);
    free(analysis->language_flags);
}

static bool has_word(const char *list, const char *word, size_t size)
{
    const char *at = list, *found;
    size_t n;
    while ((found = next_word(&at, &n)))
        if (n == size && !memcmp(found, word, n))
            return true;
    return false;
}

/* A compiler that is named later is the one; a flag is added once. */
static void add_options(struct buffer *all, const char *options)
{
    const char *at = options ? options : "", *word;
    size_t size;
    while ((word = next_word(&at, &size)) && all->size < OPTIONS_TOTAL_MAX) {
        bool is_flag = *word == '-' && strncmp(word, "-std=", 5) != 0;
        if (is_flag && has_word(buffer_string(all), word, size))
            continue;
        buffer_format(all, "%s%.*s", all->size ? " " : "", (int)size, word);
    }
}

/* Each definition of the cell gets the options of now, one that is compiled again keeps
 * those of its time. */
void options_settle(struct draft *draft)
{
    const struct analysis *analysis = draft->analysis;
    CLEANUP(buffer_clear) struct buffer all = {0};
    bool is_gcc = false; /* it holds what no other compiler accepts */
    for (size_t i = 0; i < draft->n_entities; i++) {
        struct definition *definition = draft->entities[i]->definition;
        uint32_t origin = draft->pieces[draft->entities[i]->piece].origin;
        const struct definition *old = graph_get(analysis->graph, origin);
        const char *options = old ? old->options : analysis->options;
        free(definition->options);
        definition->options = must_strdup(options);
        definition->needs_cc |= options_need_cc(options) || definition->is_opaque;
        is_gcc |= definition->is_opaque;
        if (old)
            add_options(&all, options);
    }
    add_options(&all, analysis->options);
    add_options(&all, draft->standard);
    if (is_gcc)
        add_options(&all, "gcc");
    if (!all.size)
        return;
    draft->plan->options = buffer_take(&all);
    if (!draft->plan->cc_reason && (is_gcc || options_need_cc(draft->plan->options)))
        draft->plan->cc_reason = must_strdup(draft->plan->options);
}
