/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/program.h"

#include <float.h>
#include <string.h>

#include "pickler/value/scalar.h"

#define COUNT_MAX (UINT64_C(1) << 46)

void programs_init(struct programs *programs, const struct types *types)
{
    *programs = (struct programs){.types = types, .n = types->n};
    programs->at = must_alloc(types->n * sizeof(*programs->at));
    programs->plain = must_alloc(types->n * sizeof(*programs->plain));
    programs->elements = must_alloc(types->n * sizeof(*programs->elements));
}

static void program_free(struct program *program)
{
    if (!program)
        return;
    for (size_t i = 0; i < program->n_masks; i++)
        free(program->masks[i]);
    free(program->masks);
    free(program->ops);
    free(program->refusal);
    free(program);
}

void programs_clear(struct programs *programs)
{
    for (size_t i = 0; i < programs->n; i++)
        program_free(programs->at[i]);
    free(programs->at);
    free(programs->plain);
    free(programs->elements);
    *programs = (struct programs){0};
}

bool programs_flatten(const struct types *types, uint32_t *type, uint64_t *count)
{
    for (size_t depth = 0; depth < types->n; depth++) {
        const struct type *entry = types_get(types, *type);
        if (entry->kind != TYPE_ARRAY)
            return true;
        if (entry->is_incomplete || __builtin_mul_overflow(*count, entry->count, count) ||
            *count > COUNT_MAX)
            return false;
        *type = entry->target;
    }
    return false;
}

bool program_is_stream(const struct type *type)
{
    const char *name = type->spelling;
    if (strncmp(name, "const ", 6) == 0)
        name += 6;
    return strcmp(name, "FILE") == 0 || strcmp(name, "struct _IO_FILE") == 0;
}

static void refuse(struct program *program, const char *format, const char *name)
{
    if (!program->refusal)
        program->refusal = must_format(format, name);
}

static struct op *add_op(struct program *program, enum op_kind kind, uint64_t offset,
                         size_t encoded_max)
{
    if (program->n_ops >= PROGRAM_OPS_MAX) {
        refuse(program, "has a type with too many members%s", "");
        program->n_ops = 0;
    }
    GROW(program->ops, program->n_ops, program->ops_capacity);
    struct op *op = &program->ops[program->n_ops++];
    *op = (struct op){.kind = (uint8_t)kind, .offset = offset};
    program->encoded_max += encoded_max;
    return op;
}

static bool is_signed_kind(enum type_kind kind)
{
    return kind == TYPE_SHORT || kind == TYPE_INT || kind == TYPE_LONG ||
           kind == TYPE_LLONG || kind == TYPE_SCHAR || kind == TYPE_INT128 ||
           (kind == TYPE_CHAR && (char)-1 < 0);
}

/* An enum counts as the integer below it. */
static const struct type *underlying(const struct types *types, const struct type *type)
{
    for (int i = 0; i < 8 && type->kind == TYPE_ENUM; i++)
        type = types_get(types, type->target);
    return type;
}

static void add_scalar(struct programs *programs, struct program *program,
                       const struct type *type, uint64_t offset)
{
    type = underlying(programs->types, type);
    struct op *op;
    switch (type->kind) {
    case TYPE_BOOL:
        add_op(program, OP_BOOL, offset, 1);
        return;
    case TYPE_CHAR:
    case TYPE_SCHAR:
    case TYPE_UCHAR:
        add_op(program, OP_BYTE, offset, 1);
        return;
    case TYPE_SHORT:
    case TYPE_USHORT:
    case TYPE_INT:
    case TYPE_UINT:
    case TYPE_LONG:
    case TYPE_ULONG:
    case TYPE_LLONG:
    case TYPE_ULLONG:
        op = add_op(program, OP_INTEGER, offset, VARINT_MAX);
        op->is_signed = is_signed_kind(type->kind);
        op->size = type->kind <= TYPE_USHORT  ? sizeof(short)
                   : type->kind <= TYPE_UINT  ? sizeof(int)
                   : type->kind <= TYPE_ULONG ? sizeof(long)
                                              : sizeof(long long);
        return;
    case TYPE_INT128:
    case TYPE_UINT128:
        add_op(program, OP_FIXED, offset, 16)->size = 16;
        return;
    case TYPE_FLOAT:
        add_op(program, OP_FIXED, offset, sizeof(float))->size = sizeof(float);
        return;
    case TYPE_DOUBLE:
        add_op(program, OP_FIXED, offset, sizeof(double))->size = sizeof(double);
        return;
    case TYPE_LDOUBLE:
        add_op(program, OP_LDOUBLE, offset, LDOUBLE_ENCODED);
        return;
    default:
        refuse(program, "has type '%s', which cannot be pickled", type->spelling);
    }
}

