/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compound literals whose address a statement of the cell takes. Statements become the
 * body of a function, at whose end such an object would be gone; but what a cell does
 * lasts, so these get storage that stays, and are set whenever the statement runs. Those
 * inside a block live as long as the block, as anywhere. */
#include <string.h>

#include "kernel/unit/sheet.h"
#include "kernel/unit/value.h"

struct literals {
    struct draft *draft;
    const struct piece *piece;
    struct edit *edits;
    size_t n, capacity;
    unsigned depth; /* of compound statements */
};

static bool in_piece(const struct literals *literals, size_t offset, size_t *ret)
{
    return offset != SIZE_MAX &&
           sheet_piece(literals->draft, offset, ret) == literals->piece;
}

static enum CXChildVisitResult find_list(CXCursor cursor, CXCursor parent,
                                         CXClientData data)
{
    if (clang_getCursorKind(cursor) != CXCursor_InitListExpr)
        return CXChildVisit_Recurse;
    *(CXCursor *)data = cursor;
    return CXChildVisit_Break;
}

/* Where the braces of a literal stand in the piece; false: inside a macro. */
static bool find_braces(const struct literals *literals, CXCursor literal,
                        struct span *ret)
{
    CXCursor list = clang_getNullCursor();
    size_t start, end;
    clang_visitChildren(literal, find_list, &list);
    if (clang_Cursor_isNull(list) || !cursor_extent(list, &start, &end) ||
        !in_piece(literals, start, &start) || !in_piece(literals, end, &end) ||
        end <= start || literals->piece->text[start] != '{' ||
        literals->piece->text[end - 1] != '}')
        return false;
    *ret = (struct span){start, end - start};
    return true;
}

static void keep(struct literals *literals, CXCursor literal)
{
    CXType type = clang_getCursorType(literal);
    struct span braces;
    size_t start, end;
    if (!cursor_extent(literal, &start, &end) || !in_piece(literals, start, &start) ||
        !in_piece(literals, end, &end) || literals->piece->text[start] != '(' ||
        !find_braces(literals, literal, &braces) || typing_is_local(type))
        return;
    struct typing typing = draft_typing(literals->draft);
    CLEANUP(freep) char *spelling = typing_spelling(&typing, type);
    struct buffer text = {0};
    buffer_format(&text,
                  "(*__extension__({ static __typeof__(%s) achar_kept; "
                  "__typeof__(%s) achar_new = %.*s; ",
                  spelling, spelling, (int)braces.size,
                  literals->piece->text + braces.start);
    value_copy(&text, "achar_kept", "achar_new");
    buffer_add_string(&text, "&achar_kept; }))");
    edit_add(&literals->edits, &literals->n, &literals->capacity, start, end - start,
             buffer_string(&text));
    buffer_clear(&text);
}

static bool is_address_taken(CXCursor literal, CXCursor parent)
{
    CXType type = clang_getCanonicalType(clang_getCursorType(literal));
    if (type.kind == CXType_ConstantArray)
        return true;
    return type.kind != CXType_VariableArray &&
           clang_getCursorKind(parent) == CXCursor_UnaryOperator &&
           clang_getCursorUnaryOperatorKind(parent) == CXUnaryOperator_AddrOf;
}

static enum CXChildVisitResult look(CXCursor cursor, CXCursor parent, CXClientData data)
{
    struct literals *literals = data;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (kind == CXCursor_StmtExpr)
        return CXChildVisit_Continue;
    if (kind == CXCursor_CompoundLiteralExpr && is_address_taken(cursor, parent)) {
        keep(literals, cursor); /* literals inside it keep their life */
        return CXChildVisit_Continue;
    }
    bool is_block = kind == CXCursor_CompoundStmt;
    if (is_block && literals->depth)
        return CXChildVisit_Continue;
    literals->depth += is_block;
    clang_visitChildren(cursor, look, literals);
    literals->depth -= is_block;
    return CXChildVisit_Continue;
}

char *literals_kept(struct draft *draft, const struct piece *piece, CXCursor cursor)
{
    struct span part = {0, piece->size};
    struct literals literals = {.draft = draft, .piece = piece};
    bool has_some = memchr(piece->text + part.start, '{', part.size) != NULL;
    if (has_some && !clang_Cursor_isNull(cursor))
        clang_visitChildren(cursor, look, &literals);
    struct buffer out = {0};
    edits_apply(piece->text, part.start, part.size, literals.edits, literals.n, &out);
    for (size_t i = 0; i < literals.n; i++)
        free(literals.edits[i].text);
    free(literals.edits);
    return buffer_take(&out);
}

/* ---- of initialisers -------------------------------------------------------------- */

/* A bracket's group, which starts at an offset: its size, 0 when it is not closed. */
static size_t group_size(const char *text, size_t size, size_t start)
{
    struct lexer lexer = lexer_init(text + start, size - start);
    unsigned depth = 0;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return 0;
        depth += token_is(&token, "(") || token_is(&token, "{") || token_is(&token, "[");
        if (token_is(&token, ")") || token_is(&token, "}") || token_is(&token, "]"))
            if (--depth == 0)
                return (size_t)(token.text + token.size - (text + start));
    }
}

/* The literal whose type's parenthesis is at `start`: "(T){ ... }". */
static size_t literal_size(const char *text, size_t size, size_t start, size_t *ret_list)
{
    size_t type = group_size(text, size, start);
    if (!type)
        return 0;
    size_t list = start + type;
    while (list < size && strchr(" \t\n", text[list]))
        list++;
    if (list >= size || text[list] != '{')
        return 0;
    *ret_list = list;
    size_t list_size = group_size(text, size, list);
    return list_size ? list + list_size - start : 0;
}

/* libclang leaves out of its tree what is no constant, so it is found by its tokens. */
char *literals_kept_in_text(const char *text)
{
    size_t size = strlen(text), done = 0;
    struct lexer lexer = lexer_init(text, size);
    struct token last = {0};
    struct buffer out = {0};
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        size_t start = (size_t)(token.text - text), list = 0;
        size_t n = token_is(&token, "(") ? literal_size(text, size, start, &list) : 0;
        bool is_array = n && memchr(text + start, ']', list - start);
        if (n && start >= done && (is_array || token_is(&last, "&"))) {
            buffer_add(&out, text + done, start - done);
            buffer_format(&out,
                          "(*__extension__({ static __typeof__(%.*s) achar_kept; "
                          "__typeof__(%.*s) achar_new = %.*s; ",
                          (int)n, token.text, (int)n, token.text, (int)(start + n - list),
                          text + list);
            value_copy(&out, "achar_kept", "achar_new");
            buffer_add_string(&out, "&achar_kept; }))");
            done = start + n;
        }
        last = token;
    }
    buffer_add(&out, text + done, size - done);
    return buffer_take(&out);
}
