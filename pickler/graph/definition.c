/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/graph/definition.h"

#include <errno.h>
#include <string.h>

#include "pickler/base/lex.h"

#define NAMES_MAX 100000 /* further names, references or sites of one definition */

enum {
    NEEDS_CC = 1,
    IS_LOCAL_STATIC = 2,
    IS_STALE = 4,
    HAS_OPTIONS = 8,
    IS_OPAQUE = 16,
    IS_HEAVY = 32,
    HAS_FILE = 64,
    ALL_FLAGS = 127
};

#define DISPLAY_SITE (UINT32_C(1) << 31)

uint32_t display_site(uint32_t line, const char *text)
{
    uint32_t hash = 2166136261u ^ line; /* FNV-1a */
    for (; *text; text++)
        if (!strchr(" \t\n", *text))
            hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash | DISPLAY_SITE;
}

bool display_site_is(uint32_t line)
{
    return line & DISPLAY_SITE;
}

void definition_free(struct definition *definition)
{
    if (!definition)
        return;
    for (size_t i = 0; i < definition->n_names; i++)
        free(definition->names[i]);
    free(definition->names);
    free(definition->name);
    free(definition->source);
    free(definition->declaration);
    free(definition->options);
    free(definition->file);
    free(definition->refs);
    free(definition->sites);
    free(definition);
}

/* The arrays are filled by others too, so no capacity is kept. */
static void *grow(void *array, size_t n, size_t size)
{
    return must_realloc(array, n + 1, size);
}

static bool is_declared_with(const struct definition *definition, const char *start)
{
    return definition->kind == DEFINITION_VARIABLE && definition->declaration &&
           !strncmp(definition->declaration, start, strlen(start));
}

bool definition_is_thread_local(const struct definition *definition)
{
    return is_declared_with(definition, "extern _Thread_local ");
}

bool definition_is_constant(const struct definition *definition)
{
    return is_declared_with(definition, "static constexpr ");
}

const char *definition_macro_text(const struct definition *definition)
{
    static const char word[] = "define";
    const char *at = definition->source ? definition->source : "";
    at += strspn(at, "# \t");
    if (definition->kind != DEFINITION_MACRO || strncmp(at, word, sizeof(word) - 1) != 0)
        return NULL;
    return strstr(at + sizeof(word) - 1, definition->name);
}

void definition_start(const struct definition *definition, const char *text, size_t size,
                      uint32_t *ret_line, uint32_t *ret_indent)
{
    const char *tag = strrchr(definition->name, ' ');
    tag = tag ? tag + 1 : definition->name;
    uint32_t line = definition->file ? definition->file_line : definition->line;
    *ret_line = line;
    *ret_indent = 0;
    struct lexer lexer = lexer_init(text, size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind != TOKEN_IDENTIFIER || !token_is(&token, tag))
            continue;
        uint32_t lines = token.line - 1;
        if (lines < line)
            *ret_line = line - lines;
        if (!definition->file && lines == 0 && definition->column > token.column)
            *ret_indent = definition->column - token.column;
        return;
    }
}

void definition_add_name(struct definition *definition, const char *name)
{
    for (size_t i = 0; i < definition->n_names; i++)
        if (strcmp(definition->names[i], name) == 0)
            return;
    definition->names =
        grow(definition->names, definition->n_names, sizeof(*definition->names));
    definition->names[definition->n_names++] = must_strdup(name);
}

