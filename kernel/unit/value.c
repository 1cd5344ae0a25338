/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/value.h"

#include <string.h>

void value_copy(struct buffer *out, const char *to, const char *from)
{
    buffer_format(
        out,
        "{ const char *achar_from = (const char *)&%s; char *achar_to = (char *)&%s; "
        "unsigned long achar_at; for (achar_at = 0; achar_at < sizeof(%s); "
        "achar_at++) achar_to[achar_at] = achar_from[achar_at]; }\n",
        from, to, from);
}

static enum CXChildVisitResult descend(CXCursor cursor, CXCursor parent,
                                       CXClientData data)
{
    CXCursor *ret = data;
    *ret = cursor;
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    return kind == CXCursor_ParenExpr ? CXChildVisit_Break : CXChildVisit_Recurse;
}

/* const and volatile are no part of a value, nor of an array's elements. */
static char *unqualified(const struct typing *typing, CXType type)
{
    CXType element = clang_getArrayElementType(clang_getCanonicalType(type));
    if (element.kind == CXType_Invalid)
        return typing_spelling(typing, clang_getUnqualifiedType(type));
    CLEANUP(freep) char *inner = unqualified(typing, element);
    return must_format("__typeof__(%s)[%lld]", inner,
                       clang_getArraySize(clang_getCanonicalType(type)));
}

static uint32_t pointer_to(struct draft *draft, CXType type, const char *spelling)
{
    struct typing typing = draft_typing(draft);
    struct type pointer = {.kind = TYPE_POINTER,
                           .spelling = must_strdup(spelling),
                           .target = typing_id(&typing, type)};
    return types_add(&draft->analysis->types, &pointer);
}

/* "int (*)(long)" where that can be written without knowing the parts, else by typeof. */
static char *function_pointer(const char *function)
{
    const char *open = strchr(function, '(');
    bool is_plain = open && !strchr(open + 1, '(') && !strstr(function, "typeof");
    if (!is_plain)
        return must_format("__typeof__(%s) *", function);
    return must_format("%.*s(*)%s", (int)(open - function), function, open);
}

static enum CXChildVisitResult find_string(CXCursor cursor, CXCursor parent,
                                           CXClientData data)
{
    if (clang_getCursorKind(cursor) == CXCursor_StringLiteral)
        *(CXCursor *)data = cursor;
    else if (clang_getCursorKind(cursor) == CXCursor_ParenExpr)
        clang_visitChildren(cursor, find_string, data);
    return CXChildVisit_Break;
}

static uint32_t add_once(struct types *types, struct type *type)
{
    uint32_t id = types_add(types, type), earlier;
    if (!types_find(types, types, id, &earlier) || earlier == id)
        return id;
    types_truncate(types, id);
    return earlier;
}

/* The characters of a wide literal are plain integers to libclang. */
static uint32_t wide_array(struct types *types, const char *name, uint32_t like,
                           uint64_t count)
{
    struct type character = {.kind = types_get(types, like)->kind,
                             .spelling = must_strdup(name)};
    struct type array = {.kind = TYPE_ARRAY,
                         .spelling =
                             must_format("%s[%llu]", name, (unsigned long long)count),
                         .count = count,
                         .target = add_once(types, &character)};
    return add_once(types, &array);
}

uint32_t value_literal_type(struct draft *draft, CXCursor expression, uint32_t type)
{
    static const char *const names[] = {"L\"",      "wchar_t", "u\"",
                                        "char16_t", "U\"",     "char32_t"};
    struct types *types = &draft->analysis->types;
    const struct type *array = types_get(types, type);
    CXCursor literal = clang_getNullCursor();
    if (clang_getCursorKind(expression) == CXCursor_StringLiteral)
        literal = expression;
    else if (clang_getCursorKind(expression) == CXCursor_ParenExpr)
        clang_visitChildren(expression, find_string, &literal);
    if (array->kind != TYPE_ARRAY || clang_Cursor_isNull(literal))
        return type;
    CLEANUP(freep) char *text = take_string(clang_getCursorSpelling(literal));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i += 2)
        if (!strncmp(text, names[i], 2))
            return wide_array(types, names[i + 1], array->target, array->count);
    return type;
}

