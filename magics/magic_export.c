/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %export: the session's definitions and the statements of its cells as one C file, each
 * cell a function that main() calls. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/capture.h"
#include "magics/cell.h"
#include "pickler/base/file.h"

enum { OPTION_CELLS };

struct program {
    struct magic_context *context;
    struct capture_roots roots;
    struct buffer cells; /* their functions */
    uint32_t *called;    /* cells that have statements, in order */
    size_t n_called, called_capacity;
    size_t n_cells;
    bool has_all; /* every definition of the session goes in */
    bool has_main;
    bool has_statements; /* of the cell at hand */
};

static void program_clear(struct program *program)
{
    capture_roots_clear(&program->roots);
    buffer_clear(&program->cells);
    free(program->called);
}

/* ---- which definitions ---- */

static void add_root(struct program *program, const char *name)
{
    const struct graph *graph = session_graph(program->context->session);
    const struct definition *definition = graph_current(graph, name);
    if (!definition)
        return;
    capture_roots_add(&program->roots, definition->id);
    program->has_main |= definition->kind == DEFINITION_FUNCTION && !strcmp(name, "main");
}

/* What cannot be compiled any more stays out unless something that can needs it. */
static void add_all_roots(struct program *program)
{
    const struct graph *graph = session_graph(program->context->session);
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        bool is_usable = !definition->is_stale && definition->kind != DEFINITION_LINK &&
                         definition->source && *definition->source;
        if (is_usable && graph_is_current(graph, definition)) {
            capture_roots_add(&program->roots, definition->id);
            program->has_main |= definition->kind == DEFINITION_FUNCTION &&
                                 !strcmp(definition->name, "main");
        }
    }
}

static bool add_names(struct program *program, const char *const *names, size_t n,
                      struct result *result)
{
    const struct graph *graph = session_graph(program->context->session);
    for (size_t i = 0; i < n; i++) {
        if (!graph_current(graph, names[i])) {
            result_error(result, "NameError", "'%s' is not defined in this session",
                         names[i]);
            return false;
        }
        add_root(program, names[i]);
    }
    return true;
}

/* What a cell refers to, as it is now. */
static void add_refs(struct program *program, const struct session_statements *statements)
{
    const struct graph *graph = session_graph(program->context->session);
    for (size_t i = 0; i < statements->n_refs; i++) {
        const struct definition *definition = graph_get(graph, statements->refs[i]);
        bool is_macro = definition && definition->kind == DEFINITION_MACRO;
        if (definition && !is_macro && *definition->name)
            add_root(program, definition->name);
        else if (definition)
            capture_roots_add(&program->roots, definition->id);
    }
}

/* ---- statements ---- */

static void add_comment(struct buffer *out, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        buffer_format(out, "    // %.*s\n", (int)size, text);
        text += size + (text[size] == '\n');
    }
}

/* The same definition wherever the session has one of that name. */
static bool is_constant_macro(const struct graph *graph, const char *name, size_t size)
{
    const char *source = NULL;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *macro = graph_at(graph, i);
        if (macro->kind != DEFINITION_MACRO || strncmp(macro->name, name, size) ||
            macro->name[size])
            continue;
        if (!macro->source || (source && strcmp(source, macro->source)))
            return false;
        source = macro->source;
    }
    return source && !strstr(source, "#undef");
}

static size_t logical_line(const char *text)
{
    size_t size = strcspn(text, "\n");
    while (text[size] && size && text[size - 1] == '\\')
        size += 1 + strcspn(text + size + 1, "\n");
    return size + (text[size] == '\n');
}

/* Macros that never change stand above all functions. */
static void add_statements(struct program *program, const char *text, struct buffer *body)
{
    static const char undef[] = "#undef ";
    const struct graph *graph = session_graph(program->context->session);
    while (*text) {
        size_t size = logical_line(text);
        const char *name = text + strlen(undef);
        bool is_undef = !strncmp(text, undef, strlen(undef));
        if (is_undef && is_constant_macro(graph, name, strcspn(name, "\n"))) {
            text += size;
            text += *text == '#' ? logical_line(text) : 0;
            continue;
        }
        program->has_statements |= *text != '#';
        buffer_add(body, text, size);
        text += size;
    }
}

static void add_c(struct program *program, uint32_t cell, uint32_t line, const char *text,
                  struct buffer *body, struct result *result)
{
    struct session_statements statements;
    if (!text[strspn(text, " \t\r\n")])
        return;
    if (!session_statements(program->context->session, cell, line, &statements)) {
        result_error(result, "ExportError",
                     "what In[%u]:%u has run is no longer known: run the cell again",
                     cell, line);
        return;
    }
    if (!program->has_all)
        add_refs(program, &statements);
    add_statements(program, statements.text, body);
}

