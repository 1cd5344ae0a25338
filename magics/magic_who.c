/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %who and %whos: what is defined in the session now. */
#include <string.h>

#include "magics/html.h"
#include "magics/selection.h"

#define NAME_WIDTH 20
#define TYPE_WIDTH 24
#define LINE_WIDTH 110 /* notebooks wrap longer lines */
#define VALUE_WIDTH_MIN 40

static const char *type_of(const struct magic_context *context,
                           const struct definition *definition)
{
    bool has_type = definition->kind == DEFINITION_FUNCTION ||
                    definition->kind == DEFINITION_VARIABLE;
    const char *spelling =
        has_type ? types_get(session_types(context->session), definition->type)->spelling
                 : NULL;
    return spelling ? spelling : "";
}

/* "In[3]", and what is remarkable about it. */
static char *place(const struct magic_context *context,
                   const struct definition *definition)
{
    static const char *const marks[] = {[SESSION_CELL_CURRENT] = "",
                                        [SESSION_CELL_EDITED] = "  (cell edited)",
                                        [SESSION_CELL_DELETED] = "  (cell deleted)"};
    return must_format("In[%u]%s%s", definition->cell,
                       definition->is_stale ? "  (stale)" : "",
                       marks[session_cell_state(context->session, definition)]);
}

/* Without a pattern, what included files have brought is counted only: a library may be
 * thousands of definitions. */
static size_t leave_out_files(const struct magic_arguments *arguments,
                              struct selection *selection)
{
    size_t n = 0, n_all = selection->n;
    if (arguments->n_words)
        return 0;
    for (size_t i = 0; i < n_all; i++)
        if (!selection->at[i]->file)
            selection->at[n++] = selection->at[i];
    selection->n = n;
    return n_all - n;
}

static void print_left_out(struct magic_context *context, size_t n)
{
    if (n)
        magic_print(context,
                    "%zu more come from included files: name them, or a pattern\n", n);
}

static int run_who(struct magic_context *context, const struct magic_arguments *arguments,
                   struct result *result, struct error *err)
{
    CLEANUP(selection_clear) struct selection selection = {0};
    (void)err;
    if (!selection_make(context, arguments->words, arguments->n_words, &selection,
                        result))
        return 0;
    size_t n_left_out = leave_out_files(arguments, &selection);
    if (!selection.n && !n_left_out)
        magic_print(context, "nothing %s\n",
                    arguments->n_words ? "of that is defined" : "is defined");
    else if (selection.n)
        magic_print(context, "%-10s %-20s %-28s %s\n", "kind", "name", "type", "cell");
    for (size_t i = 0; i < selection.n; i++) {
        const struct definition *at = selection.at[i];
        CLEANUP(freep) char *where = place(context, at);
        magic_print(context, "%-10s %-20s %-28s %s\n", definition_kind_name(at->kind),
                    at->name, type_of(context, at), where);
    }
    print_left_out(context, n_left_out);
    return 0;
}

/* ---- %whos
 * ------------------------------------------------------------------------------ */

struct row {
    char *name, *type, *size, *uses, *cell, *value;
};

static void row_clear(struct row *row)
{
    free(row->name);
    free(row->type);
    free(row->size);
    free(row->uses);
    free(row->cell);
    free(row->value);
}

/* A macro's text, and what functions and types are written as, in one line. */
static char *text_of(const struct definition *definition)
{
    const char *text = definition->source;
    if (definition->kind != DEFINITION_MACRO || !text)
        return must_strdup("");
    text = strstr(text, definition->name);
    text = text ? text + strlen(definition->name) : "";
    text += strspn(text, " \t");
    return must_strndup(text, strcspn(text, "\n"));
}

static void fill(const struct magic_context *context, const struct definition *definition,
                 struct session_shown *shown, struct row *ret)
{
    CLEANUP(selection_clear) struct selection users = {0};
    bool is_sized = definition->kind == DEFINITION_VARIABLE ||
                    definition->kind == DEFINITION_FUNCTION;
    selection_users(session_graph(context->session), definition, &users);
    ret->name = must_strdup(definition->name);
    ret->type = must_strdup(type_of(context, definition));
    ret->size = is_sized && shown->size
                    ? must_format("%llu", (unsigned long long)shown->size)
                    : must_strdup("");
    ret->uses = users.n ? must_format("%zu", users.n) : must_strdup("");
    ret->cell = place(context, definition);
    ret->value = shown->text ? TAKE(shown->text) : text_of(definition);
}

static size_t widest(const struct row *rows, size_t n, size_t offset, size_t start)
{
    size_t width = start;
    for (size_t i = 0; i < n; i++) {
        char *const *text =
            (char *const *)(const void *)((const char *)&rows[i] + offset);
        size_t size = strlen(*text);
        width = size > width ? size : width;
    }
    return width;
}

static int limited(size_t width, size_t limit)
{
    return (int)(width < limit ? width : limit);
}

