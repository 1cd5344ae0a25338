/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Parses macro-free declarations by their tokens. The grammar makes it possible without
 * knowing any type: a declaration has one base type, which is a keyword, a tag, typeof
 * or, when none of these came before, the first identifier; the next one is what it
 * declares. */
#include <string.h>

#include "kernel/unit/header_index.h"
#include "pickler/base/lex.h"

#define GROUP_DEPTH_MAX                                                                  \
    512 /* of nested brackets; deeper ones hold no names that count                      \
         */

struct parser {
    struct header_index *index;
    struct lexer lexer;
    struct token token; /* the current one ... */
    uint32_t name;      /* ... its number, if an identifier */
    enum header_word word;
    uint32_t chunk;
    size_t end; /* of the last token, in the flat text */
};

static bool is_punctuator(const struct token *token, char c)
{
    return token->kind == TOKEN_PUNCTUATOR && token->size == 1 && *token->text == c;
}

static bool is_one_of(const struct token *token, const char *punctuators)
{
    return token->kind == TOKEN_PUNCTUATOR && token->size == 1 &&
           strchr(punctuators, *token->text);
}

static void advance(struct parser *parser)
{
    parser->end = (size_t)(parser->lexer.at - parser->index->flat.data);
    parser->token = lexer_next(&parser->lexer);
    parser->word = HEADER_KEYWORD;
    if (parser->token.kind != TOKEN_IDENTIFIER)
        return;
    struct header_names *names = &parser->index->names;
    parser->name = header_names_add(names, parser->token.text, parser->token.size);
    parser->word = names->names[parser->name].word;
}

static void mention(struct parser *parser, uint32_t number, bool is_tag)
{
    uint32_t mark = parser->chunk + 1;
    struct header_name *name = &parser->index->names.names[number];
    uint32_t *seen = is_tag ? &name->seen_tag : &name->seen;
    if (*seen == mark || name->word != HEADER_NAME)
        return;
    *seen = mark;
    header_index_mention(parser->index, number, is_tag);
}

static void declare(struct parser *parser, uint32_t number, bool is_type)
{
    struct header_name *name = &parser->index->names.names[number];
    name->is_type |= is_type;
    chunk_list_add(&name->ordinary, parser->chunk);
}

/* Attributes mention other declarations only as arguments of these. */
static bool is_telling_attribute(const struct token *token)
{
    static const char *const words[] = {
        "aligned",         "__aligned__", "cleanup", "__cleanup__",
        "__vector_size__", "vector_size", "sizeof",  NULL};
    for (size_t i = 0; words[i]; i++)
        if (token_is(token, words[i]))
            return true;
    return false;
}

static void skip_attribute(struct parser *parser)
{
    advance(parser);
    if (!is_punctuator(&parser->token, '('))
        return;
    size_t depth = 0;
    bool is_telling = false;
    for (; parser->token.kind != TOKEN_END; advance(parser)) {
        const struct token *token = &parser->token;
        if (is_punctuator(token, '('))
            depth++;
        else if (is_punctuator(token, ')') && --depth == 0)
            break;
        is_telling |= is_telling_attribute(token);
        if (is_telling && token->kind == TOKEN_IDENTIFIER)
            mention(parser, parser->name, false);
    }
    advance(parser);
}

enum group {
    GROUP_CODE,       /* an expression or a body: every name counts */
    GROUP_ENUM,       /* enumerators */
    GROUP_RECORD,     /* members: a base type, then names of no meaning outside */
    GROUP_PARAMETERS, /* the same with commas */
    GROUP_DECLARATOR, /* parentheses around a part of a declarator */
};

/* At `struct`, `union` or `enum`. Stops behind the tag, at the body if there is one. The
 * tag is declared by a body, or where `may_declare` and nothing but `;` follows. */
static enum group read_tag(struct parser *parser, bool may_declare)
{
    const bool is_enum = token_is(&parser->token, "enum");
    advance(parser);
    while (parser->word == HEADER_ATTRIBUTE)
        skip_attribute(parser);
    if (parser->token.kind == TOKEN_IDENTIFIER) {
        uint32_t tag = parser->name;
        advance(parser);
        while (parser->word == HEADER_ATTRIBUTE)
            skip_attribute(parser);
        mention(parser, tag, true);
        if (is_punctuator(&parser->token, '{') ||
            (may_declare && is_punctuator(&parser->token, ';')))
            chunk_list_add(&parser->index->names.names[tag].tags, parser->chunk);
    }
    return is_enum ? GROUP_ENUM : GROUP_RECORD;
}