static bool is_magic(const char *text, const char *name)
{
    text += strspn(text, "%");
    size_t size = strlen(name);
    return !strncmp(text, name, size) && strchr(" \t\n", text[size]);
}

/* Where the C text of a magic starts that runs it as any other; NULL: there is none. */
static const char *c_of_magic(const struct segment *segment, const char *text)
{
    if (segment->kind == SEGMENT_LINE_MAGIC)
        return is_magic(text, "time") ? text + strcspn(text, " \t") : NULL;
    if (segment->kind != SEGMENT_CELL_MAGIC ||
        !(is_magic(text, "time") || is_magic(text, "remote") || is_magic(text, "cc")))
        return NULL;
    text += strcspn(text, "\n");
    return *text ? text : NULL;
}

static void add_segment(struct program *program, uint32_t cell,
                        const struct segment *segment, const char *text,
                        struct buffer *body, struct result *result)
{
    if (segment->kind == SEGMENT_C) {
        add_c(program, cell, segment->line, text, body, result);
        return;
    }
    const char *c = c_of_magic(segment, text);
    CLEANUP(freep) char *head = must_strndup(text, c ? (size_t)(c - text) : strlen(text));
    if (!is_magic(text, "export"))
        add_comment(body, head);
    bool is_below = segment->kind == SEGMENT_CELL_MAGIC;
    if (c)
        add_c(program, cell, segment->line + is_below, c, body, result);
}

/* Directives and comments stand outside functions. */
static void add_lines(struct buffer *out, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n"), blanks = strspn(text, " ");
        blanks = blanks < 4 ? blanks : 4;
        buffer_format(out, "%.*s\n", (int)(size - blanks), text + blanks);
        text += size + (text[size] == '\n');
    }
}

static void add_body(struct program *program, uint32_t cell, const char *body)
{
    buffer_format(&program->cells, "\n/* In[%u] */\n", cell);
    if (!program->has_statements) {
        add_lines(&program->cells, body);
        return;
    }
    buffer_format(&program->cells, "static void cell_%u(void)\n{\n%s}\n", cell, body);
    GROW(program->called, program->n_called, program->called_capacity);
    program->called[program->n_called++] = cell;
}

static int add_cell(struct program *program, const struct cell_text *cell,
                    struct result *result, struct error *err)
{
    CLEANUP(freep) struct segment *segments = NULL;
    CLEANUP(buffer_clear) struct buffer body = {0};
    size_t n_names, n = 0;
    const char *const *names = magics_names(&n_names);
    program->has_statements = false;
    int r = session_segments(program->context->session, cell->text, names, n_names,
                             &segments, &n, err);
    for (size_t i = 0; r == 0 && i < n && result->kind == RESULT_OK; i++) {
        CLEANUP(freep)
        char *text = must_strndup(cell->text + segments[i].offset, segments[i].size);
        add_segment(program, cell->cell, &segments[i], text, &body, result);
    }
    program->n_cells++;
    if (r == 0 && result->kind == RESULT_OK && body.size)
        add_body(program, cell->cell, buffer_string(&body));
    return r;
}

/* ---- which cells ---- */

/* Takes "3" or "5-7" from a list. */
static bool next_range(const char **at, uint32_t *ret_from, uint32_t *ret_to)
{
    char *end;
    errno = 0;
    unsigned long from = strtoul(*at, &end, 10), to = from;
    if (end == *at || strspn(*at, "0123456789") == 0)
        return false;
    if (*end == '-') {
        const char *second = end + 1;
        to = strtoul(second, &end, 10);
        if (end == second)
            return false;
    }
    if (errno || to > UINT32_MAX || from > to || (*end && *end != ','))
        return false;
    *ret_from = (uint32_t)from;
    *ret_to = (uint32_t)to;
    *at = end + (*end == ',');
    return true;
}

static bool is_listed(const char *list, uint32_t cell)
{
    uint32_t from, to;
    while (*list && next_range(&list, &from, &to))
        if (cell >= from && cell <= to)
            return true;
    return false;
}

/* Every number of the list must be one of a cell that can be had. */
static bool check_list(const struct texts *record, const char *list,
                       struct result *result)
{
    const char *at = list;
    uint32_t from, to;
    while (*at) {
        if (!next_range(&at, &from, &to)) {
            result_error(result, "UsageError", "'%s' is no list of cells such as 3,5-7",
                         list);
            return false;
        }
        for (uint32_t cell = from; from == to && cell <= to; cell++)
            if (!texts_find(record, cell, 0)) {
                result_error(result, "UsageError",
                             "In[%u] has not run to its end in this session", cell);
                return false;
            }
    }
    return true;
}

