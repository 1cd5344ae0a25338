/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What only the tree tells of code that libtcc compiles without a word, and wrongly. */
#include <string.h>

#include "kernel/unit/draft.h"

struct classes {
    bool has_integer, has_real;
};

static void classify(CXType type, struct classes *classes);

static enum CXVisitorResult classify_field(CXCursor field, CXClientData data)
{
    classify(clang_getCursorType(field), data);
    return CXVisit_Continue;
}

static void classify(CXType type, struct classes *classes)
{
    type = clang_getCanonicalType(type);
    CXType element = clang_getArrayElementType(type);
    if (element.kind != CXType_Invalid)
        classify(element, classes);
    else if (type.kind == CXType_Record)
        clang_Type_visitFields(type, classify_field, classes);
    else if (type.kind == CXType_Float || type.kind == CXType_Double)
        classes->has_real = true;
    else
        classes->has_integer = true;
}

/* libtcc passes these in other registers than gcc and clang. */
static bool is_mixed(CXType type)
{
    type = clang_getCanonicalType(type);
    long long size = clang_Type_getSizeOf(type);
    if (type.kind != CXType_Record || size <= 8 || size > 16)
        return false;
    struct classes classes = {0};
    classify(type, &classes);
    return classes.has_integer && classes.has_real;
}

static bool is_signature_mixed(CXType type)
{
    type = clang_getCanonicalType(type);
    if (type.kind == CXType_Pointer)
        type = clang_getCanonicalType(clang_getPointeeType(type));
    if (type.kind != CXType_FunctionProto && type.kind != CXType_FunctionNoProto)
        return false;
    if (is_mixed(clang_getResultType(type)))
        return true;
    int n = clang_getNumArgTypes(type);
    for (int i = 0; i < n; i++)
        if (is_mixed(clang_getArgType(type, (unsigned)i)))
            return true;
    return false;
}

/* Also behind `...`, where no signature says so. */
static bool is_call_mixed(CXCursor call)
{
    int n = clang_Cursor_getNumArguments(call);
    for (int i = 0; i < n; i++)
        if (is_mixed(clang_getCursorType(clang_Cursor_getArgument(call, (unsigned)i))))
            return true;
    return false;
}

static enum CXChildVisitResult find_record_call(CXCursor cursor, CXCursor parent,
                                                CXClientData data)
{
    CXType type = clang_getCanonicalType(clang_getCursorType(cursor));
    *(bool *)data |= clang_getCursorKind(cursor) == CXCursor_CallExpr &&
                     type.kind == CXType_Record && clang_Type_getSizeOf(type) <= 16;
    return *(bool *)data ? CXChildVisit_Break : CXChildVisit_Recurse;
}

/* `f(1.0, g())`, where g() returns a struct in registers: libtcc has put the number into
 * its register before it makes the call. */
static bool is_call_overwritten(CXCursor call)
{
    bool has_real = false, has_call = false;
    int n = clang_Cursor_getNumArguments(call);
    for (int i = 0; i < n; i++) {
        CXCursor argument = clang_Cursor_getArgument(call, (unsigned)i);
        CXType type = clang_getCanonicalType(clang_getCursorType(argument));
        has_real |= type.kind == CXType_Float || type.kind == CXType_Double;
        if (type.kind == CXType_Record) {
            find_record_call(argument, argument, &has_call);
            clang_visitChildren(argument, find_record_call, &has_call);
        }
    }
    return has_real && has_call;
}

static enum CXChildVisitResult find_list(CXCursor cursor, CXCursor parent,
                                         CXClientData data)
{
    CXType type = clang_getCanonicalType(clang_getCursorType(cursor));
    CLEANUP(freep) char *spelling = take_string(clang_getTypeSpelling(type));
    *(bool *)data |= clang_isExpression(clang_getCursorKind(cursor)) &&
                     strstr(spelling, "__va_list_tag");
    return CXChildVisit_Continue;
}

/* va_arg of a record: an expression without a kind of its own, over a va_list. libtcc
 * looks for those of float and double in the wrong registers. */
static bool is_record_argument(CXCursor cursor)
{
    bool has_list = false;
    if (clang_getCanonicalType(clang_getCursorType(cursor)).kind == CXType_Record)
        clang_visitChildren(cursor, find_list, &has_list);
    return has_list;
}