static void add_pointer(struct programs *programs, struct program *program,
                        const struct type *type, uint64_t offset)
{
    uint32_t target = type->target;
    const struct type *pointee = types_get(programs->types, target);
    bool is_stream = program_is_stream(pointee);
    struct op *op =
        add_op(program, is_stream ? OP_STREAM : OP_POINTER, offset, VARINT_MAX);
    op->target = target;
    op->is_code = pointee->kind == TYPE_FUNCTION;
    op->is_flat_target = types_is_flat(programs->types, target);
    program->is_flat = false;
}

static void add_type(struct programs *programs, struct program *program, uint32_t id,
                     uint64_t offset, int depth);

/* The bytes of storage that members share. */
struct shared {
    uint8_t *mask; /* 0xff where there is data */
    uint64_t size;
    bool has_ldouble;
};

/* Marks the bytes of a member that hold data; a bit-field's are not known. */
static void mark(struct programs *programs, struct program *program, uint32_t id,
                 uint64_t offset, struct shared *shared, int depth)
{
    uint64_t size = shared->size;
    const struct type *type = types_get(programs->types, id);
    uint64_t count = 1, step;
    if (!programs_flatten(programs->types, &id, &count) || depth > PROGRAM_DEPTH_MAX) {
        refuse(program, "has a union with a member of unknown size%s", "");
        return;
    }
    type = types_get(programs->types, id);
    step = types_size(programs->types, id);
    if (type_is_record(type)) {
        for (uint64_t i = 0; i < count && offset + i * step <= size; i++)
            for (size_t k = 0; k < type->n_fields && type->layout.is_known; k++)
                if (type->fields[k].bits < 0 && *type->fields[k].name)
                    mark(programs, program, type->fields[k].type,
                         offset + i * step + type->layout.offsets[k], shared, depth + 1);
        return;
    }
    shared->has_ldouble |= type->kind == TYPE_LDOUBLE;
    if (type->kind == TYPE_LDOUBLE && LDBL_MANT_DIG == 64 && count == 1)
        step = 10; /* what x87 uses of it */
    if (offset <= size && count <= size && count * step <= size - offset)
        memset(shared->mask + offset, 0xff, count * step);
}

struct group { /* members that share storage */
    const struct type *record;
    uint64_t base;    /* of the record in the element */
    uint32_t overlay; /* 0: all members */
};

static bool is_in_group(const struct group *group, const struct type_field *field)
{
    return !group->overlay || field->overlay == group->overlay;
}

static void add_bits(struct program *program, const struct type *record, uint64_t base,
                     size_t field)
{
    struct op *op = add_op(program, OP_BITS, base, VARINT_MAX);
    op->record = record;
    op->field = (uint32_t)field;
    program->is_dense = false;
    if (!record->layout.get_bits || !record->layout.set_bits)
        refuse(program, "has bit-fields of '%s', which cannot be reached",
               record->spelling);
}

static void add_group(struct programs *programs, struct program *program,
                      const struct group *group)
{
    const struct type *record = group->record;
    uint64_t start = UINT64_MAX, end = 0;
    bool has_pointers = false;
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct type_field *field = &record->fields[i];
        if (!is_in_group(group, field) || field->bits >= 0 || !*field->name)
            continue;
        uint64_t at = record->layout.offsets[i];
        uint64_t field_end = at + types_size(programs->types, field->type);
        start = at < start ? at : start;
        end = field_end > end ? field_end : end;
        has_pointers |= !types_is_flat(programs->types, field->type);
    }
    if (end > start && end - start > MASK_MAX) {
        refuse(program, "has a union of more than 16 MiB in '%s'", record->spelling);
    } else if (end > start) {
        uint8_t *mask = must_alloc(end - start);
        GROW(program->masks, program->n_masks, program->masks_capacity);
        program->masks[program->n_masks++] = mask;
        struct shared shared = {.mask = mask, .size = end - start};
        for (size_t i = 0; i < record->n_fields; i++)
            if (is_in_group(group, &record->fields[i]) && record->fields[i].bits < 0 &&
                *record->fields[i].name)
                mark(programs, program, record->fields[i].type,
                     record->layout.offsets[i] - start, &shared, 0);
        struct op *op = add_op(program, OP_BYTES, group->base + start, 0);
        op->count = end - start;
        op->mask = mask;
        op->has_pointers = has_pointers;
        op->has_ldouble = shared.has_ldouble;
        op->record = record;
        program->is_flat &= !has_pointers;
    }
    for (size_t i = 0; i < record->n_fields; i++)
        if (is_in_group(group, &record->fields[i]) && record->fields[i].bits >= 0 &&
            *record->fields[i].name)
            add_bits(program, record, group->base, i);
}

