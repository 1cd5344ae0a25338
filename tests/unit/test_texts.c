/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Texts of cells: the newest are found, the oldest make room. */
#include "pickler/base/texts.h"

#include "pickler/base/memory.h"
#include "tests/unit/check.h"

static bool add(struct texts *texts, uint32_t cell, uint32_t line, const char *text)
{
    return texts_add(
        texts, (struct cell_text){.cell = cell, .line = line, .text = must_strdup(text)});
}

static bool is_odd(const void *context, const struct cell_text *text)
{
    (void)context;
    return text->cell % 2;
}

int main(void)
{
    struct texts texts = {.size_max = 1000, .n_max = 4};
    for (uint32_t i = 1; i <= 6; i++)
        CHECK(add(&texts, i, 1, "text"));
    CHECK_INT(texts.n, 4);
    CHECK(!texts_find(&texts, 2, 0) && texts_find(&texts, 3, 1));
    CHECK(!texts_find(&texts, 3, 2));
    add(&texts, 6, 1, "newer");
    CHECK_STRING(texts_find(&texts, 6, 0)->text, "newer");
    texts_remove(&texts, is_odd, NULL);
    CHECK_INT(texts.n, 3);
    char large[871] = {0};
    memset(large, 'x', sizeof(large) - 1);
    CHECK(add(&texts, 7, 1, large)); /* there is room for it and no three others */
    CHECK_INT(texts.n, 3);
    CHECK(add(&texts, 8, 1, large));
    CHECK_INT(texts.n, 1);
    char too_large[1001] = {0};
    memset(too_large, 'x', sizeof(too_large) - 1);
    CHECK(!add(&texts, 9, 1, too_large));
    CHECK_INT(texts.n, 1);
    texts_clear(&texts);
    CHECK_INT(texts.size, 0);
    CHECK(add(&texts, 1, 1, "again"));
    texts_clear(&texts);
    return check_status();
}
