/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One object of an old type into one of a new type. Numbers are converted where the new
 * type can hold them; what it cannot is zero, and that is said once for each field. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pickler/value/migrate_state.h"
#include "pickler/value/scalar.h"

struct number {
    bool is_float, is_negative;
    long double real;
    uint64_t bits; /* two's complement when negative */
};

/* ---- numbers -------------------------------------------------------------------------
 */

static const struct type *underlying(const struct types *types, const struct type *type)
{
    return type->kind == TYPE_ENUM ? types_get(types, type->target) : type;
}

static bool is_signed(const struct type *type)
{
    return type->kind == TYPE_CHAR
               ? (char)-1 < 0
               : type->kind == TYPE_SCHAR || type->kind == TYPE_SHORT ||
                     type->kind == TYPE_INT || type->kind == TYPE_LONG ||
                     type->kind == TYPE_LLONG;
}

static bool is_plain_number(const struct types *types, const struct type *type)
{
    const struct type *number = underlying(types, type);
    return type_is_arithmetic(type) && number->kind != TYPE_INT128 &&
           number->kind != TYPE_UINT128;
}

static struct number of_integer(int64_t value, bool has_sign)
{
    return (struct number){.bits = (uint64_t)value, .is_negative = has_sign && value < 0};
}

static struct number read_number(const struct migrate *m, uint32_t id, const char *at)
{
    const struct type *type = underlying(m->types, types_get(m->types, id));
    struct number number = {.is_float = true};
    float single;
    double real;
    switch (type->kind) {
    case TYPE_FLOAT:
        memcpy(&single, at, sizeof(single));
        number.real = single;
        return number;
    case TYPE_DOUBLE:
        memcpy(&real, at, sizeof(real));
        number.real = real;
        return number;
    case TYPE_LDOUBLE:
        memcpy(&number.real, at, sizeof(number.real));
        return number;
    default:
        break;
    }
    unsigned size = (unsigned)types_size(m->types, id);
    return is_signed(type) ? of_integer(load_signed(at, size), true)
                           : of_integer((int64_t)load_unsigned(at, size), false);
}

/* The integer that it is; false when it is none that 64 bits hold. */
static bool as_integer(const struct number *number, struct number *ret)
{
    long double real = number->real;
    if (!number->is_float) {
        *ret = *number;
        return true;
    }
    if (!(real >= -0x1p63L && real < 0x1p64L))
        return false;
    *ret = real < 0 ? of_integer((int64_t)real, true)
                    : (struct number){.bits = (uint64_t)real};
    return (ret->is_negative ? (long double)(int64_t)ret->bits
                             : (long double)ret->bits) == real;
}

static bool fits(const struct number *number, unsigned size, bool has_sign)
{
    if (has_sign)
        return number->is_negative ? fits_signed((int64_t)number->bits, size)
                                   : number->bits >> (8 * size - 1) == 0;
    return !number->is_negative && fits_unsigned(number->bits, size);
}

static bool write_number(const struct migrate *m, uint32_t id, char *at,
                         const struct number *number)
{
    const struct type *type = underlying(m->types, types_get(m->types, id));
    long double real = number->is_float      ? number->real
                       : number->is_negative ? (long double)(int64_t)number->bits
                                             : (long double)number->bits;
    float single = (float)real;
    double twice = (double)real;
    struct number integer;
    unsigned size = (unsigned)types_size(m->types, id);
    switch (type->kind) {
    case TYPE_FLOAT:
        memcpy(at, &single, sizeof(single));
        return true;
    case TYPE_DOUBLE:
        memcpy(at, &twice, sizeof(twice));
        return true;
    case TYPE_LDOUBLE:
        memcpy(at, &real, sizeof(real));
        return true;
    case TYPE_BOOL:
        *at = real != 0;
        return true;
    default:
        break;
    }
    if (!as_integer(number, &integer) || !fits(&integer, size, is_signed(type)))
        return false;
    store_integer(at, size, integer.bits);
    return true;
}

/* An enumerator keeps its name; what has none that is still there keeps its number. */
static void follow_enumerator(const struct type *from, const struct type *to,
                              struct number *number)
{
    const char *name = NULL;
    if (from->kind != TYPE_ENUM || to->kind != TYPE_ENUM || number->is_float)
        return;
    for (size_t i = 0; !name && i < from->n_enumerators; i++)
        if ((uint64_t)from->enumerators[i].value == number->bits)
            name = from->enumerators[i].name;
    for (size_t i = 0; name && i < to->n_enumerators; i++)
        if (!strcmp(to->enumerators[i].name, name)) {
            *number = of_integer(to->enumerators[i].value, true);
            return;
        }
}

