/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What libtcc must not compile: what it rejects, and what it gets silently wrong. */
#include <string.h>

#include "kernel/unit/draft.h"

/* Words that settle it wherever they stand. */
static const char *const words[] = {
    "_Complex",  "_Thread_local", "__thread",          "thread_local",    "_Atomic",
    "__int128",  "__int128_t",    "__uint128_t",       "_Float128",       "__float128",
    "_BitInt",   "__auto_type",   "vector_size",       "__vector_size__", "nullptr",
    "constexpr", "_Pragma",       "transparent_union", "_Alignas",        "alignas",
    "ms_struct", "__ms_struct__", "gcc_struct",        "__gcc_struct__",  "_OPENMP",
    NULL};
/* What compilers say of themselves. */
static const char *const identities[] = {"__STDC_VERSION__",
                                         "__VERSION__",
                                         "__GNUC__",
                                         "__GNUC_MINOR__",
                                         "__clang__",
                                         "__TINYC__",
                                         "__OPTIMIZE__",
                                         "__clang_major__",
                                         "__has_builtin",
                                         "__has_feature",
                                         NULL};
/* Attributes that libtcc ignores, and words that matter only in the cell's own text. */
static const char *const own_words[] = {"mode", "__mode__", "aligned", "__aligned__",
                                        NULL};
static const char *const builtin_prefixes[] = {"__atomic_", "__sync_", "__builtin_",
                                               NULL};
static const char *const tcc_builtins[] = {"__builtin_expect",
                                           "__builtin_constant_p",
                                           "__builtin_types_compatible_p",
                                           "__builtin_choose_expr",
                                           "__builtin_va_start",
                                           "__builtin_va_end",
                                           "__builtin_va_arg",
                                           "__builtin_va_copy",
                                           "__builtin_va_list",
                                           "__builtin_offsetof",
                                           "__builtin_alloca",
                                           "__builtin_frame_address",
                                           "__builtin_return_address",
                                           NULL};
static const char *const headers[] = {
    "complex.h",   "tgmath.h",    "stdatomic.h", "immintrin.h", "emmintrin.h",
    "xmmintrin.h", "x86intrin.h", "omp.h",       "link.h",      NULL};

static bool is_in(const struct token *token, const char *const *list)
{
    for (; *list; list++)
        if (token_is(token, *list))
            return true;
    return false;
}

static bool is_missing_builtin(const struct token *token)
{
    for (size_t i = 0; builtin_prefixes[i]; i++) {
        size_t n = strlen(builtin_prefixes[i]);
        if (token->size > n && !memcmp(token->text, builtin_prefixes[i], n))
            return !is_in(token, tcc_builtins);
    }
    return false;
}

/* libtcc reads these as double, whatever their suffix. */
static bool is_hex_real(const struct token *token)
{
    return token->size > 2 && (token->text[1] | 32) == 'x' &&
           (memchr(token->text, 'p', token->size) ||
            memchr(token->text, 'P', token->size));
}

/* libtcc makes one byte of "\u00e9", and wide characters of the wrong size. */
static bool has_universal_name(const struct token *token)
{
    if (!memchr("\"'LuU", *token->text, 5) || !memchr(token->text, '\\', token->size))
        return false;
    for (size_t i = 0; i + 1 < token->size; i++) {
        if (token->text[i] != '\\')
            continue;
        if ((token->text[++i] | 32) == 'u')
            return true;
    }
    return false;
}

/* `{.b[1] = 5, 6}`: behind such a designator libtcc goes on in the wrong place. */
static bool is_long_designator(struct lexer lexer, struct token token)
{
    unsigned n = 0;
    for (; token_is(&token, ".") || token_is(&token, "["); n++) {
        bool is_index = token_is(&token, "[");
        do
            token = lexer_next(&lexer);
        while (is_index && token.kind != TOKEN_END && !token_is(&token, "]"));
        token = lexer_next(&lexer);
    }
    return n > 1 && token_is(&token, "=");
}

/* Behind the # of a directive. */
static bool is_openmp(struct lexer lexer)
{
    struct token word = lexer_next(&lexer), owner = lexer_next(&lexer);
    return token_is(&word, "pragma") && token_is(&owner, "omp");
}

/* Owned reason, or NULL. */
static char *scan_text(const char *text, size_t size, bool is_own)
{
    struct lexer lexer = lexer_init(text, size);
    struct token last = {0};
    bool is_case = false;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return NULL;
        is_case = token_is(&token, "case") || (is_case && !token_is(&token, ":"));
        if (is_own && is_case && token_is(&token, "...")) /* libtcc compares signed */
            return must_strdup("case ... :");
        if (is_own && token.kind == TOKEN_NUMBER && is_hex_real(&token))
            return must_strndup(token.text, token.size);
        if (is_own && (token_is(&last, "{") || token_is(&last, ",")) &&
            is_long_designator(lexer, token))
            return must_strdup("a designator of a designator");
        if (is_own && has_universal_name(&token))
            return must_strdup("\\u");
        if (token.kind == TOKEN_DIRECTIVE && is_openmp(lexer))
            return must_strdup("#pragma omp");
        bool is_word = token.kind == TOKEN_IDENTIFIER &&
                       (is_in(&token, words) || (is_own && is_in(&token, own_words)) ||
                        (is_own && is_in(&token, identities)) ||
                        (is_own && is_missing_builtin(&token)));
        if (is_word)
            return must_strndup(token.text, token.size);
        if (is_own && token_is(&token, "[") && token_is(&last, "[") &&
            token.text == last.text + 1)
            return must_strdup("[[attributes]]");
        last = token;
    }
}