static bool is_first_of_group(const struct type *record, size_t field)
{
    for (size_t i = 0; i < field; i++)
        if (record->fields[i].overlay == record->fields[field].overlay)
            return false;
    return true;
}

static bool is_flexible(const struct types *types, const struct type *record, size_t i)
{
    const struct type *type = types_get(types, record->fields[i].type);
    return record->kind == TYPE_STRUCT && i + 1 == record->n_fields && i > 0 &&
           type->kind == TYPE_ARRAY && (type->is_incomplete || type->count == 0);
}

static void add_tail(struct programs *programs, struct program *program,
                     const struct type *record, size_t i, bool is_outermost)
{
    uint32_t target = types_get(programs->types, record->fields[i].type)->target;
    uint64_t count = 1;
    if (!is_outermost)
        return; /* inside another object it has no room of its own */
    bool is_known = programs_flatten(programs->types, &target, &count) && count == 1;
    struct program *tail = programs_get(programs, target);
    if (!is_known || tail->is_being_made || tail->refusal) {
        refuse(program, "has a flexible array member that cannot be pickled in '%s'",
               record->spelling);
        return;
    }
    program->has_tail = tail->size > 0;
    program->tail = tail;
    program->tail_offset = record->layout.offsets[i];
    program->tail_field = i;
    program->is_flat &= tail->is_flat;
}

static void add_record(struct programs *programs, struct program *program, uint32_t id,
                       uint64_t offset, int depth)
{
    const struct type *record = types_get(programs->types, id);
    if (record->is_incomplete || program_is_stream(record)) {
        refuse(program, "has type '%s', whose contents are not known", record->spelling);
        return;
    }
    if (!record->n_fields)
        return;
    if (!record->layout.is_known || depth > PROGRAM_DEPTH_MAX) {
        refuse(program, "has type '%s', whose layout is not known", record->spelling);
        return;
    }
    if (record->kind == TYPE_UNION) {
        add_group(programs, program, &(struct group){record, offset, 0});
        return;
    }
    for (size_t i = 0; i < record->n_fields && !program->refusal; i++) {
        const struct type_field *field = &record->fields[i];
        if (field->overlay) {
            if (is_first_of_group(record, i))
                add_group(programs, program,
                          &(struct group){record, offset, field->overlay});
        } else if (!*field->name) {
            continue;
        } else if (field->bits >= 0) {
            add_bits(program, record, offset, i);
        } else if (is_flexible(programs->types, record, i)) {
            add_tail(programs, program, record, i, depth == 0);
        } else {
            add_type(programs, program, field->type, offset + record->layout.offsets[i],
                     depth + 1);
        }
    }
}

static void add_array(struct programs *programs, struct program *program, uint32_t id,
                      uint64_t offset)
{
    uint64_t count = 1;
    if (!programs_flatten(programs->types, &id, &count)) {
        refuse(program, "has an array of unknown length%s", "");
        return;
    }
    if (!count)
        return;
    struct program *elements = programs_get(programs, id);
    if (elements->is_being_made) {
        refuse(program, "has a type that holds itself%s", "");
        return;
    }
    if (elements->refusal) {
        refuse(program, "%s", elements->refusal);
        return;
    }
    struct op *op = add_op(program, OP_ELEMENTS, offset, 0);
    op->elements = elements;
    op->count = count;
    program->is_flat &= elements->is_flat;
}

static void add_type(struct programs *programs, struct program *program, uint32_t id,
                     uint64_t offset, int depth)
{
    const struct type *type = types_get(programs->types, id);
    switch (type->kind) {
    case TYPE_ARRAY:
        add_array(programs, program, id, offset);
        return;
    case TYPE_STRUCT:
    case TYPE_UNION:
        add_record(programs, program, id, offset, depth);
        return;
    case TYPE_POINTER:
        add_pointer(programs, program, type, offset);
        return;
    case TYPE_COMPLEX:
        for (int i = 0; i < 2; i++)
            add_scalar(programs, program, types_get(programs->types, type->target),
                       offset + (uint64_t)i * types_size(programs->types, type->target));
        return;
    case TYPE_VOID:
        refuse(program, "has no type (void)%s", "");
        return;
    case TYPE_FUNCTION:
    case TYPE_OTHER:
    case TYPE_KIND_COUNT:
        refuse(program, "has type '%s', which cannot be pickled", type->spelling);
        return;
    case TYPE_BOOL ... TYPE_LDOUBLE:
    case TYPE_ENUM:
        add_scalar(programs, program, type, offset);
        return;
    }
}

