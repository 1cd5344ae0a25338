/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/mime_function.h"

#include <string.h>

#include "kernel/display/place.h"
#include "pickler/base/memory.h"

/* Without the keyword too: "vector". */
static const char *tag_of(const char *spelling)
{
    static const char *const words[] = {"struct ", "union ", "enum "};
    spelling = plain_spelling(spelling);
    for (size_t i = 0; i < 3; i++)
        if (!strncmp(spelling, words[i], strlen(words[i])))
            return spelling + strlen(words[i]);
    return spelling;
}

bool mime_function_suits(const struct types *types, uint32_t id)
{
    const struct type *type = types_get(types, id);
    return type_is_record(type) || type->kind == TYPE_ENUM;
}

char *mime_function_name(const struct types *types, uint32_t type)
{
    return must_format(MIME_FUNCTION_PREFIX "%s",
                       tag_of(types_get(types, type)->spelling));
}

bool mime_function_is_name(const char *name)
{
    return !strncmp(name, MIME_FUNCTION_PREFIX, strlen(MIME_FUNCTION_PREFIX));
}

bool mime_is_pointer_to(const struct types *types, uint32_t id, const char *tag)
{
    const struct type *type = types_get(types, id);
    const struct type *target = types_get(types, type->target);
    return type->kind == TYPE_POINTER && target->kind == TYPE_STRUCT &&
           !strcmp(tag_of(target->spelling), tag);
}

bool mime_function_takes(const struct types *types, uint32_t function_id, uint32_t id)
{
    const struct type *function = types_get(types, function_id);
    if (function->kind != TYPE_FUNCTION || function->n_fields != 2)
        return false;
    const struct type *value = types_get(types, function->fields[0].type);
    return value->kind == TYPE_POINTER && is_same_plain(types, value->target, id) &&
           mime_is_pointer_to(types, function->fields[1].type, "achar_bundle");
}
