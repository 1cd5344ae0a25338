/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `achar key`: the key that signs payload files, and the keys of others that are trusted.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/app/command.h"
#include "pickler/payload/sign.h"

static int complain(const struct error *err)
{
    fprintf(stderr, "achar key: %s\n", err->text);
    return 1;
}

static int load_own(char ret_hex[SIGN_HEX_SIZE], struct error *err)
{
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    uint8_t public[SIGN_KEY_SIZE];
    int r = sign_key_load(false, &key, err);
    if (r < 0)
        return r;
    sign_key_public(key, public);
    sign_key_to_hex(public, ret_hex);
    return 0;
}

static int show(void)
{
    struct error err = {0};
    char hex[SIGN_HEX_SIZE];
    if (load_own(hex, &err) < 0)
        return complain(&err);
    puts(hex);
    return 0;
}

static int make(void)
{
    struct error err = {0};
    char hex[SIGN_HEX_SIZE];
    if (sign_key_make(&err) < 0 || load_own(hex, &err) < 0)
        return complain(&err);
    CLEANUP(freep) char *folder = sign_folder();
    printf("made %s/key.pem\npublic key: %s\n", folder, hex);
    return 0;
}

static int trust(const char *hex, const char *name)
{
    struct error err = {0};
    uint8_t key[SIGN_KEY_SIZE];
    if (!sign_key_from_hex(hex, key)) {
        fprintf(stderr, "achar key: '%s' is not a public key of %d hexadecimal digits\n",
                hex, SIGN_HEX_SIZE - 1);
        return 1;
    }
    if (sign_trust(key, name, &err) < 0)
        return complain(&err);
    printf("payload files signed by %s (%s) are trusted\n", hex, name);
    return 0;
}

static int run(int argc, char **argv)
{
    if (argc == 1)
        return make();
    if (argc == 2 && strcmp(argv[1], "--show") == 0)
        return show();
    if (argc == 4 && strcmp(argv[1], "--trust") == 0)
        return trust(argv[2], argv[3]);
    if (strcmp(argv[1], "--trust") == 0)
        fprintf(stderr, "achar key: '--trust' needs a public key and a name\n");
    else
        fprintf(stderr, "achar key: unknown argument '%s'\n",
                strcmp(argv[1], "--show") == 0 ? argv[2] : argv[1]);
    return COMMAND_USAGE;
}

const struct command command_key = {
    .name = "key",
    .summary = "make the key that signs payload files, or trust another one",
    .usage = "[--show | --trust KEY NAME]\n"
             "\n"
             "  without arguments    make a key\n"
             "  --show               print the own public key\n"
             "  --trust KEY NAME     trust files signed by KEY, a public key of 64\n"
             "                       hexadecimal digits, and call it NAME",
    .run = run,
};
