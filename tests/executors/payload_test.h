/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What tests of payloads on a real pool share: payloads of a few definitions, and how
 * they get there. For one translation unit a program. */
#ifndef ACHAR_TESTS_PAYLOAD_TEST_H
#define ACHAR_TESTS_PAYLOAD_TEST_H

#include "pickler/value/value.h"
#include "tests/executors/pool_test.h"

enum { INT_TYPE = 1, POINTER_TYPE, POINT_TYPE }; /* ids in every payload here */

static void add_types(struct types *types)
{
    types_init(types);
    struct type integer = {.kind = TYPE_INT, .spelling = must_strdup("int")};
    types_add(types, &integer);
    struct type pointer = {
        .kind = TYPE_POINTER, .spelling = must_strdup("int *"), .target = INT_TYPE};
    types_add(types, &pointer);
}

static struct payload *make(enum payload_entry entry, const char *entry_text)
{
    struct payload *payload = must_alloc(sizeof(*payload));
    add_types(&payload->types);
    payload->entry = entry;
    payload->entry_text = must_strdup(entry_text);
    payload->value_type = INT_TYPE;
    payload->in_type = entry == PAYLOAD_MAP ? INT_TYPE : 0;
    payload->cell = 9;
    return payload;
}

/* In cell n for the n-th definition. */
static void define(struct payload *payload, enum definition_kind kind, const char *name,
                   uint32_t type, const char *source, const char *declaration)
{
    struct definition *definition = must_alloc(sizeof(*definition));
    payload->definitions = must_realloc(payload->definitions, payload->n_definitions + 1,
                                        sizeof(*payload->definitions));
    payload->definitions[payload->n_definitions++] = definition;
    definition->id = (uint32_t)payload->n_definitions;
    definition->kind = kind;
    definition->name = must_strdup(name);
    definition->source = must_strdup(source);
    definition->declaration = must_strdup(declaration);
    definition->cell = definition->id;
    definition->line = definition->column = 1;
    definition->type = type;
    for (uint32_t id = 1; id < definition->id; id++)
        definition_add_ref(definition, id);
}

static bool no_variable(void *context, const void *address, struct value_variable *ret)
{
    (void)context, (void)address, (void)ret;
    return false;
}

static bool no_block(void *context, const void *address, struct value_block *ret)
{
    (void)context, (void)address, (void)ret;
    return false;
}

static bool no_stack(void *context, const void *address)
{
    (void)context, (void)address;
    return false;
}

static const char *no_function(void *context, const void *address, bool *ret_is_library)
{
    (void)context, (void)address, (void)ret_is_library;
    return NULL;
}

static bool one_variable(void *context, const char *name, struct value_variable *ret)
{
    (void)context, (void)name, (void)ret;
    return false;
}

static struct value_world simple_world(struct types *types)
{
    return (struct value_world){.types = types,
                                .find_block = no_block,
                                .find_variable = no_variable,
                                .find_function = no_function,
                                .is_stack = no_stack,
                                .variable = one_variable};
}

static struct buffer dump_ints(const char *root, const int *values, size_t n)
{
    struct types types;
    add_types(&types);
    struct value_world world = simple_world(&types);
    struct value_dump dump = {0};
    struct error err = {0};
    struct value_root from = {root, (void *)values, INT_TYPE, n};
    CHECK_OK(value_dump(&world, &from, 1, &dump, &err), err);
    CHECK_INT(dump.n_blockers, 0);
    struct buffer bytes = dump.bytes;
    dump.bytes = (struct buffer){0};
    value_dump_clear(&dump);
    types_clear(&types);
    return bytes;
}

static void load_ints(const struct buffer *bytes, const char *root, int *values, size_t n)
{
    struct types types;
    add_types(&types);
    struct value_world world = simple_world(&types);
    struct error err = {0};
    struct value_root at = {root, values, INT_TYPE, n};
    CHECK_OK(value_load(&world, bytes->data, bytes->size, &at, &err), err);
    types_clear(&types);
}

/* Takes the payload. */
static inline struct outcome send_payload(struct pool_client *client,
                                          struct payload *payload, uint8_t ret_hash[32])
{
    struct error err = {0};
    struct buffer bytes = {0};
    CHECK_OK(payload_pack(payload, &bytes, &err), err);
    struct outcome outcome = send_bytes(client, bytes.data, bytes.size, ret_hash);
    buffer_clear(&bytes);
    payload_free(payload);
    return outcome;
}

static void check_loads(struct pool_client *client, struct payload *payload,
                        uint8_t ret_hash[32])
{
    struct outcome outcome = send_payload(client, payload, ret_hash);
    if (!CHECK_INT(outcome.kind, OUTCOME_OK))
        fprintf(stderr, "  %s: %s\n", outcome.name, outcome.message);
    outcome_clear(&outcome);
}

#endif