/* Owned; cut at a character's start, with dots in its place. */
static char *shortened(const char *text, size_t room)
{
    if (strlen(text) <= room)
        return must_strdup(text);
    size_t end = room - 3;
    while (end && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return must_format("%.*s...", (int)end, text);
}

static char *text_of_rows(const struct selection *selection, const struct row *rows)
{
    size_t n = selection->n;
    int name = limited(widest(rows, n, offsetof(struct row, name), 4), NAME_WIDTH);
    int type = limited(widest(rows, n, offsetof(struct row, type), 4), TYPE_WIDTH);
    int size = limited(widest(rows, n, offsetof(struct row, size), 5), 12);
    int cell = limited(widest(rows, n, offsetof(struct row, cell), 4), NAME_WIDTH);
    struct buffer text = {0};
    buffer_format(&text, "%-*s %-8s %-*s %*s %4s  %-*s  %s\n", name, "name", "kind", type,
                  "type", size, "bytes", "uses", cell, "cell", "value");
    int used = name + type + size + cell + 21;
    int room = used + VALUE_WIDTH_MIN < LINE_WIDTH ? LINE_WIDTH - used : VALUE_WIDTH_MIN;
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *value = shortened(rows[i].value, (size_t)room);
        buffer_format(&text, "%-*s %-8s %-*s %*s %4s  %-*s%s%s\n", name, rows[i].name,
                      definition_kind_name(selection->at[i]->kind), type, rows[i].type,
                      size, rows[i].size, rows[i].uses, cell, rows[i].cell,
                      *value ? "  " : "", value);
    }
    return buffer_take(&text);
}

static char *html_of(const struct selection *selection, const struct row *rows)
{
    struct buffer html = {0};
    buffer_add_string(&html,
                      "<table><tr><th>name</th><th>kind</th><th>type</th>"
                      "<th>bytes</th><th>uses</th><th>cell</th><th>value</th></tr>");
    for (size_t i = 0; i < selection->n; i++) {
        const struct row *row = &rows[i];
        const char *cells[] = {row->name, definition_kind_name(selection->at[i]->kind),
                               row->type, row->size,
                               row->uses, row->cell,
                               row->value};
        buffer_add_string(&html, "<tr>");
        for (size_t k = 0; k < sizeof(cells) / sizeof(*cells); k++) {
            bool is_number = cells[k] == row->size || cells[k] == row->uses;
            buffer_format(&html, "<td style=\"text-align:%s\">",
                          is_number ? "right" : "left");
            html_add(&html, cells[k]);
            buffer_add_string(&html, "</td>");
        }
        buffer_add_string(&html, "</tr>");
    }
    buffer_add_string(&html, "</table>");
    return buffer_take(&html);
}

/* A table, and lines of text for who shows none. */
static void show_rows(struct magic_context *context, const struct selection *selection,
                      const struct row *rows)
{
    CLEANUP(freep) char *text = text_of_rows(selection, rows);
    CLEANUP(freep) char *html = html_of(selection, rows);
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    if (bundle_add_text(&bundle, "text/plain", text) &&
        bundle_add_text(&bundle, "text/html", html))
        context->events->display(context->events->context, &bundle);
}

static int run_whos(struct magic_context *context,
                    const struct magic_arguments *arguments, struct result *result,
                    struct error *err)
{
    CLEANUP(selection_clear) struct selection selection = {0};
    if (!selection_make(context, arguments->words, arguments->n_words, &selection,
                        result))
        return 0;
    size_t n_left_out = leave_out_files(arguments, &selection);
    if (!selection.n) {
        if (n_left_out)
            print_left_out(context, n_left_out);
        else
            magic_print(context, "nothing %s\n",
                        arguments->n_words ? "of that is defined" : "is defined");
        return 0;
    }
    CLEANUP(freep) const char **names = must_alloc(selection.n * sizeof(*names));
    CLEANUP(freep) struct session_shown *shown = must_alloc(selection.n * sizeof(*shown));
    CLEANUP(freep) struct row *rows = must_alloc(selection.n * sizeof(*rows));
    for (size_t i = 0; i < selection.n; i++)
        names[i] = selection.at[i]->name;
    int r = session_show(context->session, names, selection.n, shown, err);
    for (size_t i = 0; r == 0 && i < selection.n; i++)
        fill(context, selection.at[i], &shown[i], &rows[i]);
    if (r == 0)
        show_rows(context, &selection, rows);
    if (r == 0)
        print_left_out(context, n_left_out);
    for (size_t i = 0; i < selection.n; i++) {
        row_clear(&rows[i]);
        free(shown[i].text);
    }
    return r;
}

const struct magic magic_who = {
    .name = "who",
    .is_line = true,
    .usage = "[KIND | NAME | PATTERN ...]",
    .summary = "what is defined: functions, variables, types, macros",
    .max_words = 64,
    .run = run_who,
};

const struct magic magic_whos = {
    .name = "whos",
    .is_line = true,
    .usage = "[KIND | NAME | PATTERN ...]",
    .summary = "the same with sizes, values and how many definitions use it",
    .max_words = 64,
    .run = run_whos,
};
