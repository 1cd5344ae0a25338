/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A record is entered before its members are read, so that it may contain pointers to
 * itself. A record without a name is spelled by the way to it from the record around it:
 * __typeof__(((struct outer *)0)->member). */
#include "kernel/unit/typing.h"

#include <string.h>

#include "pickler/type/index.h"

#define TYPE_DEPTH_MAX 1000 /* types around a type; deeper ones become TYPE_OTHER */

struct walk {
    const struct typing *typing;
    unsigned depth;
};

static uint32_t id_of(struct walk *walk, CXType type);

char *take_string(CXString string)
{
    const char *text = clang_getCString(string);
    char *copy = must_strdup(text ? text : "");
    clang_disposeString(string);
    return copy;
}

static bool has_no_name(const char *spelling)
{
    return strstr(spelling, "(unnamed") || strstr(spelling, "(anonymous");
}

/* The record, enum or typedef under pointers, arrays and functions. */
static CXType innermost(CXType type)
{
    for (unsigned i = 0; i < TYPE_DEPTH_MAX; i++) {
        CXType inner = clang_getPointeeType(type);
        if (inner.kind == CXType_Invalid)
            inner = clang_getArrayElementType(type);
        if (inner.kind == CXType_Invalid)
            inner = clang_getResultType(type);
        if (inner.kind == CXType_Invalid)
            break;
        type = inner;
    }
    return type;
}

static bool is_declared_in_function(CXType type)
{
    CXCursor cursor = clang_getTypeDeclaration(type);
    for (unsigned i = 0; i < TYPE_DEPTH_MAX; i++) {
        enum CXCursorKind kind = clang_getCursorKind(cursor);
        if (kind == CXCursor_FunctionDecl)
            return true;
        if (clang_isInvalid(kind) || kind == CXCursor_TranslationUnit)
            return false;
        cursor = clang_getCursorSemanticParent(cursor);
    }
    return false;
}

bool typing_is_local(CXType type)
{
    CXType inner = innermost(clang_getCanonicalType(type));
    return is_declared_in_function(inner);
}

/* As written where that can be said at file scope, else without typedefs. */
static char *plain_spelling(CXType type)
{
    CLEANUP(freep) char *written = take_string(clang_getTypeSpelling(type));
    if (!strstr(written, "typeof") && !strstr(written, "__attribute__") &&
        !strstr(written, "__size_t") && !strstr(written, "__ptrdiff_t") &&
        !has_no_name(written) && !is_declared_in_function(innermost(type)))
        return TAKE(written);
    return take_string(clang_getTypeSpelling(clang_getCanonicalType(type)));
}

/* ---- records without a name -------------------------------------------------------- */

struct search {
    CXCursor declaration;
    const char *prefix; /* "((struct outer *)0)->" */
    char *path;
};

static char *way_into(CXType type, CXCursor declaration, char *path)
{
    for (unsigned i = 0; i < TYPE_DEPTH_MAX; i++) {
        CXType inner = clang_getArrayElementType(type);
        bool is_array = inner.kind != CXType_Invalid;
        if (!is_array)
            inner = clang_getPointeeType(type);
        if (inner.kind == CXType_Invalid)
            break;
        char *longer = is_array ? must_format("%s[0]", path) : must_format("(*%s)", path);
        free(path);
        path = longer;
        type = clang_getCanonicalType(inner);
    }
    if (clang_equalCursors(clang_getTypeDeclaration(type), declaration))
        return path;
    free(path);
    return NULL;
}

static enum CXVisitorResult search_field(CXCursor field, CXClientData data)
{
    struct search *search = data;
    CLEANUP(freep) char *name = take_string(clang_getCursorSpelling(field));
    CXType type = clang_getCanonicalType(clang_getCursorType(field));
    if (!*name || has_no_name(name)) {
        clang_Type_visitFields(type, search_field, search);
    } else {
        search->path = way_into(type, search->declaration,
                                must_format("%s%s", search->prefix, name));
    }
    return search->path ? CXVisit_Break : CXVisit_Continue;
}

