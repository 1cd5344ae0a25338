/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes down what a text reaches: declarations without macros first, so that none can
 * damage them, then macros, then the session's definitions. */
#include <string.h>

#include "kernel/unit/header_reach.h"
#include "kernel/unit/header_text.h"
#include "pickler/base/lex.h"

/* Macros that paste make names, which may be macros that paste ... */
#define EXPANSIONS_MAX 4

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void number_list_sort(struct number_list *list)
{
    if (list->n)
        qsort(list->items, list->n, sizeof(*list->items), compare_numbers);
}

/* `typedef float _Float32;`: what libtcc is told, and what gcc knows by itself. */
static bool is_keyword_of_gcc(const char *text, size_t size)
{
    return size < 64 && strncmp(text, "typedef ", 8) == 0 &&
           memmem(text, size, " _Float", 7);
}

static void add_chunk(const struct header_chunk *chunk, const char *text,
                      struct buffer *out)
{
    bool is_guarded = is_keyword_of_gcc(text, chunk->size);
    if (is_guarded)
        buffer_add_string(out, "#if !defined __GNUC__ || defined __clang__\n");
    if (chunk->pack)
        buffer_format(out, "#pragma pack(push, %u)\n", chunk->pack);
    buffer_add(out, text, chunk->size);
    buffer_add_char(out, '\n');
    if (chunk->pack)
        buffer_add_string(out, "#pragma pack(pop)\n");
    if (is_guarded)
        buffer_add_string(out, "#endif\n");
}

static void add_chunks(const struct reach *reach, struct buffer *out)
{
    for (size_t i = 0; i < reach->chunks.n; i++) {
        const struct header_chunk *chunk = &reach->index->chunks[reach->chunks.items[i]];
        add_chunk(chunk, reach->index->flat.data + chunk->start, out);
    }
}

static void add_macros(const struct reach *reach, struct buffer *out)
{
    for (size_t i = 0; i < reach->macros.n; i++) {
        const struct header_macro *macro = &reach->index->macros[reach->macros.items[i]];
        const char *name = reach->index->names.names[macro->name].text;
        if (macro->is_predefined)
            buffer_format(out, "#ifndef %s\n#define %s\n#endif\n", name, macro->text);
        else
            buffer_format(out, "#define %s\n", macro->text);
    }
}

static const struct definition *find_definition(void *context, uint32_t id)
{
    return graph_get(context, id);
}

/* An old version of a type gives way to the current one where both are reached. */
static bool is_superseded(const struct reach *reach, const struct definition *definition)
{
    if (definition->kind != DEFINITION_TYPE || graph_is_current(reach->graph, definition))
        return false;
    const struct definition *current = graph_current(reach->graph, definition->name);
    return current && reach->has_definition[current->id];
}

static void add_session(const struct reach *reach, bool declares, struct buffer *out)
{
    if (!reach->definitions.n)
        return;
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(find_definition, (void *)reach->graph, out);
    struct number_list macros = {0};
    for (size_t i = 0; i < reach->definitions.n; i++) {
        const struct definition *definition =
            graph_get(reach->graph, reach->definitions.items[i]);
        if (definition->kind == DEFINITION_MACRO) {
            if (graph_is_current(reach->graph, definition))
                number_list_add(&macros, definition->id);
        } else if (declares && definition->kind != DEFINITION_INCLUDE &&
                   !is_superseded(reach, definition)) {
            emitter_declare(emitter, definition);
        }
    }
    emitter_macros(emitter, macros.items, macros.n);
    free(macros.items);
}

/* Without directives other than #define and #undef: libtcc's preprocessor alone crashes
 * on some conditions, and all branches may be looked at. */
static void add_expandable(const char *text, size_t size, struct buffer *out)
{
    struct lexer lexer = lexer_init(text, size);
    const char *from = text;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind != TOKEN_END && token.kind != TOKEN_DIRECTIVE)
            continue;
        buffer_add(out, from, (size_t)(token.text - from));
        from = token.text;
        if (token.kind == TOKEN_END)
            break;
        struct lexer ahead = lexer;
        struct token name = lexer_next(&ahead);
        lexer_skip_line(&lexer);
        if (!token_is(&name, "define") && !token_is(&name, "undef"))
            from = lexer.at;
    }
    buffer_add_char(out, '\n');
}

