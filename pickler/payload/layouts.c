/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/layouts.h"

#include "pickler/value/value.h"

/* The entries before are found again, the others come behind. */
static int add_value_types(const struct payload *payload, struct types *types,
                           struct error *err)
{
    CLEANUP(types_clear) struct types values = {0};
    int r = value_types(payload->values, payload->values_size, &values, err);
    for (uint32_t id = 1; r == 0 && id < values.n; id++)
        types_import(types, &values, id);
    return r;
}

int payload_layouts(const struct payload *payload, struct types *ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer copy = {0};
    CLEANUP(types_clear) struct types types = {0};
    types_init(&types);
    types_pack(&payload->types, 0, &copy);
    struct unpack in = unpack_init(copy.data, copy.size);
    int r = types_unpack(&types, &in, err);
    if (r == 0 && payload->values_size)
        r = add_value_types(payload, &types, err);
    if (r < 0)
        return r;
    *ret = types;
    types = (struct types){0};
    return 0;
}