/* Owned spelling of an unnamed record; NULL when there is no way to it. */
static char *spell_unnamed(const struct typing *typing, CXCursor declaration)
{
    CXCursor parent = clang_getCursorLexicalParent(declaration);
    enum CXCursorKind kind = clang_getCursorKind(parent);
    if (kind != CXCursor_StructDecl && kind != CXCursor_UnionDecl)
        return NULL;
    CXType type = clang_getCursorType(parent);
    CLEANUP(freep) char *outer = typing_spelling(typing, type);
    CLEANUP(freep) char *prefix = must_format("((%s *)0)->", outer);
    struct search search = {.declaration = declaration, .prefix = prefix};
    if (has_no_name(outer))
        return NULL;
    clang_Type_visitFields(type, search_field, &search);
    if (!search.path)
        return NULL;
    char *spelling = must_format("__typeof__(%s)", search.path);
    free(search.path);
    return spelling;
}

/* Compound types over an unnamed record, from the inside out. */
static char *spell_compound(const struct typing *typing, CXType type)
{
    type = clang_getCanonicalType(type);
    CXType inner = clang_getArrayElementType(type);
    bool is_array = inner.kind != CXType_Invalid;
    if (!is_array)
        inner = clang_getPointeeType(type);
    if (inner.kind != CXType_Invalid) {
        CLEANUP(freep) char *part = typing_spelling(typing, inner);
        long long count = clang_getArraySize(type);
        if (!is_array)
            return must_format("__typeof__(%s) *%s", part,
                               clang_isConstQualifiedType(type) ? " const" : "");
        return count < 0 ? must_format("__typeof__(%s)[]", part)
                         : must_format("__typeof__(%s)[%lld]", part, count);
    }
    char *spelling = spell_unnamed(typing, clang_getTypeDeclaration(type));
    if (!spelling || !clang_isConstQualifiedType(type))
        return spelling;
    char *constant = must_format("const %s", spelling);
    free(spelling);
    return constant;
}

/* nullptr_t is a name of <stddef.h>, which need not be there. */
static char *without_nullptr_t(char *spelling)
{
    static const char name[] = "nullptr_t";
    const char *at = strstr(spelling, name);
    if (!at)
        return spelling;
    char *ret = must_format("%.*s__typeof__(nullptr)%s", (int)(at - spelling), spelling,
                            at + strlen(name));
    free(spelling);
    return ret;
}

char *typing_spelling(const struct typing *typing, CXType type)
{
    char *spelling = without_nullptr_t(plain_spelling(type));
    if (!has_no_name(spelling))
        return spelling;
    char *better = spell_compound(typing, type);
    if (!better)
        return spelling;
    free(spelling);
    return better;
}

/* ---- entries ------------------------------------------------------------------------
 */

static const struct {
    enum CXTypeKind from;
    enum type_kind to;
} basic_kinds[] = {
    {CXType_Void, TYPE_VOID},
    {CXType_Bool, TYPE_BOOL},
    {CXType_Char_S, TYPE_CHAR},
    {CXType_Char_U, TYPE_CHAR},
    {CXType_SChar, TYPE_SCHAR},
    {CXType_UChar, TYPE_UCHAR},
    {CXType_Short, TYPE_SHORT},
    {CXType_UShort, TYPE_USHORT},
    {CXType_Int, TYPE_INT},
    {CXType_UInt, TYPE_UINT},
    {CXType_Long, TYPE_LONG},
    {CXType_ULong, TYPE_ULONG},
    {CXType_LongLong, TYPE_LLONG},
    {CXType_ULongLong, TYPE_ULLONG},
    {CXType_Int128, TYPE_INT128},
    {CXType_UInt128, TYPE_UINT128},
    {CXType_Float, TYPE_FLOAT},
    {CXType_Double, TYPE_DOUBLE},
    {CXType_LongDouble, TYPE_LDOUBLE},
    {CXType_Enum, TYPE_ENUM},
    {CXType_Pointer, TYPE_POINTER},
    {CXType_ConstantArray, TYPE_ARRAY},
    {CXType_Vector, TYPE_ARRAY},
    {CXType_IncompleteArray, TYPE_ARRAY},
    {CXType_FunctionProto, TYPE_FUNCTION},
    {CXType_FunctionNoProto, TYPE_FUNCTION},
};

static enum type_kind basic_kind(CXType canonical)
{
    for (size_t i = 0; i < sizeof(basic_kinds) / sizeof(*basic_kinds); i++)
        if (basic_kinds[i].from == canonical.kind)
            return basic_kinds[i].to;
    return TYPE_OTHER;
}

/* An atomic number is stored as a plain one. */
static enum type_kind atomic_kind(CXType atomic)
{
    enum type_kind kind =
        basic_kind(clang_getCanonicalType(clang_Type_getValueType(atomic)));
    return kind < TYPE_COMPLEX ? kind : TYPE_OTHER;
}