void definition_add_ref(struct definition *definition, uint32_t id)
{
    size_t low = 0, high = definition->n_refs;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (definition->refs[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < definition->n_refs && definition->refs[low] == id;
    if (is_there || id == 0 || id == definition->id)
        return;
    definition->refs =
        grow(definition->refs, definition->n_refs, sizeof(*definition->refs));
    memmove(definition->refs + low + 1, definition->refs + low,
            (definition->n_refs - low) * sizeof(*definition->refs));
    definition->refs[low] = id;
    definition->n_refs++;
}

void definition_pack(const struct definition *definition, struct buffer *out)
{
    pack_u64(out, definition->id);
    pack_u64(out, definition->kind);
    pack_string(out, definition->name ? definition->name : "");
    pack_u64(out, definition->n_names);
    for (size_t i = 0; i < definition->n_names; i++)
        pack_string(out, definition->names[i]);
    pack_string(out, definition->source);
    pack_string(out, definition->declaration);
    pack_u64(out, definition->cell);
    pack_u64(out, definition->line);
    pack_u64(out, definition->column);
    pack_u64(out, definition->type);
    pack_u64(out, (definition->needs_cc ? NEEDS_CC : 0) |
                      (definition->is_local_static ? IS_LOCAL_STATIC : 0) |
                      (definition->is_stale ? IS_STALE : 0) |
                      (definition->options ? HAS_OPTIONS : 0) |
                      (definition->is_opaque ? IS_OPAQUE : 0) |
                      (definition->is_heavy ? IS_HEAVY : 0) |
                      (definition->file ? HAS_FILE : 0));
    if (definition->options)
        pack_string(out, definition->options);
    if (definition->file) {
        pack_string(out, definition->file);
        pack_u64(out, definition->file_line);
    }
    pack_u64(out, definition->n_refs);
    uint32_t last = 0;
    for (size_t i = 0; i < definition->n_refs; i++) {
        pack_u64(out, definition->refs[i] - last);
        last = definition->refs[i];
    }
    pack_u64(out, definition->n_sites);
    for (size_t i = 0; i < definition->n_sites; i++) {
        pack_u64(out, definition->sites[i].line);
        pack_u64(out, definition->sites[i].type);
    }
}

static uint32_t unpack_u32(struct unpack *in)
{
    return (uint32_t)unpack_max(in, UINT32_MAX);
}

static size_t unpack_length(struct unpack *in)
{
    size_t n = unpack_count(in);
    if (n > NAMES_MAX)
        in->failed = true;
    return in->failed ? 0 : n;
}

static void unpack_names(struct unpack *in, struct definition *definition)
{
    size_t n = unpack_length(in);
    for (size_t i = 0; i < n && !in->failed; i++) {
        CLEANUP(freep) char *name = unpack_string(in);
        if (!name) {
            in->failed = true;
            return;
        }
        definition->names =
            grow(definition->names, definition->n_names, sizeof(*definition->names));
        definition->names[definition->n_names++] = TAKE(name);
    }
}

static void unpack_refs(struct unpack *in, struct definition *definition)
{
    size_t n = unpack_length(in);
    definition->refs = must_alloc(n * sizeof(*definition->refs));
    uint64_t last = 0;
    for (size_t i = 0; i < n && !in->failed; i++) {
        uint64_t step = unpack_max(in, UINT32_MAX - last);
        if (step == 0)
            in->failed = true;
        last += step;
        definition->refs[definition->n_refs++] = (uint32_t)last;
    }
}

static void unpack_sites(struct unpack *in, struct definition *definition)
{
    size_t n = unpack_length(in);
    definition->sites = must_alloc(n * sizeof(*definition->sites));
    for (size_t i = 0; i < n && !in->failed; i++) {
        definition->sites[i].line = unpack_u32(in);
        definition->sites[i].type = unpack_u32(in);
        definition->n_sites++;
    }
}

/* It is going to stand in a #line. */
static void unpack_file(struct unpack *in, struct definition *definition)
{
    definition->file = unpack_string(in);
    definition->file_line = unpack_u32(in);
    if (!definition->file || strpbrk(definition->file, "\"\\\n\r"))
        in->failed = true;
}

int definition_unpack(struct unpack *in, struct definition **ret, struct error *err)
{
    CLEANUP(definition_freep)
    struct definition *definition = must_alloc(sizeof(*definition));
    definition->id = unpack_u32(in);
    definition->kind = (enum definition_kind)unpack_max(in, DEFINITION_KIND_COUNT - 1);
    definition->name = unpack_string(in);
    unpack_names(in, definition);
    definition->source = unpack_string(in);
    definition->declaration = unpack_string(in);
    definition->cell = unpack_u32(in);
    definition->line = unpack_u32(in);
    definition->column = unpack_u32(in);
    definition->type = unpack_u32(in);
    uint64_t flags = unpack_max(in, ALL_FLAGS);
    definition->needs_cc = flags & NEEDS_CC;
    definition->is_local_static = flags & IS_LOCAL_STATIC;
    definition->is_stale = flags & IS_STALE;
    definition->is_opaque = flags & IS_OPAQUE;
    definition->is_heavy = flags & IS_HEAVY;
    if (flags & HAS_OPTIONS)
        definition->options = unpack_string(in);
    if (flags & HAS_FILE)
        unpack_file(in, definition);
    unpack_refs(in, definition);
    unpack_sites(in, definition);
    if (in->failed || !definition->id || !definition->name) {
        in->failed = true;
        return error_set(err, -EBADMSG, "a definition is damaged");
    }
    *ret = TAKE(definition);
    return 0;
}

const char *definition_kind_name(enum definition_kind kind)
{
    static const char *const names[] = {
        [DEFINITION_INCLUDE] = "include",   [DEFINITION_MACRO] = "macro",
        [DEFINITION_PRAGMA] = "pragma",     [DEFINITION_TYPE] = "type",
        [DEFINITION_VARIABLE] = "variable", [DEFINITION_FUNCTION] = "function",
        [DEFINITION_LINK] = "library",
    };
    return (unsigned)kind < DEFINITION_KIND_COUNT ? names[kind] : "?";
}

struct definition *definition_copy(const struct definition *definition)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    struct definition *copy = NULL;
    definition_pack(definition, &bytes);
    struct unpack in = unpack_init(bytes.data, bytes.size);
    if (definition_unpack(&in, &copy, NULL) < 0)
        abort(); /* what was packed just now */
    return copy;
}
