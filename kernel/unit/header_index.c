/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Replays libtcc's log: line markers, #define, #undef and #pragma pack in their order. */
#include "kernel/unit/header_index.h"

#include <string.h>

#include "pickler/base/lex.h"

#define PACK_DEPTH_MAX 64

/* From this offset of the flat text on. */
struct region {
    size_t offset;
    uint32_t include, pack;
};

/* A #define that was met; the text is borrowed from the log. */
struct entry {
    const char *text;
    size_t size;
    uint32_t file, include;
    bool is_predefined;
};

struct replay {
    struct header_index *index;
    struct region *regions;
    size_t n_regions, regions_capacity;
    struct entry *entries;
    size_t n_entries, entries_capacity;
    struct header_names files;
    uint32_t file, include;
    bool is_main, is_predefined;
    uint32_t pack, packs[PACK_DEPTH_MAX];
    size_t n_packs;
    char *file_has_any; /* by file: 'y' or 'n' whether it has `args...` anywhere */
};

static size_t identifier_size(const char *text, const char *end)
{
    struct lexer lexer = lexer_init(text, (size_t)(end - text));
    struct token token = lexer_next(&lexer);
    return token.kind == TOKEN_IDENTIFIER && token.text == text ? token.size : 0;
}

static bool starts_with(const char *text, const char *end, const char *prefix)
{
    size_t size = strlen(prefix);
    return (size_t)(end - text) >= size && memcmp(text, prefix, size) == 0;
}

static bool ends_with(const char *text, const char *end, const char *suffix)
{
    size_t size = strlen(suffix);
    return (size_t)(end - text) >= size && memcmp(end - size, suffix, size) == 0;
}

static void add_region(struct replay *replay)
{
    struct region region = {replay->index->flat.size, replay->include, replay->pack};
    GROW(replay->regions, replay->n_regions, replay->regions_capacity);
    replay->regions[replay->n_regions++] = region;
}

/* `# 12 "file" 1` */
static void read_marker(struct replay *replay, const char *line, const char *end)
{
    const char *open = memchr(line, '"', (size_t)(end - line));
    const char *close = open ? memrchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    if (!close)
        return;
    const char *path = open + 1;
    replay->is_main = starts_with(path, close, "<string>");
    replay->is_predefined = starts_with(path, close, "<command line>");
    replay->file = header_names_add(&replay->files, path, (size_t)(close - path));
    bool is_ours =
        ends_with(path, close, "/sys/cdefs.h") || ends_with(path, close, "/achar.h");
    if (!replay->is_main && !replay->is_predefined && !is_ours &&
        !starts_with(path, close, "/usr/"))
        replay->index->has_user_files = true;
}

static void read_define(struct replay *replay, const char *text, const char *end)
{
    size_t size = identifier_size(text, end);
    if (!size)
        return;
    if (replay->is_main && size == strlen(HEADER_MARK) &&
        memcmp(text, HEADER_MARK, size) == 0) {
        replay->include = (uint32_t)strtoul(text + size, NULL, 10);
        add_region(replay);
        return;
    }
    uint32_t name = header_names_add(&replay->index->names, text, size);
    replay->index->names.names[name].macro = 0;
    if (replay->is_main)
        return; /* the session's own */
    GROW(replay->entries, replay->n_entries, replay->entries_capacity);
    replay->entries[replay->n_entries++] =
        (struct entry){.text = text,
                       .size = (size_t)(end - text),
                       .file = replay->file,
                       .include = replay->include,
                       .is_predefined = replay->is_predefined};
    replay->index->names.names[name].macro = (uint32_t)replay->n_entries;
}

static void read_undef(struct replay *replay, const char *text, const char *end)
{
    uint32_t name =
        header_names_find(&replay->index->names, text, identifier_size(text, end));
    if (name != NO_NAME)
        replay->index->names.names[name].macro = 0;
}

static void read_pragma(struct replay *replay, const char *text, const char *end)
{
    struct lexer lexer = lexer_init(text, (size_t)(end - text));
    struct token token = lexer_next(&lexer);
    if (!token_is(&token, "pack"))
        return;
    uint32_t pack = 0;
    bool is_pop = false, is_push = false, has_value = false;
    while ((token = lexer_next(&lexer)).kind != TOKEN_END) {
        is_pop |= token_is(&token, "pop");
        is_push |= token_is(&token, "push");
        if (token.kind == TOKEN_NUMBER) {
            pack = (uint32_t)strtoul(token.text, NULL, 10);
            has_value = true;
        }
    }
    if (is_push && replay->n_packs < PACK_DEPTH_MAX)
        replay->packs[replay->n_packs++] = replay->pack;
    if (is_pop)
        replay->pack = replay->n_packs ? replay->packs[--replay->n_packs] : 0;
    else if (has_value || !is_push)
        replay->pack = pack;
    add_region(replay);
}

static void read_line(struct replay *replay, const char *line, const char *end)
{
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    if (line == end)
        return;
    if (starts_with(line, end, "#define "))
        read_define(replay, line + 8, end);
    else if (starts_with(line, end, "#undef "))
        read_undef(replay, line + 7, end);
    else if (starts_with(line, end, "#pragma "))
        read_pragma(replay, line + 8, end);
    else if (*line == '#')
        read_marker(replay, line, end);
    else
        buffer_add(&replay->index->flat, line, (size_t)(end - line) + 1);
}