/* Expands the text with all macros reached so far and follows the names that come out. */
static int expand(struct reach *reach, const char *text, size_t size, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer source = {0};
    CLEANUP(buffer_clear) struct buffer expanded = {0};
    add_macros(reach, &source);
    add_session(reach, false, &source);
    add_expandable(text, size, &source);
    int result = header_expand(buffer_string(&source), NULL, 0, &expanded, err);
    if (result < 0)
        return result;
    reach_text(reach, buffer_string(&expanded), expanded.size);
    reach_all(reach);
    return 0;
}

/* 0, or 1 when the names cannot be found. */
static int follow_pasted(struct reach *reach, const char *text, size_t size)
{
    for (int i = 0; i < EXPANSIONS_MAX; i++) {
        size_t n_macros = reach->macros.n, n_definitions = reach->definitions.n;
        struct error ignored = {0};
        if (expand(reach, text, size, &ignored) < 0)
            return 1;
        if (reach->macros.n == n_macros && reach->definitions.n == n_definitions)
            return 0;
    }
    return 0;
}

/* Notes the #undef lines since the last call. */
static void note_undefined(struct headers *headers, const struct graph *graph)
{
    if (headers->undefined_graph != graph ||
        graph_next_id(graph) < headers->undefined_up_to) {
        name_ids_clear(&headers->undefined);
        headers->undefined_up_to = 0;
        headers->undefined_graph = graph;
    }
    for (size_t i = graph_count(graph); i-- > 0;) {
        const struct definition *definition = graph_at(graph, i);
        if (definition->id < headers->undefined_up_to)
            break;
        if (definition->kind == DEFINITION_MACRO && definition->source) {
            const char *text = definition->source + strspn(definition->source, "# \t");
            if (strncmp(text, "undef", 5) == 0 &&
                name_ids_get(&headers->undefined, definition->name,
                             strlen(definition->name)) < definition->id)
                name_ids_set(&headers->undefined, definition->name, definition->id);
        }
    }
    headers->undefined_up_to = graph_next_id(graph);
}

static void next_generation(struct header_marks *marks, const struct header_index *index)
{
    if (++marks->generation)
        return;
    size_t names = index->names.n * sizeof(uint32_t);
    memset(marks->words, 0, names);
    memset(marks->tag_words, 0, names);
    memset(marks->ordinary, 0, names);
    memset(marks->tags, 0, names);
    memset(marks->chunks, 0, index->n_chunks * sizeof(uint32_t));
    memset(marks->macros, 0, index->n_macros * sizeof(uint32_t));
    marks->generation = 1;
}

static void use_include(const struct headers *headers, struct number_list *used,
                        uint32_t include)
{
    if (include && include <= headers->n_includes)
        number_list_add(used, headers->definitions[include - 1]);
}

static void take_used(struct reach *reach, uint32_t **ret, size_t *ret_n)
{
    struct number_list *used = &reach->definitions;
    for (size_t i = 0; i < reach->chunks.n; i++)
        use_include(reach->headers, used,
                    reach->index->chunks[reach->chunks.items[i]].include);
    for (size_t i = 0; i < reach->macros.n; i++)
        use_include(reach->headers, used,
                    reach->index->macros[reach->macros.items[i]].include);
    number_list_sort(used);
    size_t n = 0;
    for (size_t i = 0; i < used->n; i++)
        if (n == 0 || used->items[n - 1] != used->items[i])
            used->items[n++] = used->items[i];
    *ret = TAKE(used->items);
    *ret_n = n;
}

int headers_prologue(struct headers *headers, const struct graph *graph, const char *text,
                     size_t size, const struct name_ids *hidden, const uint32_t *also,
                     size_t n_also, struct buffer *out, uint32_t **used, size_t *n_used,
                     struct error *err)
{
    CLEANUP(reach_clear)
    struct reach reach = {.headers = headers,
                          .index = &headers->index,
                          .marks = &headers->marks,
                          .graph = graph,
                          .hidden = hidden,
                          .has_definition = must_alloc(graph_next_id(graph) + 1)};
    next_generation(reach.marks, reach.index);
    note_undefined(headers, graph);
    for (size_t i = 0; i < n_also; i++)
        reach_definition(&reach, graph_get(graph, also[i]));
    reach_text(&reach, text, size);
    reach_all(&reach);
    int result = reach.pastes ? follow_pasted(&reach, text, size) : 0;
    number_list_sort(&reach.chunks);
    number_list_sort(&reach.macros);
    number_list_sort(&reach.definitions);
    if (result) {
        headers_add_includes(headers, out);
    } else {
        add_chunks(&reach, out);
        add_macros(&reach, out);
    }
    add_session(&reach, true, out);
    take_used(&reach, used, n_used);
    return result;
}
