/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the text of a function tells about compiling it a second time. */
#include <string.h>

#include "pickler/base/lex.h"
#include "pickler/graph/definition.h"

/* Words after which a second copy would be another function, or run by itself; `static`:
 * a static local that is the function's own. */
static const char *const refused[] = {
    "static",       "constructor", "__constructor__", "destructor", "__destructor__",
    "ifunc",        "alias",       "__alias__",       "naked",      "__naked__",
    "thread_local", "__thread",    "_Thread_local",   NULL};

bool definition_is_copyable(const struct definition *function)
{
    if (function->kind != DEFINITION_FUNCTION || !function->source ||
        !function->declaration || function->is_stale)
        return false;
    struct lexer lexer = lexer_init(function->source, strlen(function->source));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return true;
        if (token.kind != TOKEN_IDENTIFIER)
            continue;
        for (size_t i = 0; refused[i]; i++)
            if (token_is(&token, refused[i]))
                return false;
    }
}

bool definition_mentions_itself(const struct definition *function)
{
    struct lexer lexer = lexer_init(function->source, strlen(function->source));
    for (size_t n = 0;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return false;
        n += token.kind == TOKEN_IDENTIFIER && token_is(&token, function->name);
        if (n > 1)
            return true;
    }
}
