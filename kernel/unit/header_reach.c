/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/header_reach.h"

#include <string.h>

#include "pickler/base/lex.h"

#define NAME_SIZE_MAX 512 /* longer identifiers are not looked up */

void number_list_add(struct number_list *list, uint32_t item)
{
    GROW(list->items, list->n, list->capacity);
    list->items[list->n++] = item;
}

static bool is_hidden(const struct reach *reach, const char *name, size_t size)
{
    return reach->hidden && name_ids_get(reach->hidden, name, size);
}

/* One of whose names the cell defines anew: the whole of it is out of the way. */
static bool is_definition_hidden(const struct reach *reach,
                                 const struct definition *definition)
{
    if (is_hidden(reach, definition->name, strlen(definition->name)))
        return true;
    for (size_t i = 0; i < definition->n_names; i++)
        if (is_hidden(reach, definition->names[i], strlen(definition->names[i])))
            return true;
    return false;
}

/* A definition may mention a tag that was completed after it. */
static void reach_tags(struct reach *reach, const char *text)
{
    static const char *const kinds[] = {"struct ", "union ", "enum "};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        for (const char *at = text; (at = strstr(at, kinds[i]));) {
            char name[NAME_SIZE_MAX + 8];
            size_t prefix = strlen(kinds[i]);
            at += prefix;
            struct lexer lexer = lexer_init(at, strlen(at));
            struct token token = lexer_next(&lexer);
            if (token.kind != TOKEN_IDENTIFIER || token.size > NAME_SIZE_MAX)
                continue;
            memcpy(name, kinds[i], prefix);
            memcpy(name + prefix, token.text, token.size);
            name[prefix + token.size] = '\0';
            reach_definition(reach, graph_current(reach->graph, name));
        }
}

void reach_definition(struct reach *reach, const struct definition *definition)
{
    if (!definition || reach->has_definition[definition->id] ||
        is_definition_hidden(reach, definition))
        return;
    reach->has_definition[definition->id] = 1;
    number_list_add(&reach->definitions, definition->id);
    const char *text = definition->declaration && definition->kind != DEFINITION_TYPE
                           ? definition->declaration
                           : definition->source;
    if (text && definition->kind != DEFINITION_MACRO)
        reach_tags(reach, text);
}

static bool is_late_bound(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION ||
           definition->kind == DEFINITION_VARIABLE;
}

/* A reference of a definition: functions and variables follow their name. */
static void follow(struct reach *reach, uint32_t id)
{
    const struct definition *definition = graph_get(reach->graph, id);
    if (!definition || is_definition_hidden(reach, definition))
        return;
    if (is_late_bound(definition)) {
        const struct definition *current = graph_current(reach->graph, definition->name);
        if (current && is_late_bound(current))
            definition = current;
    }
    reach_definition(reach, definition);
}

static void reach_ordinary(struct reach *reach, uint32_t name)
{
    number_list_add(&reach->mentions, 2 * name);
}

static void reach_tag(struct reach *reach, uint32_t name)
{
    number_list_add(&reach->mentions, 2 * name + 1);
}

static void reach_macro(struct reach *reach, uint32_t macro)
{
    if (reach->marks->macros[macro] == reach->marks->generation)
        return;
    reach->marks->macros[macro] = reach->marks->generation;
    number_list_add(&reach->macros, macro);
    reach->pastes |= reach->index->macros[macro].pastes;
}

static bool is_undefined(const struct reach *reach, const struct header_macro *macro,
                         const struct header_name *name)
{
    const struct headers *headers = reach->headers;
    uint32_t id = name_ids_get(&headers->undefined, name->text, name->size);
    return id && (!macro->include || id > headers->definitions[macro->include - 1]);
}

/* What the session knows about a word; the caller's headers answer for the rest. */
struct found {
    bool is_ordinary, is_macro, is_tag;
};

static void look_up_tag(struct reach *reach, const char *text, size_t size,
                        struct found *found)
{
    static const char *const kinds[] = {"struct ", "union ", "enum "};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char name[NAME_SIZE_MAX + 8];
        size_t prefix = strlen(kinds[i]);
        memcpy(name, kinds[i], prefix);
        memcpy(name + prefix, text, size);
        name[prefix + size] = '\0';
        bool hidden = is_hidden(reach, name, prefix + size);
        const struct definition *tag = graph_current(reach->graph, name);
        found->is_tag |= hidden || tag;
        if (!hidden)
            reach_definition(reach, tag);
    }
}