static void convert_number(struct migrate *m, uint32_t from_type, const char *from,
                           uint32_t to_type, char *to, const char *where)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    struct number number = read_number(m, from_type, from);
    follow_enumerator(old, new, &number);
    if (write_number(m, to_type, to, &number))
        return;
    if (number.is_float)
        migrate_note(m, "'%s' was %Lg, which '%s' cannot hold, and is 0", where,
                     number.real, new->spelling);
    else
        migrate_note(m, "'%s' was %" PRId64 ", which '%s' cannot hold, and is 0", where,
                     (int64_t)number.bits, new->spelling);
}

/* ---- records -------------------------------------------------------------------------
 */

static size_t find_field(const struct type *record, const char *name)
{
    for (size_t i = 0; *name && i < record->n_fields; i++)
        if (!strcmp(record->fields[i].name, name))
            return i;
    return SIZE_MAX;
}

static void note_fields(struct migrate *m, uint32_t from_type, uint32_t to_type,
                        const char *where)
{
    const struct type *from = types_get(m->types, from_type);
    const struct type *to = types_get(m->types, to_type);
    CLEANUP(buffer_clear) struct buffer text = {0};
    bool is_new;
    map_at(&m->noted, (uint64_t)from_type << 32 | to_type, &is_new);
    for (size_t i = 0; is_new && i < from->n_fields; i++)
        if (*from->fields[i].name && find_field(to, from->fields[i].name) == SIZE_MAX)
            buffer_format(&text, "%s '%s' dropped", text.size ? "," : " field",
                          from->fields[i].name);
    bool is_first = true;
    for (size_t i = 0; is_new && i < to->n_fields; i++)
        if (*to->fields[i].name && find_field(from, to->fields[i].name) == SIZE_MAX) {
            buffer_format(&text, "%s '%s' is 0",
                          !text.size ? ""
                          : is_first ? ";"
                                     : ",",
                          to->fields[i].name);
            is_first = false;
        }
    if (!text.size)
        return;
    if (strcmp(where, from->spelling) != 0)
        migrate_note(m, "%s (%s):%s", where, from->spelling, buffer_string(&text));
    else
        migrate_note(m, "%s:%s", where, buffer_string(&text));
}

static int64_t get_bits(const struct type *record, size_t field, const char *at)
{
    return record->layout.get_bits ? record->layout.get_bits(at, (unsigned)field) : 0;
}

struct side {
    const struct type *record;
    size_t field;
    char *at; /* the record's start */
};

static char *member(const struct side *side)
{
    return side->at + side->record->layout.offsets[side->field];
}

static struct number read_side(const struct migrate *m, const struct side *side)
{
    const struct type_field *field = &side->record->fields[side->field];
    const struct type *type = underlying(m->types, types_get(m->types, field->type));
    if (field->bits < 0)
        return read_number(m, field->type, member(side));
    return of_integer(get_bits(side->record, side->field, side->at), is_signed(type));
}

static bool write_side(const struct migrate *m, const struct side *side,
                       const struct number *number)
{
    const struct type_field *field = &side->record->fields[side->field];
    const struct type_layout *layout = &side->record->layout;
    struct number integer;
    if (field->bits < 0)
        return write_number(m, field->type, member(side), number);
    if (!layout->set_bits || !layout->get_bits || !as_integer(number, &integer))
        return false;
    layout->set_bits(side->at, (unsigned)side->field, (int64_t)integer.bits);
    if (layout->get_bits(side->at, (unsigned)side->field) == (int64_t)integer.bits)
        return true;
    layout->set_bits(side->at, (unsigned)side->field, 0);
    return false;
}

static void convert_bits(struct migrate *m, const struct side *from,
                         const struct side *to, const char *where)
{
    const struct type *old = types_get(m->types, from->record->fields[from->field].type);
    const struct type *new = types_get(m->types, to->record->fields[to->field].type);
    bool are_numbers = is_plain_number(m->types, old) && is_plain_number(m->types, new);
    struct number number = are_numbers ? read_side(m, from) : (struct number){0};
    follow_enumerator(old, new, &number);
    if (!are_numbers || !write_side(m, to, &number))
        migrate_note(m, "'%s' does not fit and is 0", where);
}

