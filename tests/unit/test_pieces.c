/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads in pieces: recipes as bytes and back, and what a pool keeps of them. */
#include "kernel/pool/pieces.h"

#include <errno.h>
#include <sys/mman.h>

#include "tests/unit/check.h"

#define SIZE 300000

static char content[4][SIZE];
static uint8_t hashes[4][PAYLOAD_HASH_SIZE];

static void make_content(void)
{
    unsigned state = 1;
    for (int i = 0; i < 4; i++) {
        for (size_t k = 0; k < SIZE; k++)
            content[i][k] = (char)((state = state * 1103515245 + 12345) >> 16);
        payload_hash(content[i], SIZE, hashes[i]);
    }
}

static struct recipe_piece large(int i)
{
    return (struct recipe_piece){.size = SIZE, .hash = hashes[i]};
}

static struct recipe_piece small(const char *text)
{
    return (struct recipe_piece){.size = strlen(text), .data = text};
}

/* Values: small, two large ones, small; a file: one large one; `last` is the second. */
static void make_recipe(int last, struct buffer *ret)
{
    struct recipe recipe = {.payload = "payload", .payload_size = 7, .nonce = 5};
    recipe_add(&recipe.values, small("head"));
    recipe_add(&recipe.values, large(0));
    recipe_add(&recipe.values, large(last));
    recipe_add(&recipe.values, small("tail"));
    recipe.files = must_alloc(sizeof(*recipe.files));
    recipe.n_files = 1;
    recipe_add(&recipe.files[0], large(2));
    recipe_write(&recipe, ret);
    recipe_clear(&recipe);
}

static void test_recipes_come_back(void)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    CLEANUP(buffer_clear) struct buffer again = {0};
    CLEANUP(recipe_clear) struct recipe recipe = {0};
    struct error err = {0};
    make_recipe(1, &bytes);
    CHECK_OK(recipe_read(bytes.data, bytes.size, &recipe, &err), err);
    CHECK(recipe.n_hashed == 3 && recipe.n_files == 1 && recipe.nonce == 5);
    CHECK(recipe.values.size == 2 * SIZE + 8 && recipe.files[0].first == 2);
    recipe_write(&recipe, &again);
    CHECK(again.size == bytes.size && !memcmp(again.data, bytes.data, bytes.size));
}

static void test_damaged_recipes_are_refused_or_read(void)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    make_recipe(1, &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        struct recipe recipe;
        CHECK(recipe_read(bytes.data, size, &recipe, NULL) == -EBADMSG);
    }
    for (size_t i = 0; i < bytes.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct recipe recipe;
            struct payload *payload;
            bytes.data[i] ^= (char)(1 << bit);
            if (recipe_read(bytes.data, bytes.size, &recipe, NULL) == 0) {
                CHECK(recipe_open(&recipe, NULL, &payload, NULL) == -EBADMSG);
                recipe_clear(&recipe);
            }
            bytes.data[i] ^= (char)(1 << bit);
        }
}

static size_t take(struct pieces *pieces, int last, struct piece ***ret)
{
    CLEANUP(buffer_clear) struct buffer bytes = {0};
    CLEANUP(recipe_clear) struct recipe recipe = {0};
    struct error err = {0};
    make_recipe(last, &bytes);
    CHECK_OK(recipe_read(bytes.data, bytes.size, &recipe, &err), err);
    CHECK_OK(pieces_take(pieces, &recipe, ret, &err), err);
    return recipe.n_hashed;
}

static void check_content(const struct piece *piece, int i)
{
    CLEANUP(freep) char *there = must_alloc(SIZE);
    CLEANUP(closep) int fd = piece_file_open(piece->file);
    CHECK(fd >= 0 && pread(fd, there, SIZE, (off_t)piece->offset) == SIZE);
    CHECK(!memcmp(there, content[i], SIZE));
    CHECK(write(fd, "x", 1) < 0 && errno == EBADF); /* to be read only */
}

static void test_pieces_are_shared_by_payloads(void)
{
    static struct pieces pieces;
    struct piece **first, **second;
    struct error err = {0};
    size_t n = take(&pieces, 1, &first);
    for (size_t i = 0; i < n; i++)
        CHECK_OK(pieces_fill(&pieces, first[i], content[i], SIZE, &err), err);
    CHECK(take(&pieces, 3, &second) == n);
    CHECK(second[0] == first[0] && second[0]->n_users == 2 && second[2] == first[2]);
    CHECK(!second[1]->is_here && second[1]->offset != first[1]->offset);
    CHECK(pieces_fill(&pieces, second[1], content[3], SIZE - 1, &err) == -EBADMSG);
    CHECK_OK(pieces_fill(&pieces, second[1], content[3], SIZE, &err), err);
    pieces_release(&pieces, first, n);
    CHECK(pieces_find(&pieces, hashes[1]) == first[1] && !first[1]->n_users);
    check_content(second[0], 0);
    check_content(second[1], 3);
    check_content(second[2], 2);
    pieces_release(&pieces, second, n);
    CHECK(pieces.unused_bytes == 4 * SIZE);
    free(first);
    free(second);
    pieces_clear(&pieces);
}

static void test_a_piece_that_never_came_is_forgotten(void)
{
    static struct pieces pieces;
    struct piece **taken;
    size_t n = take(&pieces, 1, &taken);
    pieces_release(&pieces, taken, n);
    CHECK(!pieces_find(&pieces, hashes[0]) && !pieces.unused_bytes);
    free(taken);
    pieces_clear(&pieces);
}

/* Of many files of the front's some are copied, so descriptors stay few. */
static void test_files_of_the_front_are_borrowed(void)
{
    static struct pieces pieces;
    struct piece **taken;
    struct error err = {0};
    CLEANUP(closep) int fd = memfd_create("front", MFD_CLOEXEC);
    CHECK(write(fd, "xyz", 3) == 3 && write(fd, content[0], SIZE) == SIZE);
    size_t n = take(&pieces, 1, &taken);
    struct piece_file *unused[PIECES_FILES_MAX];
    struct piece_file *file = pieces_foreign(&pieces, fd);
    CHECK(pieces_fill_from(&pieces, taken[0], file, 4, &err) == -EBADMSG);
    CHECK_OK(pieces_fill_from(&pieces, taken[0], file, 3, &err), err);
    pieces_foreign_done(&pieces, file);
    CHECK(taken[0]->file == file && pieces.n_foreign == 1);
    check_content(taken[0], 0);
    for (int i = 0; i < PIECES_FILES_MAX; i++)
        unused[i] = pieces_foreign(&pieces, fd);
    CHECK_OK(pieces_fill_from(&pieces, taken[1], unused[0], 3, &err), err);
    CHECK(taken[1]->file == pieces.memory);
    check_content(taken[1], 0); /* what was said to be there, and is */
    for (int i = 0; i < PIECES_FILES_MAX; i++)
        pieces_foreign_done(&pieces, unused[i]);
    CHECK(pieces.n_foreign == 1);
    pieces_release(&pieces, taken, n);
    free(taken);
    pieces_clear(&pieces);
}

int main(void)
{
    make_content();
    test_recipes_come_back();
    test_damaged_recipes_are_refused_or_read();
    test_pieces_are_shared_by_payloads();
    test_a_piece_that_never_came_is_forgotten();
    test_files_of_the_front_are_borrowed();
    return check_status();
}
