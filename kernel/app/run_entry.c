/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arguments become C literals; nothing of the command line gets into the text unchecked.
 */
#include "kernel/app/run_entry.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "kernel/display/literal.h"

/* An argument on its way into the text. */
struct argument {
    const char *function, *text;
    size_t number; /* from 1 */
    const struct types *types;
    const struct type *type; /* of the parameter ... */
    uint32_t id;             /* ... and its id */
};

static int refuse(const struct argument *a, const char *why, struct error *err)
{
    return error_set(err, -EINVAL, "argument %zu of '%s' is '%s': '%s' %s", a->number,
                     a->function, a->type->spelling, a->text, why);
}

/* --- numbers --- */

static bool is_unsigned(enum type_kind kind)
{
    return kind == TYPE_BOOL || kind == TYPE_UCHAR || kind == TYPE_USHORT ||
           kind == TYPE_UINT || kind == TYPE_ULONG || kind == TYPE_ULLONG ||
           kind == TYPE_UINT128;
}

static uint64_t max_of(const struct types *types, uint32_t number)
{
    uint64_t size = types_size(types, number);
    unsigned bits = (unsigned)(8 * (size > 8 || !size ? 8 : size));
    uint64_t all = UINT64_MAX >> (64 - bits);
    return is_unsigned(types_get(types, number)->kind) ? all : all >> 1;
}

/* `number` is the type's id, or that of what an enum is made of. */
static int add_integer(const struct argument *a, uint32_t number, struct buffer *out,
                       struct error *err)
{
    bool has_sign = !is_unsigned(types_get(a->types, number)->kind);
    bool is_negative = *a->text == '-';
    const char *digits = a->text + is_negative;
    bool is_hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    const char *allowed = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
    digits += is_hex ? 2 : 0;
    if (!*digits || digits[strspn(digits, allowed)])
        return refuse(a, "is not an integer", err);
    errno = 0;
    uint64_t value = strtoull(digits, NULL, is_hex ? 16 : 10);
    uint64_t max = max_of(a->types, number);
    if (is_negative && !has_sign && value)
        return refuse(a, "is negative", err);
    if (errno == ERANGE || value > max + (is_negative && has_sign))
        return refuse(a, "is out of its range", err);
    if (is_negative && value)
        buffer_format(out, "(-%lluLL - 1)", (unsigned long long)value - 1);
    else
        buffer_format(out, "%lluULL", (unsigned long long)value);
    return 0;
}

static int add_floating(const struct argument *a, struct buffer *out, struct error *err)
{
    char *end = NULL;
    errno = 0;
    long double value = strtold(a->text, &end);
    if (end == a->text || *end || strchr(" \t\n", *a->text))
        return refuse(a, "is not a number", err);
    double limit = a->type->kind == TYPE_FLOAT ? 0x1.fffffep127 : 0x1.fffffffffffffp1023;
    bool is_long = a->type->kind == TYPE_LDOUBLE;
    bool is_huge = isinf(value) ? errno == ERANGE : !is_long && fabsl(value) > limit;
    if (is_huge)
        return refuse(a, "is out of its range", err);
    if (isnan(value))
        buffer_add_string(out, "(0.0 / 0.0)");
    else if (isinf(value))
        buffer_add_string(out, value < 0 ? "(-1.0 / 0.0)" : "(1.0 / 0.0)");
    else if (is_long)
        literal_add_ldouble(out, value);
    else
        literal_add_double(out, strtod(a->text, NULL));
    if (is_long && isfinite(value))
        buffer_add_char(out, 'L');
    return 0;
}

static int add_bool(const struct argument *a, struct buffer *out, struct error *err)
{
    bool is_true = strcmp(a->text, "true") == 0 || strcmp(a->text, "1") == 0;
    if (!is_true && strcmp(a->text, "false") != 0 && strcmp(a->text, "0") != 0)
        return refuse(a, "is neither true nor false", err);
    buffer_add_char(out, is_true ? '1' : '0');
    return 0;
}

static int add_char(const struct argument *a, struct buffer *out, struct error *err)
{
    if (strlen(a->text) != 1)
        return refuse(a, "is not a single character", err);
    literal_add_char(out, (unsigned char)*a->text);
    return 0;
}