/* Members that share storage: which one is meant is not known. Their bytes are kept where
 * their types are, and pointers among them follow where they lead to something. */
static void copy_overlaid(struct migrate *m, const struct side *from,
                          const struct side *to, const char *where)
{
    const struct type_field *old = &from->record->fields[from->field];
    const struct type_field *new = &to->record->fields[to->field];
    uint64_t size = types_size(m->types, old->type);
    bool is_same = m->newest[old->type] == old->type && old->bits < 0 && new->bits < 0 &&
                   size == types_size(m->types, new->type);
    if (is_same || (types_get(m->types, old->type)->kind == TYPE_POINTER &&
                    types_get(m->types, new->type)->kind == TYPE_POINTER)) {
        memcpy(member(to), member(from), size);
        return;
    }
    migrate_note(m, "'%s' shares its storage and cannot be carried", where);
}

static void set_weak(struct migrate *m, char *at, uint32_t target, bool is_weak)
{
    char *pointer;
    memcpy(&pointer, at, sizeof(pointer));
    pointer = migrate_pointer(m, pointer, target, true, "");
    memcpy(at, &pointer, sizeof(pointer));
    (void)is_weak;
}

static void convert_record(struct migrate *m, uint32_t from_type, char *from,
                           uint32_t to_type, char *to, const char *where, int depth)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    bool has_overlay = false;
    if (!old->layout.is_known || !new->layout.is_known)
        return;
    note_fields(m, from_type, to_type, where);
    for (size_t i = 0; i < new->n_fields; i++) {
        struct side a = {old, find_field(old, new->fields[i].name), from};
        struct side b = {new, i, to};
        if (a.field == SIZE_MAX)
            continue;
        const struct type_field *field = &old->fields[a.field];
        const struct type *type = types_get(m->types, new->fields[i].type);
        CLEANUP(freep)
        char *path = must_format("%s.%s", old->spelling, field->name);
        bool is_overlaid = field->overlay || new->fields[i].overlay ||
                           old->kind == TYPE_UNION || new->kind == TYPE_UNION;
        has_overlay |= is_overlaid;
        if (type->kind == TYPE_ARRAY && (type->is_incomplete || !type->count))
            continue; /* a flexible member is the object's tail */
        if (field->bits >= 0 || new->fields[i].bits >= 0)
            convert_bits(m, &a, &b, path);
        else if (is_overlaid)
            copy_overlaid(m, &a, &b, path);
        else
            migrate_convert(m, field->type, member(&a), new->fields[i].type, member(&b),
                            path, depth + 1);
    }
    for (size_t i = 0; has_overlay && i < new->n_fields; i++)
        if (new->fields[i].bits < 0 &&
            (new->fields[i].overlay || new->kind == TYPE_UNION))
            migrate_walk(m, new->fields[i].type, to + new->layout.offsets[i], true, 0,
                         set_weak);
}

/* ---- everything ----------------------------------------------------------------------
 */

static void convert_array(struct migrate *m, uint32_t from_type, char *from,
                          uint32_t to_type, char *to, const char *where, int depth)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    uint64_t n = old->count < new->count ? old->count : new->count;
    uint64_t step = types_size(m->types, old->target);
    uint64_t to_step = types_size(m->types, new->target);
    if (n < old->count)
        migrate_note(m, "'%s' keeps %" PRIu64 " of %" PRIu64 " elements", where, n,
                     old->count);
    for (uint64_t i = 0; i < n; i++)
        migrate_convert(m, old->target, from + i * step, new->target, to + i * to_step,
                        where, depth + 1);
}

static bool is_zero(const char *at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        if (at[i])
            return false;
    return true;
}

void migrate_convert(struct migrate *m, uint32_t from_type, char *from, uint32_t to_type,
                     char *to, const char *where, int depth)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    if (depth > MIGRATE_DEPTH_MAX)
        return;
    if (from_type == to_type && types_is_flat(m->types, from_type)) {
        memcpy(to, from, types_size(m->types, from_type));
    } else if (is_plain_number(m->types, old) && is_plain_number(m->types, new)) {
        convert_number(m, from_type, from, to_type, to, where);
    } else if (old->kind == TYPE_POINTER && new->kind == TYPE_POINTER) {
        char *pointer;
        memcpy(&pointer, from, sizeof(pointer));
        pointer = migrate_pointer(m, pointer, old->target, false, where);
        memcpy(to, &pointer, sizeof(pointer));
    } else if (type_is_record(old) && type_is_record(new)) {
        convert_record(m, from_type, from, to_type, to, where, depth);
    } else if (old->kind == TYPE_ARRAY && new->kind == TYPE_ARRAY) {
        convert_array(m, from_type, from, to_type, to, where, depth);
    } else if (old->kind == new->kind &&
               types_size(m->types, from_type) == types_size(m->types, to_type)) {
        memcpy(to, from, types_size(m->types, from_type));
    } else if (!is_zero(from, types_size(m->types, from_type))) {
        migrate_note(m, "'%s' was '%s', is '%s' and 0", where, old->spelling,
                     new->spelling);
    }
}

