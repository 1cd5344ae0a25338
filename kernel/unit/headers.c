/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/headers.h"

#include <errno.h>
#include <string.h>

#include "kernel/unit/header_set.h"
#include "kernel/unit/header_text.h"
#include "pickler/graph/own_header.h"

struct headers *headers_new(void)
{
    struct headers *headers = must_alloc(sizeof(*headers));
    headers->compiler_folder = header_compiler_folder();
    return headers;
}

static void clear_marks(struct header_marks *marks)
{
    free(marks->words);
    free(marks->tag_words);
    free(marks->ordinary);
    free(marks->tags);
    free(marks->chunks);
    free(marks->macros);
    *marks = (struct header_marks){0};
}

static void clear_flags(struct headers *headers)
{
    for (size_t i = 0; i < headers->n_flags; i++)
        free(headers->flags[i]);
    free(headers->flags);
    headers->flags = NULL;
    headers->n_flags = 0;
}

void headers_free(struct headers *headers)
{
    if (!headers)
        return;
    clear_flags(headers);
    free(headers->compiler_folder);
    free(headers->key);
    free(headers->definitions);
    buffer_clear(&headers->source);
    buffer_clear(&headers->declaration);
    header_index_clear(&headers->index);
    clear_marks(&headers->marks);
    name_ids_clear(&headers->undefined);
    free(headers);
}

