/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: recipes, and payloads, of any bytes. What is read comes back the same
 * when it is written, and is taken by a store of pieces or refused; where it can be
 * opened, values and files have the sizes that it says. */
#include <stddef.h>

#include "kernel/pool/pieces.h"

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition))                                                                \
            __builtin_trap();                                                            \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct recipe *recipe)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    CLEANUP(buffer_clear) struct buffer same = {0};
    CLEANUP(recipe_clear) struct recipe again = {0};
    recipe_write(recipe, &bytes);
    CHECK(recipe_read(bytes.data, bytes.size, &again, NULL) == 0);
    CHECK(again.n_hashed == recipe->n_hashed && again.values.size == recipe->values.size);
    recipe_write(&again, &same);
    CHECK(same.size == bytes.size && memcmp(same.data, bytes.data, same.size) == 0);
}

static void check_pieces(const struct recipe *recipe)
{
    struct pieces *pieces = must_alloc(sizeof(*pieces));
    CLEANUP(freep) struct piece **taken = NULL;
    if (pieces_take(pieces, recipe, &taken, NULL) == 0)
        pieces_release(pieces, taken, recipe->n_hashed);
    CHECK(pieces->unused_bytes == 0);
    pieces_clear(pieces);
    free(pieces);
}

static void check_payload(const struct recipe *recipe)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    if (recipe_open(recipe, NULL, &payload, NULL) < 0)
        return;
    CHECK(payload->values_size == recipe->values.size);
    for (size_t i = 0; i < recipe->n_files; i++)
        CHECK(payload->surroundings.files[i].size == recipe->files[i].size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(recipe_clear) struct recipe recipe = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    if (!recipe_is(data, size))
        return recipe_open_any(data, size, NULL, 0, &payload, NULL) < 0 ? -1 : 0;
    if (recipe_read(data, size, &recipe, NULL) < 0)
        return 0;
    check_again(&recipe);
    check_pieces(&recipe);
    check_payload(&recipe);
    return 0;
}