static enum CXChildVisitResult take_type(CXCursor cursor, CXCursor parent,
                                         CXClientData data)
{
    *(CXType *)data = clang_getCanonicalType(clang_getCursorType(cursor));
    return clang_isExpression(clang_getCursorKind(cursor)) ? CXChildVisit_Break
                                                           : CXChildVisit_Continue;
}

/* libtcc extends the sign of a signed char into the whole register that it calls an
 * unsigned short. */
static bool is_lost_cast(CXCursor cursor, enum CXCursorKind kind, CXType type)
{
    CXType from = {.kind = CXType_Invalid};
    if (type.kind != CXType_UShort ||
        (kind != CXCursor_CStyleCastExpr && kind != CXCursor_UnexposedExpr))
        return false;
    clang_visitChildren(cursor, take_type, &from);
    return from.kind == CXType_Char_S || from.kind == CXType_SChar;
}

/* `f(x) float x; {...}` is called with a double, which libtcc does not expect. */
bool has_float_parameter(CXCursor function)
{
    int n = clang_Cursor_getNumArguments(function);
    for (int i = 0; i < n; i++) {
        CXCursor parameter = clang_Cursor_getArgument(function, (unsigned)i);
        if (clang_getCanonicalType(clang_getCursorType(parameter)).kind == CXType_Float)
            return true;
    }
    return false;
}

/* ---- conditions
 * -------------------------------------------------------------------------------- */

static bool is_logical(CXCursor cursor)
{
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (kind == CXCursor_ConditionalOperator)
        return true;
    if (kind != CXCursor_BinaryOperator)
        return false;
    enum CXBinaryOperatorKind operator= clang_getCursorBinaryOperatorKind(cursor);
    return operator== CXBinaryOperator_LAnd || operator== CXBinaryOperator_LOr;
}

static bool is_constant(CXCursor cursor)
{
    CXEvalResult result = clang_Cursor_Evaluate(cursor);
    bool is_number = result && (clang_EvalResult_getKind(result) == CXEval_Int ||
                                clang_EvalResult_getKind(result) == CXEval_Float);
    if (result)
        clang_EvalResult_dispose(result);
    return is_number;
}

struct logic {
    bool is_choice; /* ?: */
    unsigned n_constant, n_operands, n_inner;
};

static enum CXChildVisitResult find_inner(CXCursor cursor, CXCursor parent,
                                          CXClientData data)
{
    *(unsigned *)data += is_logical(cursor);
    return *(unsigned *)data ? CXChildVisit_Break : CXChildVisit_Recurse;
}

static enum CXChildVisitResult look_at_operand(CXCursor cursor, CXCursor parent,
                                               CXClientData data)
{
    struct logic *logic = data;
    bool is_chooser = logic->is_choice && !logic->n_operands;
    logic->n_operands++;
    logic->n_constant += !is_chooser && is_constant(cursor);
    logic->n_inner += is_logical(cursor);
    clang_visitChildren(cursor, find_inner, &logic->n_inner);
    return CXChildVisit_Continue;
}

/* Where an operand of one such operator decides it at compile time, libtcc forgets in the
 * other one whether it is to make code. A constant in front of ?: does no harm; the
 * macros of <math.h> are full of them. */
static bool is_lost_logic(CXCursor cursor)
{
    struct logic logic = {.is_choice = clang_getCursorKind(cursor) ==
                                       CXCursor_ConditionalOperator};
    if (!is_logical(cursor))
        return false;
    clang_visitChildren(cursor, look_at_operand, &logic);
    return logic.n_inner && logic.n_constant && logic.n_constant < logic.n_operands;
}

/* ---- layouts
 * -------------------------------------------------------------------------------- */

struct layout {
    bool has_bit_field, is_packed;
};

static enum CXChildVisitResult look_at_member(CXCursor cursor, CXCursor parent,
                                              CXClientData data)
{
    struct layout *layout = data;
    layout->has_bit_field |= clang_Cursor_isBitField(cursor) != 0;
    layout->is_packed |= clang_getCursorKind(cursor) == CXCursor_PackedAttr;
    return CXChildVisit_Recurse;
}

bool has_packed_bit_fields(CXCursor record, bool is_packed)
{
    struct layout layout = {.is_packed = is_packed};
    if (!clang_Cursor_isNull(record))
        clang_visitChildren(record, look_at_member, &layout);
    return layout.has_bit_field && layout.is_packed;
}

