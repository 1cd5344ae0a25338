/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/suggest.h"

#include <string.h>

#include "kernel/unit/library.h"

#define NAME_MAX_SIZE 64 /* longer names get no suggestion */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_SIZE + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return rows[strlen(a) % 3][n];
}

struct nearest {
    const char *name;
    char best[NAME_MAX_SIZE + 1];
    size_t distance;
};

static void consider(void *context, const char *name, bool is_macro)
{
    struct nearest *nearest = context;
    size_t size = strlen(name), wanted = strlen(nearest->name);
    if (size > NAME_MAX_SIZE || size + 2 < wanted || size > wanted + 2 || *name == '_')
        return;
    size_t d = distance(nearest->name, name);
    if (d == 0 || d >= nearest->distance)
        return;
    nearest->distance = d;
    memcpy(nearest->best, name, size + 1);
}

static const char *const keywords[] = {
    "int",     "char",     "float",    "double",   "return", "struct",
    "typedef", "unsigned", "signed",   "static",   "const",  "sizeof",
    "switch",  "while",    "continue", "break",    "union",  "extern",
    "default", "void",     "short",    "volatile", "inline", "register"};

static void find_nearest(struct draft *draft, struct nearest *nearest)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (!graph_is_current(graph, definition) || definition->is_stale)
            continue;
        consider(nearest, definition->name, false);
        for (size_t k = 0; k < definition->n_names; k++)
            consider(nearest, definition->names[k], false);
    }
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        consider(nearest, keywords[i], false);
    headers_each(draft->analysis->headers, "", consider, nearest);
    library_each_common(consider, nearest);
}

static const char *const unknown_names[] = {
    "use of undeclared identifier '", "call to undeclared function '",
    "call to undeclared library function '", "unknown type name '"};

char *unknown_name(const char *message)
{
    for (size_t i = 0; i < sizeof(unknown_names) / sizeof(*unknown_names); i++) {
        size_t n = strlen(unknown_names[i]);
        if (strncmp(message, unknown_names[i], n) == 0)
            return must_strndup(message + n, strcspn(message + n, "'"));
    }
    return NULL;
}

static void say(struct diagnostic *diagnostic, const char *format, const char *what)
{
    char *tail = must_format(format, what);
    char *message = must_format("%s; %s", diagnostic->message, tail);
    free(tail);
    free(diagnostic->message);
    diagnostic->message = message;
}

void suggest(struct draft *draft, struct diagnostic *diagnostic)
{
    CLEANUP(freep) char *name = unknown_name(diagnostic->message);
    if (!name || strstr(diagnostic->message, "did you mean"))
        return;
    const struct definition *stale = graph_current(draft->analysis->graph, name);
    if (stale && stale->is_stale) {
        free(diagnostic->message);
        diagnostic->message = must_format(
            "'%s' (In[%u]) depends on an earlier version of something that was "
            "redefined; define it again",
            name, stale->cell);
        return;
    }
    const char *header = library_header(draft->analysis->library, name);
    if (header) {
        char *type = strstr(diagnostic->message, " with type ");
        if (type)
            *type = '\0';
        say(diagnostic, "add #include <%s>", header);
        return;
    }
    if (strlen(name) < 3 || strlen(name) > NAME_MAX_SIZE)
        return;
    struct nearest nearest = {.name = name, .distance = strlen(name) < 5 ? 2 : 3};
    find_nearest(draft, &nearest);
    if (!*nearest.best)
        return;
    say(diagnostic, "did you mean '%s'?", nearest.best);
    free(diagnostic->fixit);
    diagnostic->fixit = must_strdup(nearest.best);
    if (!diagnostic->end_column && diagnostic->column)
        diagnostic->end_column = diagnostic->column + (uint32_t)strlen(name);
}