static enum type_kind kind_of(CXType canonical)
{
    if (canonical.kind == CXType_Atomic)
        return atomic_kind(canonical);
    if (canonical.kind == CXType_Complex) {
        enum CXTypeKind element = clang_getElementType(canonical).kind;
        bool is_real = element == CXType_Float || element == CXType_Double ||
                       element == CXType_LongDouble;
        return is_real ? TYPE_COMPLEX : TYPE_OTHER;
    }
    if (canonical.kind == CXType_Record) {
        CXCursor declaration = clang_getTypeDeclaration(canonical);
        return clang_getCursorKind(declaration) == CXCursor_UnionDecl ? TYPE_UNION
                                                                      : TYPE_STRUCT;
    }
    return basic_kind(canonical);
}

static bool same_parameters(const struct type *a, const struct type *b)
{
    if (a->n_fields != b->n_fields)
        return false;
    for (size_t i = 0; i < a->n_fields; i++)
        if (a->fields[i].type != b->fields[i].type)
            return false;
    return true;
}

static uint32_t find_entry(const struct types *types, const struct type *type)
{
    uint32_t id = 0;
    while ((id = types_index_next(types, type->kind, type->spelling, id))) {
        const struct type *at = types_get(types, id);
        if (at->is_const == type->is_const && at->is_incomplete == type->is_incomplete &&
            at->target == type->target && at->count == type->count &&
            at->definition == type->definition && at->is_variadic == type->is_variadic &&
            (type->kind != TYPE_FUNCTION || same_parameters(at, type)))
            return id;
    }
    return 0;
}

static void type_clear(struct type *type)
{
    for (size_t i = 0; i < type->n_fields; i++)
        free(type->fields[i].name);
    free(type->fields);
    free(type->spelling);
}

struct fields {
    struct walk *walk;
    struct type_field *at;
    size_t n, capacity;
    uint32_t overlay, *last_overlay;
};

static enum CXVisitorResult add_field(CXCursor cursor, CXClientData data)
{
    struct fields *fields = data;
    CXType type = clang_getCursorType(cursor);
    char *name = take_string(clang_getCursorSpelling(cursor));
    bool is_bits = clang_Cursor_isBitField(cursor);
    if (!*name || has_no_name(name)) {
        free(name);
        CXType record = clang_getCanonicalType(type);
        if (is_bits || record.kind != CXType_Record)
            return CXVisit_Continue;
        uint32_t outer = fields->overlay;
        if (kind_of(record) == TYPE_UNION && !outer)
            fields->overlay = ++*fields->last_overlay;
        clang_Type_visitFields(record, add_field, fields);
        fields->overlay = outer;
        return CXVisit_Continue;
    }
    struct type_field field = {.name = name,
                               .type = id_of(fields->walk, type),
                               .bits = is_bits ? clang_getFieldDeclBitWidth(cursor) : -1,
                               .overlay = fields->overlay};
    GROW(fields->at, fields->n, fields->capacity);
    fields->at[fields->n++] = field;
    return CXVisit_Continue;
}

static void fill_record(struct walk *walk, uint32_t id, CXType canonical)
{
    uint32_t last_overlay = 0;
    struct fields fields = {.walk = walk, .last_overlay = &last_overlay};
    clang_Type_visitFields(canonical, add_field, &fields);
    struct type *entry = types_edit(walk->typing->types, id);
    entry->fields = fields.at;
    entry->n_fields = fields.n;
}

static enum CXChildVisitResult add_enumerator(CXCursor cursor, CXCursor parent,
                                              CXClientData data)
{
    struct type *entry = data;
    if (clang_getCursorKind(cursor) != CXCursor_EnumConstantDecl)
        return CXChildVisit_Continue;
    entry->enumerators = must_realloc(entry->enumerators, entry->n_enumerators + 1,
                                      sizeof(*entry->enumerators));
    entry->enumerators[entry->n_enumerators++] =
        (struct type_enumerator){take_string(clang_getCursorSpelling(cursor)),
                                 clang_getEnumConstantDeclValue(cursor)};
    return CXChildVisit_Continue;
}

/* What a type is made of, without typedefs; but wide characters keep their names, which
 * tell them from other integers. */