static void look_up(struct reach *reach, const char *text, size_t size, bool is_tag,
                    struct found *found)
{
    if (!reach->graph || size > NAME_SIZE_MAX)
        return;
    char name[NAME_SIZE_MAX + 1];
    memcpy(name, text, size);
    name[size] = '\0';
    bool hidden = is_hidden(reach, name, size);
    const struct definition *definition = graph_current(reach->graph, name);
    found->is_macro = definition && definition->kind == DEFINITION_MACRO && !hidden;
    found->is_ordinary = !is_tag && (hidden || definition);
    if (!hidden && (!is_tag || found->is_macro))
        reach_definition(reach, definition);
    look_up_tag(reach, text, size, found);
}

/* True the first time. */
static bool see_word(struct reach *reach, uint32_t number, const char *text, size_t size,
                     bool is_tag)
{
    if (number != NO_NAME) {
        uint32_t *mark =
            is_tag ? &reach->marks->tag_words[number] : &reach->marks->words[number];
        bool is_new = *mark != reach->marks->generation;
        *mark = reach->marks->generation;
        return is_new;
    }
    uint32_t bit = is_tag ? 2 : 1, bits = name_ids_get(&reach->seen, text, size);
    if ((bits & bit) || size > NAME_SIZE_MAX)
        return false;
    char name[NAME_SIZE_MAX + 1];
    memcpy(name, text, size);
    name[size] = '\0';
    name_ids_set(&reach->seen, name, bits | bit);
    return true;
}

static void reach_header_word(struct reach *reach, uint32_t number,
                              const struct found *found, bool is_tag)
{
    const struct header_name *name = &reach->index->names.names[number];
    /* a session macro's body may mean the header's function of the same name */
    if (!is_tag && (!found->is_ordinary || found->is_macro))
        reach_ordinary(reach, number);
    if (!found->is_tag)
        reach_tag(reach, number);
    if (name->macro && !found->is_ordinary && !found->is_macro &&
        !is_undefined(reach, &reach->index->macros[name->macro - 1], name))
        reach_macro(reach, name->macro - 1);
}

static void mention_word(struct reach *reach, const char *text, size_t size, bool is_tag)
{
    uint32_t number = header_names_find(&reach->index->names, text, size);
    if (!see_word(reach, number, text, size, is_tag))
        return;
    struct found found = {0};
    look_up(reach, text, size, is_tag, &found);
    if (number != NO_NAME)
        reach_header_word(reach, number, &found, is_tag);
}

/* Members are names of nothing but macros (st_mtime). */
static void mention_member(struct reach *reach, const char *text, size_t size)
{
    uint32_t number = header_names_find(&reach->index->names, text, size);
    struct found found = {0};
    if (number != NO_NAME && reach->index->names.names[number].macro)
        mention_word(reach, text, size, false);
    else if (reach->graph)
        look_up(reach, text, size, true, &found);
}

static bool is_tag_word(const struct token *token)
{
    return token_is(token, "struct") || token_is(token, "union") ||
           token_is(token, "enum");
}

/* Directives that mention nothing: #include, #line, #error. */
static bool is_mute_directive(const struct token *name)
{
    return token_is(name, "include") || token_is(name, "include_next") ||
           token_is(name, "line") || token_is(name, "error") || token_is(name, "warning");
}

/* Behind the `#`: over the directive's name, and over the whole line if it is mute. */
static void skip_directive_name(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    struct token name = lexer_next(&ahead);
    if (name.starts_line)
        return; /* the null directive */
    if (is_mute_directive(&name))
        lexer_skip_line(lexer);
    else
        *lexer = ahead;
}

void reach_text(struct reach *reach, const char *text, size_t size)
{
    struct lexer lexer = lexer_init(text, size);
    bool is_tag = false, is_member = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_DIRECTIVE)
            skip_directive_name(&lexer);
        if (token.kind == TOKEN_IDENTIFIER && !token_is_keyword(&token)) {
            if (is_member)
                mention_member(reach, token.text, token.size);
            else
                mention_word(reach, token.text, token.size, is_tag);
        }
        reach->pastes |= token_is(&token, "##");
        is_tag = is_tag_word(&token);
        is_member = token_is(&token, ".") || token_is(&token, "->");
    }
}

static void add_names(struct name_ids *names, const struct definition *definition)
{
    for (size_t i = 0; i <= definition->n_names; i++) {
        const char *name = i ? definition->names[i - 1] : definition->name;
        const char *blank = strrchr(name, ' ');
        name_ids_set(names, blank ? blank + 1 : name, definition->id);
    }
}

