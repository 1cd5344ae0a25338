/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/graph/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "pickler/base/lex.h"

/* Tokens by their text, one a line, so that blanks, comments and line breaks do not
 * count; except for the end of a directive, which does. */
static void add_tokens(struct buffer *out, const char *text)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        pack_u64(out, token.kind);
        pack_bytes(out, token.text, token.size);
    }
}

/* In a macro a blank before '(' or inside a stringified argument matters: the text
 * counts. */
static void add_text(struct buffer *out, const struct definition *definition)
{
    const char *text = definition->source ? definition->source : definition->declaration;
    pack_u64(out, definition->source != NULL);
    if (!text)
        return;
    if (definition->kind == DEFINITION_MACRO || definition->kind == DEFINITION_PRAGMA ||
        definition->kind == DEFINITION_INCLUDE)
        pack_string(out, text);
    else
        add_tokens(out, text);
}

static bool is_late_bound(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION ||
           definition->kind == DEFINITION_VARIABLE;
}

static void add_ref(struct buffer *out, const struct definition *definition,
                    const struct definition *ref)
{
    if (!ref) /* a later definition of the same cell: its name is among the tokens */
        return;
    if (is_late_bound(ref) && ref->id >= definition->id) {
        pack_string(out, ref->name);
        return;
    }
    pack_bytes(out, ref->hash, sizeof(ref->hash));
}

static int compare_hashes(const void *a, const void *b)
{
    const struct definition *const *x = a, *const *y = b;
    return memcmp((*x)->hash, (*y)->hash, DEFINITION_HASH_SIZE);
}

/* References in order of their hashes: ids differ from session to session. */
static void add_refs(struct buffer *out, const struct definition *definition,
                     const struct definition *(*find)(void *context, uint32_t id),
                     void *context)
{
    const struct definition **refs = must_alloc(definition->n_refs * sizeof(*refs));
    size_t n = 0;
    for (size_t i = 0; i < definition->n_refs; i++) {
        const struct definition *ref = find(context, definition->refs[i]);
        if (ref)
            refs[n++] = ref;
    }
    qsort(refs, n, sizeof(*refs), compare_hashes);
    for (size_t i = 0; i < n; i++)
        add_ref(out, definition, refs[i]);
    free(refs);
}

void definition_hash(struct definition *definition,
                     const struct definition *(*find)(void *context, uint32_t id),
                     void *context)
{
    struct buffer bytes = {0};
    pack_u64(&bytes, definition->kind);
    pack_string(&bytes, definition->name);
    add_text(&bytes, definition);
    add_refs(&bytes, definition, find, context);
    unsigned size = 0;
    if (!EVP_Digest(bytes.data, bytes.size, definition->hash, &size, EVP_sha256(), NULL))
        abort(); /* only memory can be missing */
    buffer_clear(&bytes);
}