static int add_enum(const struct argument *a, struct buffer *out, struct error *err)
{
    for (size_t i = 0; i < a->type->n_enumerators; i++) {
        if (strcmp(a->type->enumerators[i].name, a->text) == 0) {
            buffer_add_string(out, a->text);
            return 0;
        }
    }
    if ((*a->text < '0' || *a->text > '9') && *a->text != '-')
        return refuse(a, "is not one of its names", err);
    return add_integer(a, a->type->target, out, err);
}

static bool is_char_pointer(const struct types *types, const struct type *type)
{
    return type->kind == TYPE_POINTER &&
           types_get(types, type->target)->kind == TYPE_CHAR;
}

/* An array of its own: the function may write to it. */
static void add_string(const char *text, struct buffer *out)
{
    buffer_add_string(out, "(char []){");
    literal_add_string(out, text, strlen(text));
    buffer_add_char(out, '}');
}

static int add_argument(const struct argument *a, struct buffer *out, struct error *err)
{
    enum type_kind kind = a->type->kind;
    if (kind == TYPE_BOOL)
        return add_bool(a, out, err);
    if (kind == TYPE_CHAR)
        return add_char(a, out, err);
    if (kind == TYPE_ENUM)
        return add_enum(a, out, err);
    if (type_is_integer(a->type))
        return add_integer(a, a->id, out, err);
    if (kind == TYPE_FLOAT || kind == TYPE_DOUBLE || kind == TYPE_LDOUBLE)
        return add_floating(a, out, err);
    if (!is_char_pointer(a->types, a->type))
        return error_set(
            err, -EINVAL,
            "argument %zu of '%s' is '%s', which cannot be given on a command "
            "line",
            a->number, a->function, a->type->spelling);
    add_string(a->text, out);
    return 0;
}

/* --- what is called --- */

static bool is_callable(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION ||
           definition->kind == DEFINITION_VARIABLE;
}

static const struct definition *find(const struct payload *payload, const char *name)
{
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (is_callable(payload->definitions[i]) &&
            strcmp(payload->definitions[i]->name, name) == 0)
            return payload->definitions[i];
    return NULL;
}

static int choose(const struct payload *payload, const char *name,
                  const struct definition **ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer names = {0};
    const struct definition *only = NULL;
    size_t n = 0;
    for (size_t i = 0; i < payload->n_names; i++) {
        const struct definition *definition = find(payload, payload->names[i]);
        if (!definition)
            continue;
        only = definition;
        buffer_format(&names, "%s'%s'", n++ ? ", " : "", definition->name);
    }
    if (name)
        only = find(payload, name);
    if (name && !only)
        return error_set(err, -EINVAL, "it has no function or variable '%s'; it has %s",
                         name, n ? buffer_string(&names) : "none");
    if (!only)
        return error_set(err, -EINVAL, "it holds no function or variable to run");
    if (!name && n > 1)
        return error_set(err, -EINVAL, "it holds %s: choose one with --name",
                         buffer_string(&names));
    *ret = only;
    return 0;
}

static bool is_program(const struct payload *payload, const struct definition *function)
{
    const struct types *types = &payload->types;
    const struct type *type = types_get(types, function->type);
    if (types_get(types, type->target)->kind != TYPE_INT)
        return false;
    if (strcmp(function->name, "main") == 0 && type->n_fields == 0)
        return true;
    if (type->n_fields != 2 || types_get(types, type->fields[0].type)->kind != TYPE_INT)
        return false;
    const struct type *second = types_get(types, type->fields[1].type);
    return second->kind == TYPE_POINTER &&
           is_char_pointer(types, types_get(types, second->target));
}

static int check_count(const struct payload *payload, const struct definition *function,
                       size_t n, struct error *err)
{
    const struct type *type = types_get(&payload->types, function->type);
    if (type->is_variadic)
        return error_set(
            err, -EINVAL,
            "'%s' takes any number of arguments: call it from a function that "
            "does not",
            function->name);
    if (type->n_fields == n)
        return 0;
    CLEANUP(buffer_clear) struct buffer list = {0};
    for (size_t i = 0; i < type->n_fields; i++)
        buffer_format(&list, "%s%s%s%s", i ? ", " : "",
                      types_get(&payload->types, type->fields[i].type)->spelling,
                      *type->fields[i].name ? " " : "", type->fields[i].name);
    return error_set(err, -EINVAL, "'%s' takes %zu arguments (%s), %zu given",
                     function->name, type->n_fields,
                     type->n_fields ? buffer_string(&list) : "void", n);
}