struct level {
    enum group group;
    bool has_base; /* the type of the member or parameter was there */
    bool is_value; /* behind `=` of an enumerator or `:` of a bit-field */
    bool expects_enumerator;
};

struct levels {
    struct level at[GROUP_DEPTH_MAX + 1]; /* the last one is all that is deeper: code */
    size_t depth;
    enum group next; /* of the next bracket */
    bool is_member;  /* behind `.` or `->` */
    bool declares;   /* tags and enumerators inside belong to the chunk */
};

static struct level *top_of(struct levels *levels)
{
    return &levels->at[levels->depth <= GROUP_DEPTH_MAX ? levels->depth - 1
                                                        : GROUP_DEPTH_MAX];
}

static enum group group_of_bracket(struct parser *parser, struct levels *levels,
                                   char bracket)
{
    if (bracket == '[')
        return GROUP_CODE;
    enum group outer = levels->depth ? top_of(levels)->group : levels->next;
    if (bracket == '{' || !levels->depth)
        return levels->next;
    if (outer == GROUP_CODE || outer == GROUP_ENUM)
        return GROUP_CODE;
    struct lexer ahead = parser->lexer;
    struct token token = lexer_next(&ahead);
    return is_one_of(&token, "*(^") ? GROUP_DECLARATOR : GROUP_PARAMETERS;
}

static void open_group(struct parser *parser, struct levels *levels)
{
    enum group group = group_of_bracket(parser, levels, *parser->token.text);
    levels->depth++;
    if (levels->depth <= GROUP_DEPTH_MAX)
        levels->at[levels->depth - 1] =
            (struct level){.group = group,
                           .has_base = group == GROUP_DECLARATOR,
                           .expects_enumerator = group == GROUP_ENUM};
}

static void see_name(struct parser *parser, struct levels *levels)
{
    struct level *level = top_of(levels);
    bool is_name =
        level->has_base && level->group != GROUP_CODE && level->group != GROUP_ENUM;
    if (level->expects_enumerator && levels->declares)
        declare(parser, parser->name, false);
    else if (!levels->is_member && (!is_name || level->is_value))
        mention(parser, parser->name, false);
    level->expects_enumerator = false;
    level->has_base = true;
}

static void see_punctuator(struct parser *parser, struct levels *levels)
{
    struct level *level = top_of(levels);
    const struct token *token = &parser->token;
    if (is_punctuator(token, ',')) {
        level->is_value = false;
        level->expects_enumerator = level->group == GROUP_ENUM;
        if (level->group == GROUP_PARAMETERS)
            level->has_base = false;
    } else if (is_punctuator(token, ';')) {
        level->is_value = level->has_base = false;
    } else if (is_punctuator(token, ':') || is_punctuator(token, '=')) {
        level->is_value = true;
    }
}

/* At an opening bracket: to behind its partner. */
static void skip_group(struct parser *parser, enum group group, bool declares)
{
    struct levels levels;
    levels.depth = 0; /* all else would be cleared for every parameter list */
    levels.at[GROUP_DEPTH_MAX] = (struct level){.group = GROUP_CODE};
    levels.next = group;
    levels.is_member = false;
    levels.declares = declares;
    while (parser->token.kind != TOKEN_END) {
        const struct token *token = &parser->token;
        bool is_member = is_punctuator(token, '.') || token_is(token, "->");
        if (parser->word == HEADER_ATTRIBUTE) {
            skip_attribute(parser);
            continue;
        }
        if (parser->word == HEADER_TAG) {
            levels.next = read_tag(parser, false);
            top_of(&levels)->has_base = true;
            continue;
        }
        if (is_one_of(token, "([{")) {
            open_group(parser, &levels);
        } else if (is_one_of(token, ")]}")) {
            if (--levels.depth == 0) {
                advance(parser);
                return;
            }
        } else if (parser->word == HEADER_TYPEOF ||
                   (parser->word == HEADER_KEYWORD && token->kind == TOKEN_IDENTIFIER)) {
            top_of(&levels)->has_base = true;
        } else if (parser->word == HEADER_NAME) {
            see_name(parser, &levels);
        } else {
            see_punctuator(parser, &levels);
        }
        levels.next = GROUP_CODE;
        levels.is_member = is_member;
        advance(parser);
    }
}