static char *scan_directive(const struct piece *piece)
{
    for (size_t i = 0; piece->is_include && headers[i]; i++)
        if (strstr(piece->text, headers[i]))
            return must_format("<%s>", headers[i]);
    if (piece_is_directive(piece, "pragma") &&
        tokens_mention(piece->text, piece->size, "omp"))
        return must_strdup("#pragma omp");
    return piece_is_directive(piece, "embed") ? must_strdup("#embed") : NULL;
}

/* ---- what only the tree tells
 * ---------------------------------------------------------- */

static enum CXChildVisitResult look(CXCursor cursor, CXCursor parent, CXClientData data)
{
    const char **reason = data;
    *reason = miscompiled_reason(cursor, parent);
    return *reason ? CXChildVisit_Break : CXChildVisit_Recurse;
}

static char *scan_tree(CXCursor cursor)
{
    const char *reason = NULL;
    if (clang_Cursor_isNull(cursor))
        return NULL;
    look(cursor, cursor, &reason);
    if (!reason)
        clang_visitChildren(cursor, look, &reason);
    return must_strdup(reason);
}

static void set_reason(struct plan *plan, char *reason)
{
    if (plan->cc_reason)
        free(reason);
    else
        plan->cc_reason = reason;
}

/* What a type is declared with may stand in a macro: its layout depends on it. */
static char *scan_macros(const struct draft *draft, const struct definition *type)
{
    for (size_t i = 0; i < type->n_refs; i++) {
        const struct definition *macro = graph_get(draft->analysis->graph, type->refs[i]);
        for (size_t k = 0; !macro && k < draft->n_entities; k++)
            if (draft->entities[k]->definition->id == type->refs[i])
                macro = draft->entities[k]->definition;
        if (macro && macro->kind == DEFINITION_MACRO && macro->needs_cc)
            return must_format("'%s'", macro->name);
    }
    return NULL;
}

static void scan_entities(struct draft *draft)
{
    for (size_t i = 0; i < draft->n_entities; i++) {
        struct entity *entity = draft->entities[i];
        struct definition *definition = entity->definition;
        const char *text =
            definition->source ? definition->source : definition->declaration;
        char *reason = NULL;
        if (entity->role == ENTITY_STALE)
            continue;
        if (entity->role == ENTITY_INCLUDE || entity->role == ENTITY_PRAGMA)
            reason = scan_directive(&draft->pieces[entity->piece]);
        else if (text)
            reason = scan_text(text, strlen(text), true);
        if (!reason && entity->role >= ENTITY_TYPE)
            reason = scan_tree(entity->cursor);
        if (!reason && draft->pieces[entity->piece].pack &&
            has_packed_bit_fields(entity->cursor, true))
            reason = must_strdup("packed bit-fields");
        if (!reason && entity->role == ENTITY_TYPE)
            reason = scan_macros(draft, definition);
        if (!reason && entity->role == ENTITY_FUNCTION &&
            entity->declaration->is_old_style && has_float_parameter(entity->cursor))
            reason = must_strdup("a float parameter without a prototype");
        definition->needs_cc = reason != NULL;
        set_reason(draft->plan, reason);
    }
}

void scan(struct draft *draft)
{
    struct plan *plan = draft->plan;
    find_heavy(draft);
    set_reason(plan,
               scan_text(buffer_string(&draft->prologue), draft->prologue.size, false));
    scan_entities(draft);
    for (size_t i = 0; i < draft->n_pieces && !plan->cc_reason; i++) {
        const struct piece *piece = &draft->pieces[i];
        if (piece->kind == ITEM_DIRECTIVE)
            set_reason(plan, scan_directive(piece));
        else
            set_reason(plan, scan_text(piece->text, piece->size, true));
    }
    for (size_t i = 0; i < draft->n_wrappers && !plan->cc_reason; i++)
        set_reason(plan, scan_tree(draft->runs[i]));
    if (draft->has_value)
        set_reason(plan, scan_tree(draft->value));
    for (size_t i = 0; i < draft->n_used && !plan->cc_reason; i++) {
        const struct definition *used = graph_get(draft->analysis->graph, draft->used[i]);
        if (used && used->needs_cc &&
            (used->kind == DEFINITION_TYPE || used->kind == DEFINITION_MACRO))
            set_reason(plan, must_format("'%s'", used->name));
    }
}
