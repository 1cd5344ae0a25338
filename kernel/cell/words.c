/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/words.h"

#include <string.h>

/* Macros that name macros that name macros ... are looked into this deep. */
#define STRUCTURE_DEPTH_MAX 32

struct words {
    const struct cell_names *names;
    struct word **slots; /* open addressing, a power of two, at most half full */
    size_t n_slots, n_words;
    struct macro **retired; /* redefined ones: tokens of the cell still point into them */
    size_t n_retired, retired_capacity;
    int depth; /* of macros being looked into */
};

static const struct {
    enum word_class class;
    const char *words; /* each between blanks */
} classes[] = {
    {WORD_TYPE,
     " void char short int long float double signed unsigned _Bool bool _Complex const"
     " volatile restrict static extern register auto typedef inline __inline __inline__"
     " _Noreturn _Thread_local __thread thread_local __int128 _Float128 _Float16 _Float32"
     " _Float64 _Float32x _Float64x _Decimal32 _Decimal64 _Decimal128 __const __const__"
     " __volatile __volatile__ __signed __signed__ _Static_assert static_assert constexpr"
     " __auto_type __restrict __restrict__ __builtin_va_list __complex__ __label__ "},
    {WORD_TAG, " struct union enum "},
    {WORD_ATTRIBUTE, " __attribute__ __attribute typeof __typeof__ __typeof typeof_unqual"
                     " _Alignas alignas _Atomic _BitInt __declspec "},
    {WORD_STATEMENT,
     " if else for while do switch case default return break continue goto "},
};

static bool list_has(const char *list, const char *text, size_t size)
{
    for (const char *at = list; (at = memmem(at, strlen(at), text, size)); at++)
        if (at[-1] == ' ' && at[size] == ' ')
            return true;
    return false;
}

static enum word_class class_of(const char *text, size_t size)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (list_has(classes[i].words, text, size))
            return classes[i].class;
    return WORD_PLAIN;
}

struct words *words_new(const struct cell_names *names)
{
    struct words *words = must_alloc(sizeof(*words));
    words->names = names;
    words->n_slots = 256;
    words->slots = must_alloc(words->n_slots * sizeof(*words->slots));
    return words;
}

static void macro_free(struct macro *macro)
{
    if (!macro)
        return;
    free(macro->parameters);
    free(macro->body);
    free(macro->text);
    free(macro);
}

void words_free(struct words *words)
{
    if (!words)
        return;
    for (size_t i = 0; i < words->n_slots; i++) {
        if (words->slots[i])
            macro_free(words->slots[i]->macro);
        free(words->slots[i]);
    }
    for (size_t i = 0; i < words->n_retired; i++)
        macro_free(words->retired[i]);
    free(words->retired);
    free(words->slots);
    free(words);
}

static uint32_t hash_of(const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static struct word **slot_of(struct words *words, const char *text, size_t size,
                             uint32_t hash)
{
    for (size_t i = hash & (words->n_slots - 1);; i = (i + 1) & (words->n_slots - 1)) {
        struct word *word = words->slots[i];
        if (!word || (word->hash == hash && word->size == size &&
                      memcmp(word->text, text, size) == 0))
            return &words->slots[i];
    }
}

static void grow(struct words *words)
{
    struct word **old = words->slots;
    size_t n_old = words->n_slots;
    words->n_slots *= 2;
    words->slots = must_alloc(words->n_slots * sizeof(*words->slots));
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            *slot_of(words, old[i]->text, old[i]->size, old[i]->hash) = old[i];
    free(old);
}

struct word *words_get(struct words *words, const char *text, size_t size)
{
    uint32_t hash = hash_of(text, size);
    struct word **slot = slot_of(words, text, size, hash);
    if (*slot)
        return *slot;
    if (2 * words->n_words >= words->n_slots) {
        grow(words);
        slot = slot_of(words, text, size, hash);
    }
    struct word *word = must_alloc(sizeof(*word));
    *word = (struct word){
        .text = text, .size = size, .hash = hash, .class = class_of(text, size)};
    const struct cell_names *names = words->names;
    if (word->class == WORD_PLAIN && names && names->is_type)
        word->is_type = names->is_type(names->context, text, size);
    words->n_words++;
    return *slot = word;
}

static void read_parameters(struct words *words, struct lexer *lexer, struct macro *macro)
{
    size_t capacity = 0;
    for (;;) {
        struct token token = lexer_next(lexer);
        if (token.kind == TOKEN_END || token_is(&token, ")"))
            return;
        if (token_is(&token, "...")) {
            macro->is_variadic = true;
            /* `args...` names the rest itself */
            if (macro->n_parameters && token.text[-1] != ',' && token.text[-1] != ' ')
                continue;
            token.text = "__VA_ARGS__";
            token.size = strlen(token.text);
        } else if (token.kind != TOKEN_IDENTIFIER) {
            continue;
        }
        GROW(macro->parameters, macro->n_parameters, capacity);
        macro->parameters[macro->n_parameters++] =
            words_get(words, token.text, token.size);
    }
}

static struct macro *macro_read(struct words *words, const char *text, size_t size,
                                struct word **ret_word)
{
    struct macro *macro = must_alloc(sizeof(*macro));
    while (size && strchr(" \t\r\n\\", text[size - 1]))
        size--;
    macro->text = must_strndup(text, size);
    struct lexer lexer = lexer_init(macro->text, size);
    lexer.starts_line = false;
    struct token name = lexer_next(&lexer);
    if (name.kind != TOKEN_IDENTIFIER) {
        macro_free(macro);
        return NULL;
    }
    /* The text outlives the word: a macro that is replaced is retired, not freed. */
    *ret_word = words_get(words, name.text, name.size);
    if (lexer.at < lexer.end && *lexer.at == '(') {
        macro->has_arguments = true;
        lexer_next(&lexer);
        read_parameters(words, &lexer, macro);
    }
    size_t capacity = 0;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return macro;
        GROW(macro->body, macro->n_body, capacity);
        macro->body[macro->n_body++] = token;
    }
}