/* What is known about the declaration so far. */
struct declaration {
    bool is_typedef, has_base, has_name, has_list;
};

static void read_name(struct parser *parser, struct declaration *declaration)
{
    if (declaration->has_base && !declaration->has_name) {
        declare(parser, parser->name, declaration->is_typedef);
        declaration->has_name = true;
    } else {
        mention(parser, parser->name, false);
    }
    declaration->has_base = true;
    advance(parser);
}

static void read_record(struct parser *parser, const struct declaration *declaration)
{
    enum group group = read_tag(parser, !declaration->is_typedef);
    if (is_punctuator(&parser->token, '{'))
        skip_group(parser, group, true);
}

static void read_word(struct parser *parser, struct declaration *declaration)
{
    switch (parser->word) {
    case HEADER_TAG:
        declaration->has_base = true;
        read_record(parser, declaration);
        return;
    case HEADER_ATTRIBUTE:
        skip_attribute(parser);
        return;
    case HEADER_TYPEOF:
        advance(parser);
        if (!is_punctuator(&parser->token, '('))
            return; /* _Atomic as a qualifier */
        declaration->has_base = true;
        skip_group(parser, GROUP_CODE, false);
        return;
    case HEADER_NAME:
        read_name(parser, declaration);
        return;
    case HEADER_TYPEDEF:
        declaration->is_typedef = true;
        advance(parser);
        return;
    case HEADER_KEYWORD:
        declaration->has_base = true;
        advance(parser);
        return;
    case HEADER_QUALIFIER:
        advance(parser);
        return;
    }
}

static void skip_value(struct parser *parser)
{
    while (parser->token.kind != TOKEN_END && !is_punctuator(&parser->token, ',') &&
           !is_punctuator(&parser->token, ';')) {
        const struct token *token = &parser->token;
        if (is_one_of(token, "([{")) {
            skip_group(parser, GROUP_CODE, false);
            continue;
        }
        if (token->kind == TOKEN_IDENTIFIER)
            mention(parser, parser->name, false);
        advance(parser);
    }
}

/* To behind the `;` or the body. */
static void read_declaration(struct parser *parser)
{
    struct declaration declaration = {0};
    while (parser->token.kind != TOKEN_END) {
        const struct token *token = &parser->token;
        if (token->kind == TOKEN_IDENTIFIER) {
            read_word(parser, &declaration);
        } else if (is_punctuator(token, ';')) {
            advance(parser);
            return;
        } else if (is_punctuator(token, '{')) {
            bool is_body = declaration.has_list;
            skip_group(parser, GROUP_CODE, false);
            if (is_body)
                return;
        } else if (is_punctuator(token, '[') ||
                   (is_punctuator(token, '(') && declaration.has_name)) {
            bool is_list = is_punctuator(token, '(');
            declaration.has_list |= is_list;
            skip_group(parser, is_list ? GROUP_PARAMETERS : GROUP_CODE, false);
        } else if (is_punctuator(token, '=')) {
            declaration.has_list = false;
            skip_value(parser);
        } else {
            if (is_punctuator(token, ','))
                declaration.has_name = declaration.has_list = false;
            advance(parser);
        }
    }
}

void header_chunks_read(struct header_index *index)
{
    struct parser parser = {
        .index = index,
        .lexer = lexer_init(buffer_string(&index->flat), index->flat.size)};
    if (!index->flat.size)
        return;
    advance(&parser);
    while (parser.token.kind != TOKEN_END) {
        struct header_chunk chunk = {.start =
                                         (size_t)(parser.token.text - index->flat.data),
                                     .mentions = index->mentions.n};
        parser.chunk = (uint32_t)index->n_chunks;
        read_declaration(&parser);
        chunk.size = parser.end - chunk.start;
        chunk.n_mentions = index->mentions.n - chunk.mentions;
        GROW(index->chunks, index->n_chunks, index->chunks_capacity);
        index->chunks[index->n_chunks++] = chunk;
    }
}