/* The same text again replaces what it was before. */
static bool is_repeated(const struct texts *record, size_t i)
{
    for (size_t k = i + 1; k < record->n; k++)
        if (record->at[k].cell < CELL_UNCOUNTED &&
            !strcmp(record->at[k].text, record->at[i].text))
            return true;
    return false;
}

static int add_cells(struct program *program, const char *list, struct result *result,
                     struct error *err)
{
    const struct texts *record = &program->context->magics->record;
    int r = 0;
    if (list && !check_list(record, list, result))
        return 0;
    for (size_t i = 0; i < record->n && r == 0 && result->kind == RESULT_OK; i++) {
        const struct cell_text *cell = &record->at[i];
        bool is_wanted = list ? is_listed(list, cell->cell)
                              : cell->cell < CELL_UNCOUNTED && !is_repeated(record, i);
        if (is_wanted)
            r = add_cell(program, cell, result, err);
    }
    return r;
}

/* ---- the file ---- */

static void add_main(struct program *program)
{
    struct buffer *out = &program->cells;
    if (program->has_main && !program->n_called)
        return;
    buffer_add_string(out, program->has_main ? "\n/* Runs before main(). */\n"
                                               "__attribute__((constructor)) static void "
                                               "run_cells(void)\n{\n"
                                             : "\nint main(void)\n{\n");
    for (size_t i = 0; i < program->n_called; i++)
        buffer_format(out, "    cell_%u();\n", program->called[i]);
    buffer_add_string(out, program->has_main ? "}\n" : "    return 0;\n}\n");
}

/* "cc -std=gnu17 prog.c -o prog -lm -lz", owned. */
static char *command_line(struct program *program, const char *path)
{
    struct buffer out = {0};
    size_t n, size = strlen(path);
    const char *const *libraries = session_libraries(program->context->session, &n);
    bool has_suffix = size > 2 && !strcmp(path + size - 2, ".c");
    buffer_format(&out, "cc -std=gnu17 %s -o %.*s%s -lm", path,
                  (int)(has_suffix ? size - 2 : size), path, has_suffix ? "" : ".out");
    for (size_t i = 0; i < n; i++)
        buffer_format(&out, " %s%s",
                      strchr(libraries[i], '/') ? "" : "-l:", libraries[i]);
    return buffer_take(&out);
}

static void write_file(struct program *program, const char *path,
                       const struct buffer *text, struct result *result)
{
    CLEANUP(freep) char *where = magic_path(program->context, path);
    CLEANUP(closep)
    int fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int r = fd < 0 ? -errno : write_all(fd, text->data, text->size);
    if (r < 0)
        result_error(result, "ExportError", "cannot write '%s': %s", path, strerror(-r));
}

static void save(struct program *program, const char *path, struct result *result)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(buffer_clear) struct buffer text = {0};
    struct session *session = program->context->session;
    struct error why = {0};
    if (payload_new_program(session_graph(session), session_types(session),
                            program->roots.ids, program->roots.n, &payload, &why) < 0) {
        result_error(result, "ExportError", "%s", why.text);
        return;
    }
    payload_make_program(payload);
    add_main(program);
    CLEANUP(freep) char *command = command_line(program, path);
    buffer_format(&text, "/* Made from a notebook's cells.\n * %s */\n\n", command);
    payload_program(payload, false, buffer_string(&program->cells), &text);
    write_file(program, path, &text, result);
    if (result->kind == RESULT_OK)
        magic_print(program->context, "%s: %zu cell%s, %zu definition%s; %s\n", path,
                    program->n_cells, program->n_cells == 1 ? "" : "s",
                    payload->n_definitions, payload->n_definitions == 1 ? "" : "s",
                    command);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char *list = arguments->options[OPTION_CELLS];
    CLEANUP(program_clear)
    struct program program = {.context = context,
                              .has_all = !list && arguments->n_words == 1};
    if (program.has_all)
        add_all_roots(&program);
    if (!add_names(&program, arguments->words + 1, arguments->n_words - 1, result))
        return 0;
    if (list || program.has_all) {
        int r = add_cells(&program, list, result, err);
        if (r < 0)
            return r;
    }
    if (result->kind == RESULT_OK)
        save(&program, arguments->words[0], result);
    return 0;
}

const struct magic magic_export = {
    .name = "export",
    .is_line = true,
    .usage = "FILE.c [--cells 3,5-7] [NAME ...]",
    .summary = "write a C program from the session's definitions and cells",
    .options =
        (const struct magic_option[]){
            [OPTION_CELLS] = {"cells", "LIST", "only these, and what they reach"}, {0}},
    .min_words = 1,
    .max_words = 1024,
    .run = run,
};