static uint64_t op_size(const struct op *op)
{
    uint64_t size;
    switch ((enum op_kind)op->kind) {
    case OP_BYTE:
    case OP_BOOL:
        return 1;
    case OP_INTEGER:
    case OP_FIXED:
        return op->size;
    case OP_LDOUBLE:
        return sizeof(long double);
    case OP_POINTER:
    case OP_STREAM:
        return sizeof(void *);
    case OP_BITS:
        return op->record->layout.size;
    case OP_BYTES:
        return op->count;
    case OP_ELEMENTS:
        return __builtin_mul_overflow(op->count, op->elements->size, &size) ? UINT64_MAX
                                                                            : size;
    }
    return UINT64_MAX;
}

/* Whatever the layouts say, nothing outside the element is touched. */
static bool is_inside(const struct program *program)
{
    for (size_t i = 0; i < program->n_ops; i++) {
        uint64_t size = op_size(&program->ops[i]), offset = program->ops[i].offset;
        if (offset > program->size || size > program->size - offset)
            return false;
    }
    return true;
}

/* Dense: the data of all ops together covers the element. */
static bool find_dense(const struct program *program)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < program->n_ops; i++) {
        const struct op *op = &program->ops[i];
        if (op->kind == OP_BYTES || op->kind == OP_BITS || op->kind == OP_LDOUBLE ||
            (op->kind == OP_ELEMENTS && !op->elements->is_dense))
            return false;
        covered += op_size(op);
    }
    return covered == program->size;
}

static void describe_scalar(struct programs *programs, struct program *program)
{
    const struct type *type = types_get(programs->types, program->type);
    type = underlying(programs->types, type);
    if (program->n_ops != 1 || !type_is_scalar(type) || type->kind == TYPE_POINTER ||
        type->kind == TYPE_LDOUBLE || program->refusal)
        return;
    program->width = (uint8_t)program->size;
    program->is_byte =
        type->kind == TYPE_CHAR || type->kind == TYPE_SCHAR || type->kind == TYPE_UCHAR;
    program->is_integer = type_is_integer(type) && program->size <= 8;
    program->is_long = type->kind == TYPE_LONG || type->kind == TYPE_ULONG;
    program->is_signed = is_signed_kind(type->kind);
}

struct program *programs_get(struct programs *programs, uint32_t type)
{
    if (type >= programs->n)
        type = 0;
    if (programs->at[type])
        return programs->at[type];
    struct program *program = must_alloc(sizeof(*program));
    programs->at[type] = program;
    program->type = type;
    program->is_being_made = true;
    program->is_flat = true;
    program->size = types_size(programs->types, type);
    add_type(programs, program, type, 0, 0);
    if (!is_inside(program))
        refuse(program, "has type '%s', whose layout cannot be right",
               types_get(programs->types, type)->spelling);
    program->is_dense = !program->refusal && find_dense(program);
    describe_scalar(programs, program);
    program->is_being_made = false;
    return program;
}

static uint32_t find_plain(struct programs *programs, uint32_t id)
{
    const struct types *types = programs->types;
    const struct type *type = types_get(types, id);
    uint32_t found = 0;
    if (type->is_const && strncmp(type->spelling, "const ", 6) == 0)
        while (types_find_next(types, type->kind, type->spelling + 6, &found)) {
            const struct type *other = types_get(types, found);
            if (!other->is_const && other->n_fields == type->n_fields &&
                other->is_incomplete == type->is_incomplete &&
                types_size(types, found) == types_size(types, id))
                return programs_plain(programs, found);
        }
    return types_find(types, types, id, &found) ? found : id;
}

uint32_t programs_plain(struct programs *programs, uint32_t type)
{
    if (type >= programs->n)
        return 0;
    if (!programs->plain[type]) {
        programs->plain[type] = type + 1; /* ends a search that comes back here */
        programs->plain[type] = find_plain(programs, type) + 1;
    }
    return programs->plain[type] - 1;
}

struct program *programs_elements(struct programs *programs, uint32_t type)
{
    if (type >= programs->n || programs->elements[type])
        return type < programs->n ? programs->elements[type] : NULL;
    uint32_t element = type;
    uint64_t count = 1;
    if (!programs_flatten(programs->types, &element, &count))
        return NULL;
    element = programs_plain(programs, element);
    const struct type *entry = types_get(programs->types, element);
    if (entry->kind == TYPE_VOID || (type_is_record(entry) && entry->is_incomplete))
        return NULL;
    programs->elements[type] = programs_get(programs, element);
    return programs->elements[type];
}