static int add_call(const struct payload *payload, const struct definition *function,
                    char *const *arguments, size_t n, struct buffer *out,
                    struct error *err)
{
    const struct type *type = types_get(&payload->types, function->type);
    int r = check_count(payload, function, n, err);
    buffer_format(out, "%s(", function->name);
    for (size_t i = 0; i < n && r == 0; i++) {
        struct argument argument = {
            .function = function->name,
            .text = arguments[i],
            .number = i + 1,
            .types = &payload->types,
            .id = type->fields[i].type,
            .type = types_get(&payload->types, type->fields[i].type),
        };
        buffer_add_string(out, i ? ", " : "");
        r = add_argument(&argument, out, err);
    }
    buffer_add_string(out, ")");
    return r;
}

static int make_call(struct payload *payload, const struct definition *function,
                     char *const *arguments, size_t n, struct buffer *out,
                     struct error *err)
{
    CLEANUP(buffer_clear) struct buffer call = {0};
    const struct type *type = types_get(&payload->types, function->type);
    const struct type *value = types_get(&payload->types, type->target);
    int r = add_call(payload, function, arguments, n, &call, err);
    if (r < 0)
        return r;
    if (value->kind == TYPE_VOID) {
        buffer_format(out, "void achar_entry(void) { %s; }", call.data);
        return 0;
    }
    payload->value_type = type->target;
    buffer_format(
        out, "__typeof__(%s) achar_value;\nvoid achar_entry(void) { achar_value = %s; }",
        value->spelling, call.data);
    return 0;
}

/* Its result is the exit status, as a program's. */
static int make_program(const struct payload *payload, const struct definition *function,
                        char *const *arguments, size_t n, struct buffer *out,
                        struct error *err)
{
    bool has_arguments = types_get(&payload->types, function->type)->n_fields == 2;
    if (!has_arguments && n)
        return check_count(payload, function, n, err);
    buffer_add_string(out, "extern void exit(int);\nvoid achar_entry(void)\n{\n"
                           "    char *achar_arguments[] = {");
    add_string(function->name, out);
    for (size_t i = 0; i < n; i++) {
        buffer_add_string(out, ", ");
        add_string(arguments[i], out);
    }
    buffer_add_string(out, ", 0};\n");
    if (has_arguments)
        buffer_format(out, "    exit(%s(%zu, achar_arguments));\n}", function->name,
                      n + 1);
    else
        buffer_format(out, "    exit(%s());\n}", function->name);
    return 0;
}

/* The bytes are copied, so that arrays and const objects are no exception; value_type
 * says what they are. */
static int make_look(struct payload *payload, const struct definition *variable, size_t n,
                     struct buffer *out, struct error *err)
{
    if (n)
        return error_set(err, -EINVAL, "'%s' is a variable and takes no arguments",
                         variable->name);
    payload->value_type = variable->type;
    buffer_format(out,
                  "long double achar_value[(sizeof(%s) + sizeof(long double) - 1) / "
                  "sizeof(long double)];\n"
                  "void achar_entry(void)\n{\n"
                  "    for (unsigned long i = 0; i < sizeof(%s); i++)\n"
                  "        ((char *)achar_value)[i] = ((const char *)&%s)[i];\n}",
                  variable->name, variable->name, variable->name);
    return 0;
}

int run_entry_make(struct payload *payload, const char *name, char *const *arguments,
                   size_t n, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    const struct definition *definition = NULL;
    int r = choose(payload, name, &definition, err);
    if (r < 0)
        return r;
    if (definition->kind == DEFINITION_VARIABLE)
        r = make_look(payload, definition, n, &text, err);
    else if (is_program(payload, definition))
        r = make_program(payload, definition, arguments, n, &text, err);
    else
        r = make_call(payload, definition, arguments, n, &text, err);
    if (r < 0)
        return r;
    payload->entry = PAYLOAD_CALL;
    payload->entry_text = buffer_take(&text);
    payload->cell = 0;
    return 0;
}
