/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers go through printf() and strtod() of the C locale: display_value() sets it,
 * since a cell may have called setlocale(). */
#include "kernel/display/literal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/display/bit_integer.h"

#define ENUM_FLAGS_MAX 64

static const char *simple_escape(unsigned char c)
{
    switch (c) {
    case '\a':
        return "\\a";
    case '\b':
        return "\\b";
    case '\t':
        return "\\t";
    case '\n':
        return "\\n";
    case '\v':
        return "\\v";
    case '\f':
        return "\\f";
    case '\r':
        return "\\r";
    case '\\':
        return "\\\\";
    default:
        return NULL;
    }
}

void literal_add_byte(struct buffer *out, unsigned char c, char quote)
{
    const char *escape = simple_escape(c);
    if (escape)
        buffer_add_string(out, escape);
    else if (c == (unsigned char)quote)
        buffer_format(out, "\\%c", c);
    else if (c >= 0x20 && c < 0x7f)
        buffer_add_char(out, (char)c);
    else
        buffer_format(out, "\\%03o", c);
}

void literal_add_char(struct buffer *out, unsigned char c)
{
    buffer_add_char(out, '\'');
    if (c)
        literal_add_byte(out, c, '\'');
    else
        buffer_add_string(out, "\\0");
    buffer_add_char(out, '\'');
}

/* Length of the UTF-8 character at `text`, 0 when it is none or a control character. */
static size_t utf8_length(const unsigned char *text, size_t size)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4 || size < n)
        return 0;
    uint32_t code = text[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        code < 0xa0)
        return 0;
    return n;
}

void literal_add_string(struct buffer *out, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    buffer_add_char(out, '"');
    for (size_t i = 0; i < size;) {
        size_t n = bytes[i] < 0x80 ? 0 : utf8_length(bytes + i, size - i);
        if (n)
            buffer_add(out, text + i, n);
        else
            literal_add_byte(out, bytes[i], '"');
        i += n ? n : 1;
    }
    buffer_add_char(out, '"');
}

static void add_number(struct buffer *out, const char *text)
{
    buffer_add_string(out, text);
    if (!strpbrk(text, ".en")) /* "inf" and "nan" have an n */
        buffer_add_string(out, ".0");
}

void literal_add_float(struct buffer *out, float value)
{
    char text[64];
    for (int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (isnan(value) || strtof(text, NULL) == value)
            break;
    }
    add_number(out, text);
}

void literal_add_double(struct buffer *out, double value)
{
    char text[64];
    for (int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 15; digits <= 17;
         digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (isnan(value) || strtod(text, NULL) == value)
            break;
    }
    add_number(out, text);
}

void literal_add_ldouble(struct buffer *out, long double value)
{
    char text[80];
    for (int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 18; digits <= 36;
         digits++) {
        snprintf(text, sizeof(text), "%.*Lg", digits, value);
        if (isnan(value) || strtold(text, NULL) == value)
            break;
    }
    add_number(out, text);
}

/* An enumeration that simply counts 0, 1, 2 is not one of flags. */
static bool is_counting(const struct type *type)
{
    for (size_t i = 0; i < type->n_enumerators; i++)
        if (type->enumerators[i].value != (int64_t)i)
            return false;
    return true;
}

static bool add_flags(struct buffer *out, const struct type *type, uint64_t value)
{
    if (!value || is_counting(type))
        return false;
    size_t mark = out->size;
    uint64_t rest = value;
    for (size_t i = 0; i < type->n_enumerators && rest; i++) {
        uint64_t bit = (uint64_t)type->enumerators[i].value;
        if (!bit || (bit & (bit - 1)) || !(rest & bit))
            continue;
        if (out->size > mark)
            buffer_add_string(out, " | ");
        buffer_add_string(out, type->enumerators[i].name);
        rest &= ~bit;
    }
    if (rest && out->size > mark)
        buffer_format(out, " | %" PRIu64, rest);
    return out->size > mark;
}

void literal_add_enum(struct buffer *out, const struct type *type, int64_t value)
{
    for (size_t i = 0; i < type->n_enumerators; i++) {
        if (type->enumerators[i].value == value) {
            buffer_add_string(out, type->enumerators[i].name);
            return;
        }
    }
    buffer_reserve(out, 1);
    if (!add_flags(out, type, (uint64_t)value))
        buffer_format(out, "(%s)%" PRId64, type->spelling ? type->spelling : "enum",
                      value);
}

static bool is_signed(enum type_kind kind)
{
    switch ((int)kind) {
    case TYPE_CHAR:
        return (char)-1 < 0;
    case TYPE_SCHAR:
    case TYPE_SHORT:
    case TYPE_INT:
    case TYPE_LONG:
    case TYPE_LLONG:
    case TYPE_INT128:
        return true;
    default:
        return false;
    }
}

void literal_add_integer(struct buffer *out, const struct types *types, uint32_t id,
                         int64_t value)
{
    const struct type *type = types_get(types, id);
    if (type->kind == TYPE_ENUM)
        literal_add_enum(out, type, value);
    else if (type->kind == TYPE_BOOL && (value == 0 || value == 1))
        buffer_add_string(out, value ? "true" : "false");
    else if (type->kind == TYPE_BOOL)
        buffer_format(out, "(bool)%" PRId64, value);
    else if (type->kind == TYPE_CHAR)
        literal_add_char(out, (unsigned char)value);
    else if (is_signed(type->kind))
        buffer_format(out, "%" PRId64, value);
    else
        buffer_format(out, "%" PRIu64, (uint64_t)value);
}