void headers_set_flags(struct headers *headers, const char *const *flags, size_t n)
{
    char **copy = must_alloc((n + 1) * sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = must_strdup(flags[i]);
    clear_flags(headers);
    headers->flags = copy;
    headers->n_flags = n;
}

static void add_line(struct buffer *out, const char *line)
{
    buffer_add_string(out, line);
    if (*line && line[strlen(line) - 1] != '\n')
        buffer_add_char(out, '\n');
}

static void add_header(struct buffer *out, const char *line)
{
    own_header_add(out, line, strlen(line));
    buffer_add_char(out, '\n');
}

static void add_source(struct buffer *out, const struct include_line *includes, size_t n,
                       bool has_marks)
{
    for (size_t i = 0; i < n; i++) {
        if (includes[i].before)
            add_line(out, includes[i].before);
        if (has_marks)
            buffer_format(out, "#undef " HEADER_MARK "\n#define " HEADER_MARK " %zu\n",
                          i + 1);
        if (has_marks)
            add_line(out, includes[i].text);
        else
            add_header(out, includes[i].text);
    }
}

static char *key_of(const struct headers *headers, const struct include_line *includes,
                    size_t n)
{
    struct buffer key = {0};
    for (size_t i = 0; i < headers->n_flags; i++)
        buffer_format(&key, "%s\n", headers->flags[i]);
    buffer_add_char(&key, '\n');
    add_source(&key, includes, n, false);
    return buffer_take(&key);
}

static void make_marks(struct headers *headers)
{
    struct header_marks *marks = &headers->marks;
    size_t n_names = headers->index.names.n + 1;
    clear_marks(marks);
    marks->words = must_alloc(n_names * sizeof(uint32_t));
    marks->tag_words = must_alloc(n_names * sizeof(uint32_t));
    marks->ordinary = must_alloc(n_names * sizeof(uint32_t));
    marks->tags = must_alloc(n_names * sizeof(uint32_t));
    marks->chunks = must_alloc((headers->index.n_chunks + 1) * sizeof(uint32_t));
    marks->macros = must_alloc((headers->index.n_macros + 1) * sizeof(uint32_t));
}

static void set_definitions(struct headers *headers, const struct include_line *includes,
                            size_t n)
{
    headers->definitions = must_realloc(headers->definitions, n + 1, sizeof(uint32_t));
    for (size_t i = 0; i < n; i++)
        headers->definitions[i] = includes[i].definition;
    headers->n_includes = n;
}

static int build(struct headers *headers, const struct include_line *includes, size_t n,
                 struct error *err)
{
    CLEANUP(buffer_clear) struct buffer source = {0};
    CLEANUP(buffer_clear) struct buffer text = {0};
    add_source(&source, includes, n, true);
    int result = header_text(buffer_string(&source), (const char *const *)headers->flags,
                             headers->n_flags, headers->compiler_folder, &text, err);
    if (result < 0)
        return result;
    struct header_index index;
    header_index_build(&index, buffer_string(&text), text.size);
    if (index.has_user_files) {
        result = header_check(buffer_string(&text), text.size, err);
        if (result < 0) {
            header_index_clear(&index);
            return result;
        }
    }
    header_index_clear(&headers->index);
    headers->index = index;
    return 0;
}

int headers_update(struct headers *headers, const struct include_line *includes, size_t n,
                   struct error *err)
{
    CLEANUP(freep) char *key = key_of(headers, includes, n);
    for (size_t i = 0; i < n; i++) /* it is another text for every compiler */
        if (strstr(includes[i].text, "<stdatomic.h>"))
            return error_set(err, -EINVAL, "'<stdatomic.h>' is not indexed");
    if (!headers->key || strcmp(headers->key, key) != 0) {
        int result = build(headers, includes, n, err);
        if (result < 0)
            return result;
        make_marks(headers);
        buffer_clear(&headers->source);
        add_source(&headers->source, includes, n, false);
        free(headers->key);
        headers->key = TAKE(key);
    }
    set_definitions(headers, includes, n);
    return 0;
}

void headers_add_includes(const struct headers *headers, struct buffer *out)
{
    buffer_add(out, buffer_string(&headers->source), headers->source.size);
}

static const struct header_name *find(const struct headers *headers, const char *name,
                                      size_t size)
{
    uint32_t number = header_names_find(&headers->index.names, name, size);
    return number == NO_NAME ? NULL : &headers->index.names.names[number];
}

bool headers_is_type(const struct headers *headers, const char *name, size_t size)
{
    const struct header_name *found = find(headers, name, size);
    return found && found->is_type;
}

static bool is_declared(const struct header_name *name)
{
    return name->macro || name->ordinary.n || name->tags.n;
}

bool headers_is_visible(const struct headers *headers, const char *name, size_t size)
{
    const struct header_name *found = find(headers, name, size);
    return found && is_declared(found);
}

const char *headers_macro(const struct headers *headers, const char *name, size_t size)
{
    const struct header_name *found = find(headers, name, size);
    return found && found->macro ? headers->index.macros[found->macro - 1].text : NULL;
}

void headers_each(const struct headers *headers, const char *prefix,
                  void (*each)(void *context, const char *name, bool is_macro),
                  void *context)
{
    size_t size = strlen(prefix);
    const struct header_names *names = &headers->index.names;
    for (size_t i = 0; i < names->n; i++)
        if (is_declared(&names->names[i]) &&
            strncmp(names->names[i].text, prefix, size) == 0)
            each(context, names->names[i].text, names->names[i].macro != 0);
}

/* The one with a body, or the longest. */
static const struct header_chunk *best_chunk(const struct headers *headers,
                                             const struct chunk_list *list)
{
    const struct header_chunk *best = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct header_chunk *chunk = &headers->index.chunks[list->chunks[i]];
        if (!best || chunk->size > best->size)
            best = chunk;
    }
    return best;
}

static const struct header_chunk *chunk_of(const struct headers *headers,
                                           const char *name)
{
    const char *blank = strrchr(name, ' '), *word = blank ? blank + 1 : name;
    const struct header_name *found = find(headers, word, strlen(word));
    if (!found)
        return NULL;
    const struct header_chunk *chunk =
        blank ? NULL : best_chunk(headers, &found->ordinary);
    return chunk ? chunk : best_chunk(headers, &found->tags);
}

const char *headers_declaration(const struct headers *headers, const char *name)
{
    const struct header_chunk *chunk = chunk_of(headers, name);
    if (!chunk)
        return NULL;
    struct buffer *answer = &((struct headers *)headers)->declaration;
    buffer_clear(answer);
    buffer_add(answer, headers->index.flat.data + chunk->start, chunk->size);
    return answer->data;
}

uint32_t headers_include_of(const struct headers *headers, const char *name)
{
    const struct header_name *found = find(headers, name, strlen(name));
    const struct header_chunk *chunk = chunk_of(headers, name);
    uint32_t line = found && found->macro
                        ? headers->index.macros[found->macro - 1].include
                    : chunk ? chunk->include
                            : 0;
    return line && line <= headers->n_includes ? headers->definitions[line - 1] : 0;
}
