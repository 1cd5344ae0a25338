/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs a fuzz target over its corpus as an ordinary test: each file as it is, cut at
 * every byte, and with bytes changed at random (the same in every run). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 3000 /* of each file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly that size, so that a sanitizer sees one byte too many. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_file(const char *name)
{
    static uint8_t bytes[65536], changed[65536];
    FILE *file = fopen(name, "rb");
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    if (!size) {
        fprintf(stderr, "%s: cannot be read\n", name);
        exit(1);
    }
    fclose(file);
    for (size_t cut = 0; cut <= size; cut++)
        run(bytes, cut);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(changed, bytes, size);
        for (int n = rand() % 4; n >= 0; n--)
            changed[(size_t)rand() % size] = (uint8_t)(rand() % 2 ? rand() : rand() % 8);
        run(changed, size);
    }
}

int main(int argc, char **argv)
{
    srand(1);
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    return argc < 2;
}
