/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The macro's expansion is
 *
 *     achar_show((__typeof__(1 ? (x) : (x))[1]){(x)}, __LINE__, "x")
 *
 * The type wanted is that of x itself: an array is one still, a char no int. */
#include "kernel/unit/shown.h"

#include <string.h>

#include "kernel/unit/value.h"

static enum CXChildVisitResult find_parentheses(CXCursor cursor, CXCursor parent,
                                                CXClientData data)
{
    CXCursor *ret = data;
    if (clang_getCursorKind(cursor) != CXCursor_ParenExpr)
        return CXChildVisit_Recurse;
    *ret = cursor;
    return CXChildVisit_Break;
}

/* Of the array itself, not one in its type. */
static enum CXChildVisitResult find_initialiser(CXCursor cursor, CXCursor parent,
                                                CXClientData data)
{
    if (clang_getCursorKind(cursor) == CXCursor_InitListExpr)
        clang_visitChildren(cursor, find_parentheses, data);
    return CXChildVisit_Continue;
}

static enum CXChildVisitResult find_array(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    if (clang_getCursorKind(cursor) != CXCursor_CompoundLiteralExpr)
        return CXChildVisit_Recurse;
    clang_visitChildren(cursor, find_initialiser, data);
    return CXChildVisit_Break;
}

/* What stands between the parentheses of the macro. */
static CXCursor expression_of(CXCursor call)
{
    CXCursor found = clang_getNullCursor();
    clang_visitChildren(clang_Cursor_getArgument(call, 0), find_array, &found);
    return found;
}

static char *text_of(CXCursor call)
{
    CXEvalResult result = clang_Cursor_Evaluate(clang_Cursor_getArgument(call, 2));
    char *text = NULL;
    if (result && clang_EvalResult_getKind(result) == CXEval_StrLiteral)
        text = must_strdup(clang_EvalResult_getAsStr(result));
    if (result)
        clang_EvalResult_dispose(result);
    return text;
}

static uint32_t line_of(CXSourceLocation location)
{
    unsigned line = 0;
    CXString file;
    clang_getPresumedLocation(location, &file, &line, NULL);
    clang_disposeString(file);
    return line;
}

bool shown_describe(struct draft *draft, CXCursor call, uint32_t *ret_type,
                    uint32_t ret_sites[2])
{
    CXCursor expression = expression_of(call);
    CLEANUP(freep) char *text = text_of(call);
    CXType type = clang_getCursorType(expression);
    if (clang_Cursor_isNull(expression) || !text || typing_is_local(type))
        return false;
    CXSourceRange range = clang_getCursorExtent(call);
    ret_sites[0] = display_site(line_of(clang_getRangeStart(range)), text);
    ret_sites[1] = display_site(line_of(clang_getRangeEnd(range)), text);
    *ret_type = value_literal_type(draft, expression, value_type(draft, type, NULL));
    return true;
}