/* The text of a definition: names that are references mean what they meant when it was
 * written, its own names mean nothing more, the rest is of headers. */
static void mention_definition(struct reach *reach, const struct definition *definition,
                               const char *text, bool follows_all)
{
    struct name_ids refs = {0};
    for (size_t i = 0; i < definition->n_refs; i++) {
        const struct definition *ref = graph_get(reach->graph, definition->refs[i]);
        if (ref && ref->name)
            add_names(&refs, ref);
        if (follows_all)
            follow(reach, definition->refs[i]);
    }
    add_names(&refs, definition);
    const struct found none = {0}, own = {.is_ordinary = true, .is_macro = true};
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        if (token.kind == TOKEN_DIRECTIVE)
            skip_directive_name(&lexer);
        if (token.kind != TOKEN_IDENTIFIER || token_is_keyword(&token))
            continue;
        uint32_t id = name_ids_get(&refs, token.text, token.size);
        uint32_t number = header_names_find(&reach->index->names, token.text, token.size);
        if (id && id != definition->id)
            follow(reach, id);
        else if (number != NO_NAME && (!id || definition->kind == DEFINITION_MACRO))
            reach_header_word(reach, number, id ? &own : &none, false);
    }
    name_ids_clear(&refs);
}

static void follow_definition(struct reach *reach, const struct definition *definition)
{
    switch (definition->kind) {
    case DEFINITION_MACRO:
        if (!definition->source)
            return;
        reach->pastes |= strstr(definition->source, "##") != NULL;
        mention_definition(reach, definition, definition->source, true);
        if (graph_is_current(reach->graph, definition))
            reach_text(reach, definition->source, strlen(definition->source));
        return;
    case DEFINITION_TYPE:
        if (definition->source)
            mention_definition(reach, definition, definition->source, true);
        return;
    case DEFINITION_VARIABLE:
    case DEFINITION_FUNCTION:
        if (definition->declaration)
            mention_definition(reach, definition, definition->declaration, false);
        else if (definition->source)
            mention_definition(reach, definition, definition->source, true);
        return;
    case DEFINITION_INCLUDE:
    case DEFINITION_PRAGMA:
    case DEFINITION_LINK:
    case DEFINITION_KIND_COUNT:
        return;
    }
}

static void follow_mention(struct reach *reach, uint32_t mention)
{
    bool is_tag = mention & 1;
    uint32_t number = mention / 2, generation = reach->marks->generation;
    uint32_t *mark =
        is_tag ? &reach->marks->tags[number] : &reach->marks->ordinary[number];
    if (*mark == generation)
        return;
    *mark = generation;
    const struct header_name *name = &reach->index->names.names[number];
    const struct chunk_list *list = is_tag ? &name->tags : &name->ordinary;
    for (size_t i = 0; i < list->n; i++) {
        uint32_t number_of_chunk = list->chunks[i];
        if (reach->marks->chunks[number_of_chunk] == generation)
            continue;
        reach->marks->chunks[number_of_chunk] = generation;
        number_list_add(&reach->chunks, number_of_chunk);
        const struct header_chunk *chunk = &reach->index->chunks[number_of_chunk];
        for (size_t k = 0; k < chunk->n_mentions; k++)
            number_list_add(&reach->mentions,
                            reach->index->mentions.items[chunk->mentions + k]);
    }
}

static void follow_macro(struct reach *reach, const struct header_macro *macro)
{
    for (size_t i = 0; i < macro->n_mentions; i++) {
        uint32_t mention = reach->index->mentions.items[macro->mentions + i];
        const struct header_name *name = &reach->index->names.names[mention / 2];
        mention_word(reach, name->text, name->size, mention & 1);
    }
}

/* Until nothing new is reached. */
void reach_all(struct reach *reach)
{
    for (;;) {
        if (reach->definitions_done < reach->definitions.n)
            follow_definition(
                reach, graph_get(reach->graph,
                                 reach->definitions.items[reach->definitions_done++]));
        else if (reach->macros_done < reach->macros.n)
            follow_macro(
                reach, &reach->index->macros[reach->macros.items[reach->macros_done++]]);
        else if (reach->mentions.n)
            follow_mention(reach, reach->mentions.items[--reach->mentions.n]);
        else
            return;
    }
}

void reach_clear(struct reach *reach)
{
    name_ids_clear(&reach->seen);
    free(reach->mentions.items);
    free(reach->chunks.items);
    free(reach->macros.items);
    free(reach->definitions.items);
    free(reach->has_definition);
}