static void add_int128(struct buffer *out, bool is_negative, unsigned __int128 value)
{
    char digits[40];
    size_t at = sizeof(digits);
    if (is_negative)
        value = -value;
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value);
    if (is_negative)
        digits[--at] = '-';
    buffer_add(out, digits + at, sizeof(digits) - at);
}

static bool add_sized_integer(struct buffer *out, const struct types *types, uint32_t id,
                              const void *address, uint64_t size)
{
    const struct type *type = types_get(types, id);
    const struct type *number =
        type->kind == TYPE_ENUM ? types_get(types, type->target) : type;
    uint64_t bits = 0;
    if (!size || size > sizeof(bits))
        return false;
    memcpy(&bits, address, size); /* little-endian, as every target of the loader is */
    unsigned unused = (unsigned)(64 - 8 * size);
    int64_t value = (int64_t)(bits << unused);
    value = is_signed(number->kind) ? value >> unused : (int64_t)bits;
    literal_add_integer(out, types, id, value);
    return true;
}

static void add_complex(struct buffer *out, const struct types *types, uint32_t element,
                        const char *address)
{
    uint64_t size = types_size(types, element);
    literal_add(out, types, element, address);
    size_t mark = out->size;
    literal_add(out, types, element, address + size);
    bool is_negative = out->size > mark && out->data[mark] == '-';
    CLEANUP(freep) char *imaginary = must_strdup(out->data + mark + is_negative);
    out->size = mark;
    buffer_format(out, " %c %s*I", is_negative ? '-' : '+', imaginary);
}

/* IEEE 754 binary16. */
static float half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexpf((float)(fraction + 1024), exponent - 25)
                                 : ldexpf((float)fraction, -24);
    return bits >> 15 ? -value : value;
}

static void add_half(struct buffer *out, uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    float value = half_value(bits), step = ldexpf(1, (exponent ? exponent : 1) - 25);
    char text[32];
    for (int digits = 1; digits <= 5; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (isnan(value) || fabsf(strtof(text, NULL) - value) < step / 2)
            break;
    }
    add_number(out, text);
}

#if defined(__HAVE_FLOAT128) && __HAVE_FLOAT128 && !defined(__clang__)
static bool add_quad(struct buffer *out, const void *address)
{
    _Float128 value;
    char text[80];
    memcpy(&value, address, sizeof(value));
    for (int digits = 33; digits <= 36; digits++) {
        char format[8];
        snprintf(format, sizeof(format), "%%.%dg", digits);
        strfromf128(text, sizeof(text), format, value);
        if (value != value || strtof128(text, NULL) == value)
            break;
    }
    add_number(out, text);
    return true;
}
#else
static bool add_quad(struct buffer *out, const void *address)
{
    (void)out;
    (void)address;
    return false;
}
#endif

uint64_t literal_other_size(const char *spelling)
{
    const char *blank = spelling ? strrchr(spelling, ' ') : NULL;
    const char *name = blank ? blank + 1 : spelling ? spelling : "";
    if (!strcmp(name, "_Float16") || !strcmp(name, "__fp16"))
        return 2;
    if (!strcmp(name, "__float128") || !strcmp(name, "_Float128"))
        return 16;
    return bit_integer_size(spelling);
}

static bool literal_add_other(struct buffer *out, const char *spelling,
                              const void *address)
{
    uint64_t size = literal_other_size(spelling);
    uint16_t half;
    if (bit_integer_size(spelling)) {
        bit_integer_add(out, spelling, address);
        return true;
    }
    if (size == 16)
        return add_quad(out, address);
    if (size != sizeof(half))
        return false;
    memcpy(&half, address, sizeof(half));
    add_half(out, half);
    return true;
}

#define READ(type_, name, address)                                                       \
    type_ name;                                                                          \
    memcpy(&name, address, sizeof(name))

bool literal_add(struct buffer *out, const struct types *types, uint32_t id,
                 const void *address)
{
    const struct type *type = types_get(types, id);
    switch ((int)type->kind) {
    case TYPE_FLOAT: {
        READ(float, value, address);
        literal_add_float(out, value);
        return true;
    }
    case TYPE_DOUBLE: {
        READ(double, value, address);
        literal_add_double(out, value);
        return true;
    }
    case TYPE_LDOUBLE: {
        READ(long double, value, address);
        literal_add_ldouble(out, value);
        return true;
    }
    case TYPE_INT128:
    case TYPE_UINT128: {
        READ(__int128, value, address);
        add_int128(out, type->kind == TYPE_INT128 && value < 0, (unsigned __int128)value);
        return true;
    }
    case TYPE_OTHER:
        return literal_add_other(out, type->spelling, address);
    case TYPE_COMPLEX:
        add_complex(out, types, type->target, address);
        return true;
    default:
        return type_is_integer(type) &&
               add_sized_integer(out, types, id, address, types_size(types, id));
    }
}