uint32_t value_type(struct draft *draft, CXType type, char **ret_text)
{
    struct typing typing = draft_typing(draft);
    CXType canonical = clang_getCanonicalType(type);
    CLEANUP(freep) char *text = NULL;
    uint32_t id;
    if (canonical.kind == CXType_FunctionProto ||
        canonical.kind == CXType_FunctionNoProto) {
        CLEANUP(freep) char *function = typing_spelling(&typing, type);
        text = function_pointer(function);
        id = pointer_to(draft, type, text);
    } else if (canonical.kind == CXType_IncompleteArray ||
               canonical.kind == CXType_VariableArray) {
        CXType element = clang_getArrayElementType(canonical);
        CLEANUP(freep) char *inner = unqualified(&typing, element);
        text = strpbrk(inner, "([") ? must_format("__typeof__(%s) *", inner)
                                    : must_format("%s *", inner);
        id = pointer_to(draft, element, text);
    } else {
        text = unqualified(&typing, type);
        id = typing_id(&typing, clang_getUnqualifiedType(type));
    }
    if (ret_text)
        *ret_text = TAKE(text);
    return id;
}

static enum value_kind kind_of(CXType type)
{
    switch ((int)clang_getCanonicalType(type).kind) {
    case CXType_Void:
        return VALUE_NONE;
    case CXType_ConstantArray:
        return VALUE_ARRAY;
    case CXType_Record:
        return VALUE_RECORD;
    default:
        return VALUE_SCALAR;
    }
}

bool value_describe(struct draft *draft, struct value *ret)
{
    CXCursor expression = clang_getNullCursor();
    clang_visitChildren(draft->value, descend, &expression);
    CXType type = clang_getCursorType(expression);
    *ret = (struct value){.kind = kind_of(type)};
    if (ret->kind == VALUE_NONE)
        return true;
    ret->type =
        value_literal_type(draft, expression, value_type(draft, type, &ret->type_text));
    bool is_incomplete = types_get(&draft->analysis->types, ret->type)->is_incomplete;
    if (is_incomplete && ret->kind == VALUE_RECORD) {
        diagnostic_in_piece(draft, SEVERITY_ERROR, &draft->pieces[draft->value_piece], 0,
                            "the value has the incomplete type '%s'", ret->type_text);
        free(ret->type_text);
        return false;
    }
    return true;
}

void value_assign(struct buffer *out, const struct value *value,
                  const struct piece *piece, const char *to)
{
    switch (value->kind) {
    case VALUE_NONE:
        buffer_format(out, "#line %u \"In[%u]\"\n(%s\n);\n", piece->line, piece->cell,
                      piece->text);
        break;
    case VALUE_SCALAR:
        buffer_format(out, "%s = (\n#line %u \"In[%u]\"\n%s\n);\n", to, piece->line,
                      piece->cell, piece->text);
        break;
    case VALUE_RECORD:
        buffer_format(out,
                      "{ __typeof__(%s) achar_result = (\n#line %u \"In[%u]\"\n%s\n);\n",
                      value->type_text, piece->line, piece->cell, piece->text);
        value_copy(out, to, "achar_result");
        buffer_add_string(out, "}\n");
        break;
    case VALUE_ARRAY:
        buffer_format(
            out,
            "{ const char *achar_from = (const char *)(\n#line %u \"In[%u]\"\n%s\n); "
            "char *achar_to = (char *)&%s; unsigned long achar_at; for (achar_at = 0; "
            "achar_at < sizeof(%s); achar_at++) achar_to[achar_at] = "
            "achar_from[achar_at]; }\n",
            piece->line, piece->cell, piece->text, to, to);
        break;
    }
}