static CXType part_of(CXType written, CXType canonical, CXType (*part)(CXType))
{
    static const char *const names[] = {"wchar_t", "char16_t", "char32_t"};
    CXType inner = part(written);
    if (inner.kind == CXType_Invalid)
        return part(canonical);
    CLEANUP(freep)
    char *name = take_string(clang_getTypeSpelling(clang_getUnqualifiedType(inner)));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strstr(name, names[i]))
            return inner;
    return part(canonical);
}

static void describe(struct walk *walk, CXType written, CXType canonical,
                     struct type *type)
{
    switch (type->kind) {
    case TYPE_POINTER:
        type->target = id_of(walk, part_of(written, canonical, clang_getPointeeType));
        break;
    case TYPE_COMPLEX:
        type->target = id_of(walk, clang_getElementType(canonical));
        break;
    case TYPE_ARRAY:
        type->target = id_of(walk, part_of(written, canonical, clang_getElementType));
        type->is_incomplete = canonical.kind == CXType_IncompleteArray;
        if (!type->is_incomplete)
            type->count = (uint64_t)clang_getNumElements(canonical);
        break;
    case TYPE_FUNCTION:
        type->target = id_of(walk, clang_getResultType(canonical));
        type->is_variadic = clang_isFunctionTypeVariadic(canonical);
        int n = clang_getNumArgTypes(canonical);
        type->fields = n > 0 ? must_alloc((size_t)n * sizeof(*type->fields)) : NULL;
        for (int i = 0; i < n; i++)
            type->fields[type->n_fields++] = (struct type_field){
                .name = must_strdup(""),
                .type = id_of(walk, clang_getArgType(canonical, (unsigned)i)),
                .bits = -1};
        break;
    default: /* leaves, records and enums */
        break;
    }
}

static uint32_t plain_id(struct types *types, enum type_kind kind, const char *spelling)
{
    struct type type = {.kind = kind, .spelling = must_strdup(spelling)};
    uint32_t id = find_entry(types, &type);
    if (!id)
        return types_add(types, &type);
    type_clear(&type);
    return id;
}

static uint32_t add_tagged(struct walk *walk, CXType canonical, struct type *type)
{
    const struct typing *typing = walk->typing;
    CXCursor declaration = clang_getTypeDeclaration(canonical);
    CXCursor body = clang_getCursorDefinition(declaration);
    type->is_incomplete = clang_Cursor_isNull(body);
    if (!type->is_incomplete)
        declaration = body;
    type->definition = typing->definition_of(typing->context, declaration);
    if (type->kind == TYPE_ENUM)
        type->target = type->is_incomplete
                           ? plain_id(typing->types, TYPE_UINT, "unsigned int")
                           : id_of(walk, clang_getEnumDeclIntegerType(declaration));
    uint32_t id = find_entry(typing->types, type);
    if (id) {
        type_clear(type);
        return id;
    }
    if (type->kind == TYPE_ENUM)
        clang_visitChildren(declaration, add_enumerator, type);
    bool is_record = type->kind != TYPE_ENUM && !type->is_incomplete;
    id = types_add(typing->types, type);
    if (is_record)
        fill_record(walk, id, canonical);
    return id;
}

static uint32_t id_of(struct walk *walk, CXType type)
{
    const struct typing *typing = walk->typing;
    CXType canonical = clang_getCanonicalType(type);
    enum type_kind kind = kind_of(canonical);
    if (kind == TYPE_VOID && !clang_isConstQualifiedType(canonical))
        return 0;
    bool is_tagged = kind == TYPE_STRUCT || kind == TYPE_UNION || kind == TYPE_ENUM;
    struct type entry = {.kind = kind, .is_const = clang_isConstQualifiedType(canonical)};
    entry.spelling = typing_spelling(typing, is_tagged ? canonical : type);
    if (walk->depth > TYPE_DEPTH_MAX || has_no_name(entry.spelling) ||
        typing->types->n >= TYPES_MAX)
        entry.kind = kind = TYPE_OTHER;
    if (is_tagged && kind != TYPE_OTHER) {
        walk->depth++;
        uint32_t id = add_tagged(walk, canonical, &entry);
        walk->depth--;
        return id;
    }
    walk->depth++;
    describe(walk, type, canonical, &entry);
    walk->depth--;
    uint32_t id = find_entry(typing->types, &entry);
    if (!id)
        return types_add(typing->types, &entry);
    type_clear(&entry);
    return id;
}

uint32_t typing_id(const struct typing *typing, CXType type)
{
    struct walk walk = {.typing = typing};
    return id_of(&walk, type);
}