static void read_lines(struct replay *replay, const char *text, size_t size)
{
    const char *end = text + size;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            return; /* libtcc ends every line */
        read_line(replay, line, newline);
        line = newline + 1;
    }
}

/* Mentions each name once. */
static void mention_macro(struct header_index *index, struct header_macro *macro)
{
    struct lexer lexer = lexer_init(macro->text, strlen(macro->text));
    lexer.starts_line = false;
    lexer_next(&lexer);
    macro->mentions = index->mentions.n;
    uint32_t mark = (uint32_t)(index->n_chunks + index->n_macros + 1);
    bool is_behind_tag = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        macro->pastes |= token_is(&token, "##");
        bool is_tag = is_behind_tag;
        is_behind_tag = token_is(&token, "struct") || token_is(&token, "union") ||
                        token_is(&token, "enum");
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        uint32_t name = header_names_add(&index->names, token.text, token.size);
        uint32_t *seen =
            is_tag ? &index->names.names[name].seen_tag : &index->names.names[name].seen;
        if (*seen == mark || index->names.names[name].word != HEADER_NAME)
            continue;
        *seen = mark;
        header_index_mention(index, name, is_tag);
    }
    macro->n_mentions = index->mentions.n - macro->mentions;
}

void header_index_mention(struct header_index *index, uint32_t name, bool is_tag)
{
    struct mentions *mentions = &index->mentions;
    GROW(mentions->items, mentions->n, mentions->capacity);
    mentions->items[mentions->n++] = 2 * name + is_tag;
}

/* A function-like macro's last parameter, without dots. */
static bool may_be_named_variadic(const struct entry *entry, size_t name_size)
{
    if (name_size >= entry->size || entry->text[name_size] != '(' || entry->is_predefined)
        return false;
    const char *close = memchr(entry->text, ')', entry->size);
    size_t size = strlen("__VA_ARGS__");
    return close && close[-1] != '(' &&
           !((size_t)(close - entry->text) > size &&
             memcmp(close - size, "__VA_ARGS__", size) == 0);
}

static bool is_named_variadic(struct replay *replay, const struct entry *entry,
                              size_t name_size)
{
    if (!may_be_named_variadic(entry, name_size))
        return false;
    const struct header_name *file = &replay->files.names[entry->file];
    char *has_any = &replay->file_has_any[entry->file];
    if (!*has_any)
        *has_any = header_file_has_named_variadic(file->text, NULL, 0) ? 'y' : 'n';
    return *has_any == 'y' &&
           header_file_has_named_variadic(file->text, entry->text, name_size);
}

static void add_macro(struct replay *replay, uint32_t name)
{
    struct header_index *index = replay->index;
    const struct entry *entry = &replay->entries[index->names.names[name].macro - 1];
    bool variadic = is_named_variadic(replay, entry, index->names.names[name].size);
    GROW(index->macros, index->n_macros, index->macros_capacity);
    struct header_macro *macro = &index->macros[index->n_macros++];
    *macro = (struct header_macro){
        .text = header_macro_text(entry->text, entry->size, variadic),
        .name = name,
        .include = entry->include,
        .is_predefined = entry->is_predefined};
    index->names.names[name].macro = (uint32_t)index->n_macros;
    mention_macro(index, macro);
}

static void add_macros(struct replay *replay)
{
    replay->file_has_any = must_alloc(replay->files.n);
    size_t n = replay->index->names.n; /* mentions add more */
    for (size_t i = 0; i < n; i++)
        if (replay->index->names.names[i].macro)
            add_macro(replay, (uint32_t)i);
}

static void place_chunks(struct replay *replay)
{
    size_t region = 0;
    for (size_t i = 0; i < replay->index->n_chunks; i++) {
        struct header_chunk *chunk = &replay->index->chunks[i];
        while (region + 1 < replay->n_regions &&
               replay->regions[region + 1].offset <= chunk->start)
            region++;
        if (!replay->n_regions || replay->regions[region].offset > chunk->start)
            continue;
        chunk->include = replay->regions[region].include;
        chunk->pack = replay->regions[region].pack;
    }
}

void header_index_build(struct header_index *index, const char *text, size_t size)
{
    *index = (struct header_index){0};
    struct replay replay = {.index = index, .is_main = true};
    header_names_add(&replay.files, "", 0);
    read_lines(&replay, text, size);
    header_chunks_read(index);
    place_chunks(&replay);
    add_macros(&replay);
    header_names_clear(&replay.files);
    free(replay.file_has_any);
    free(replay.regions);
    free(replay.entries);
}

void header_index_clear(struct header_index *index)
{
    header_names_clear(&index->names);
    buffer_clear(&index->flat);
    for (size_t i = 0; i < index->n_macros; i++)
        free(index->macros[i].text);
    free(index->macros);
    free(index->chunks);
    free(index->mentions.items);
    *index = (struct header_index){0};
}