static bool is_packed_enum(CXCursor cursor)
{
    struct layout layout = {0};
    if (clang_getCursorKind(cursor) == CXCursor_EnumDecl)
        clang_visitChildren(cursor, look_at_member, &layout);
    return layout.is_packed;
}

/* ---- all of it
 * -------------------------------------------------------------------------------- */

/* An unsigned one that is wider than an int, which libtcc takes for signed. */
static bool is_wide_bit_field(CXCursor cursor)
{
    CXCursor field = clang_getCursorReferenced(cursor);
    if (!clang_Cursor_isBitField(field) || clang_getFieldDeclBitWidth(field) <= 32)
        return false;
    return true;
}

static bool is_long_double(CXCursor cursor)
{
    return clang_getCanonicalType(clang_getCursorType(cursor)).kind == CXType_LongDouble;
}

static enum CXChildVisitResult find_long_double(CXCursor cursor, CXCursor parent,
                                                CXClientData data)
{
    (void)parent;
    *(bool *)data |= is_long_double(cursor);
    return *(bool *)data ? CXChildVisit_Break : CXChildVisit_Continue;
}

/* Two values of the x87's stack at a time, which libtcc mixes up or lets overflow. */
static bool is_long_double_lost(CXCursor cursor, enum CXCursorKind kind)
{
    bool is_any = false;
    int n = 0, n_arguments =
                   kind == CXCursor_CallExpr ? clang_Cursor_getNumArguments(cursor) : 0;
    for (int i = 0; i < n_arguments; i++)
        n += is_long_double(clang_Cursor_getArgument(cursor, (unsigned)i));
    if (n > 1 || kind == CXCursor_CallExpr)
        return n > 1;
    bool is_operation =
        (kind == CXCursor_BinaryOperator &&
         clang_getCursorBinaryOperatorKind(cursor) != CXBinaryOperator_Assign) ||
        kind == CXCursor_CompoundAssignOperator;
    if (is_operation)
        clang_visitChildren(cursor, find_long_double, &is_any);
    return is_any;
}

static const char *reason_of_expression(CXCursor cursor, CXCursor parent,
                                        enum CXCursorKind kind, CXType type)
{
    if (kind == CXCursor_AddrLabelExpr &&
        clang_getCursorKind(parent) ==
            CXCursor_BinaryOperator) /* in a constant it leaves libtcc damaged */
        return "&&label";
    if (kind == CXCursor_MemberRefExpr && is_wide_bit_field(cursor))
        return "a bit-field wider than an int";
    if (is_lost_cast(cursor, kind, type))
        return "a signed char as an unsigned short";
    if (kind == CXCursor_UnexposedExpr && is_record_argument(cursor))
        return "va_arg of a struct";
    if (is_lost_logic(cursor))
        return "a constant in a condition";
    if (is_long_double_lost(cursor, kind))
        return "long double";
    return NULL;
}

const char *miscompiled_reason(CXCursor cursor, CXCursor parent)
{
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    CXType type = clang_getCanonicalType(clang_getCursorType(cursor));
    if ((kind == CXCursor_DeclRefExpr || kind == CXCursor_MemberRefExpr ||
         kind == CXCursor_FunctionDecl) &&
        is_signature_mixed(clang_getCursorType(cursor)))
        return "a struct of double and integer by value";
    if ((kind == CXCursor_StructDecl || kind == CXCursor_UnionDecl) &&
        has_packed_bit_fields(cursor, false))
        return "packed bit-fields";
    if (is_packed_enum(cursor))
        return "a packed enum";
    if (kind == CXCursor_CallExpr && is_call_mixed(cursor))
        return "a struct of double and integer by value";
    if (kind == CXCursor_CallExpr && is_call_overwritten(cursor))
        return "a number beside a call that returns a struct";
    if (type.kind == CXType_Pointer &&
        clang_getCanonicalType(clang_getPointeeType(type)).kind == CXType_VariableArray)
        return "a pointer to a variable length array";
    if (kind == CXCursor_VarDecl && type.kind == CXType_VariableArray)
        return "a variable length array"; /* jumps over it lose the stack */
    return reason_of_expression(cursor, parent, kind, type);
}