static bool word_has_structure(struct words *words, struct word *word)
{
    if (word->class != WORD_PLAIN || word->is_type)
        return true;
    if (words->depth > STRUCTURE_DEPTH_MAX || word->is_expanding)
        return false;
    const struct macro *macro = words_macro(words, word);
    return macro && macro->has_structure;
}

/* Whether an expansion may begin, end or open an item: anything outside parentheses that
 * is not part of a plain expression. A body of names only may mean a type of the cell. */
static bool find_structure(struct words *words, const struct word *self,
                           const struct macro *macro)
{
    int level = 0;
    bool only_names = true, mentions_itself = false;
    for (size_t i = 0; i < macro->n_body; i++) {
        const struct token *token = &macro->body[i];
        if (token->kind == TOKEN_IDENTIFIER) {
            /* a type and what it declares; a call and what follows it */
            if (level == 0 && i > 0 &&
                (token[-1].kind == TOKEN_IDENTIFIER || token_is(&token[-1], ")")))
                return true;
            struct word *word = words_get(words, token->text, token->size);
            mentions_itself |= word == self;
            if (level == 0 && word_has_structure(words, word))
                return true;
            continue;
        }
        only_names &= token_is(token, "*");
        if (token->kind != TOKEN_PUNCTUATOR || token->size != 1)
            continue;
        if (*token->text == '(' || *token->text == '[')
            level++;
        else if (*token->text == ')' || *token->text == ']')
            level--;
        else if (level == 0 && strchr("{};", *token->text))
            return true;
        if (level < 0)
            return true;
    }
    return level != 0 || (only_names && !mentions_itself);
}

static void set_macro(struct words *words, struct word *word, struct macro *macro)
{
    if (word->macro) {
        GROW(words->retired, words->n_retired, words->retired_capacity);
        words->retired[words->n_retired++] = word->macro;
    }
    word->macro = macro;
    word->macro_is_known = true;
    if (!macro)
        return;
    word->is_expanding = true;
    words->depth++;
    macro->has_structure = find_structure(words, word, macro);
    words->depth--;
    word->is_expanding = false;
}

struct macro *words_macro(struct words *words, struct word *word)
{
    if (word->macro_is_known)
        return word->macro;
    const struct cell_names *names = words->names;
    const char *text = names && names->macro && word->class == WORD_PLAIN
                           ? names->macro(names->context, word->text, word->size)
                           : NULL;
    struct word *same = word;
    set_macro(words, word, text ? macro_read(words, text, strlen(text), &same) : NULL);
    return word->macro;
}

void words_define(struct words *words, const char *text, size_t size)
{
    struct word *word = NULL;
    struct macro *macro = macro_read(words, text, size, &word);
    if (macro)
        set_macro(words, word, macro);
}

void words_undefine(struct words *words, const char *text, size_t size)
{
    struct lexer lexer = lexer_init(text, size);
    struct token name = lexer_next(&lexer);
    if (name.kind == TOKEN_IDENTIFIER)
        set_macro(words, words_get(words, name.text, name.size), NULL);
}