/* Every pointer of an object; those that share storage with something are weak. */
void migrate_walk(struct migrate *m, uint32_t id, char *at, bool is_weak, int depth,
                  migrate_found found)
{
    const struct type *type = types_get(m->types, id);
    if (depth > MIGRATE_DEPTH_MAX || types_is_flat(m->types, id))
        return;
    if (type->kind == TYPE_POINTER) {
        if (types_get(m->types, type->target)->kind != TYPE_FUNCTION)
            found(m, at, type->target, is_weak);
    } else if (type->kind == TYPE_ARRAY) {
        uint64_t step = types_size(m->types, type->target);
        for (uint64_t i = 0; step && i < type->count; i++)
            migrate_walk(m, type->target, at + i * step, is_weak, depth + 1, found);
    } else if (type_is_record(type) && type->layout.is_known) {
        for (size_t i = 0; i < type->n_fields; i++)
            if (type->fields[i].bits < 0 && *type->fields[i].name)
                migrate_walk(m, type->fields[i].type, at + type->layout.offsets[i],
                             is_weak || type->kind == TYPE_UNION ||
                                 type->fields[i].overlay,
                             depth + 1, found);
    }
}

bool migrate_tail(const struct types *types, uint32_t type, uint64_t *ret_offset,
                  uint32_t *ret_element)
{
    const struct type *record = types_get(types, type);
    if (record->kind != TYPE_STRUCT || record->n_fields < 2 || !record->layout.is_known)
        return false;
    size_t last = record->n_fields - 1;
    const struct type *array = types_get(types, record->fields[last].type);
    if (array->kind != TYPE_ARRAY || !(array->is_incomplete || !array->count))
        return false;
    *ret_offset = record->layout.offsets[last];
    *ret_element = array->target;
    return types_size(types, array->target) > 0;
}

static bool offset_in_record(struct migrate *m, uint32_t from_type, uint32_t to_type,
                             uint64_t offset, uint32_t target, uint64_t *ret, int depth)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    for (size_t i = 0; i < old->n_fields; i++) {
        uint64_t start = old->layout.offsets[i], inner;
        size_t k = find_field(new, old->fields[i].name);
        if (old->fields[i].bits >= 0 || k == SIZE_MAX || new->fields[k].bits >= 0 ||
            offset < start || offset - start >= types_size(m->types, old->fields[i].type))
            continue;
        if (!migrate_offset(m, old->fields[i].type, new->fields[k].type, offset - start,
                            target, &inner, depth + 1))
            return false;
        *ret = new->layout.offsets[k] + inner;
        return true;
    }
    return false;
}

bool migrate_offset(struct migrate *m, uint32_t from_type, uint32_t to_type,
                    uint64_t offset, uint32_t target, uint64_t *ret, int depth)
{
    const struct type *old = types_get(m->types, from_type);
    const struct type *new = types_get(m->types, to_type);
    enum type_kind wanted = types_get(m->types, target)->kind;
    bool is_whole = target == from_type || wanted == TYPE_VOID ||
                    m->newest[target] == m->newest[from_type];
    if (from_type == to_type || (offset == 0 && is_whole)) {
        *ret = offset;
        return true;
    }
    if (depth > MIGRATE_DEPTH_MAX || old->kind != new->kind)
        return false;
    if (type_is_record(old) && old->layout.is_known && new->layout.is_known)
        return offset_in_record(m, from_type, to_type, offset, target, ret, depth) ||
               (offset == 0 && (*ret = 0, true));
    if (old->kind != TYPE_ARRAY) {
        *ret = offset;
        return offset < types_size(m->types, to_type);
    }
    uint64_t step = types_size(m->types, old->target), index = step ? offset / step : 0;
    if (index >= new->count ||
        !migrate_offset(m, old->target, new->target, offset - index * step, target, ret,
                        depth + 1))
        return false;
    *ret += index * types_size(m->types, new->target);
    return true;
}
