/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/payload/sign.h"

#include <errno.h>
#include <sys/stat.h>

#include "tests/unit/check.h"
#include "tests/unit/example.h"

#define PAYLOAD "some payload\0bytes"
#define HEADER_SIZE 112

static char folder[] = "/tmp/achar-test-sign-XXXXXX";

static char *in_folder(const char *name)
{
    return must_format("%s/keys/%s", folder, name);
}

static int verify(const struct buffer *file, struct error *err)
{
    const void *payload = NULL;
    size_t size = 0;
    *err = (struct error){0};
    int r = sign_verify(file->data, file->size, &payload, &size, NULL, err);
    CHECK(r == 0 || (payload == NULL && err->text[0]));
    return r;
}

static void test_key_files(void)
{
    struct error err = {0};
    CLEANUP(sign_key_freep) struct sign_key *key = NULL, *again = NULL;
    CHECK_INT(sign_key_load(false, &key, &err), -ENOENT);
    CHECK(strstr(err.text, "achar key"));
    err = (struct error){0};
    CHECK_OK(sign_key_load(true, &key, &err), err);
    CLEANUP(freep) char *path = in_folder("key.pem");
    struct stat status;
    CHECK_INT(stat(path, &status), 0);
    CHECK_INT(status.st_mode & 07777, 0600);
    CHECK_INT(sign_key_make(&err), -EEXIST);
    err = (struct error){0};

    chmod(path, 0640);
    CHECK_INT(sign_key_load(false, &again, &err), -EPERM);
    CHECK(strstr(err.text, "chmod 0600") != NULL);
    chmod(path, 0600);
    err = (struct error){0};
    CHECK_OK(sign_key_load(false, &again, &err), err);
    uint8_t a[SIGN_KEY_SIZE], b[SIGN_KEY_SIZE];
    sign_key_public(key, a);
    sign_key_public(again, b);
    CHECK(memcmp(a, b, sizeof(a)) == 0);
}

static void test_hex(void)
{
    uint8_t key[SIGN_KEY_SIZE], back[SIGN_KEY_SIZE];
    char hex[SIGN_HEX_SIZE];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 37);
    sign_key_to_hex(key, hex);
    CHECK(sign_key_from_hex(hex, back) && memcmp(key, back, sizeof(key)) == 0);
    hex[10] = 'g';
    CHECK(!sign_key_from_hex(hex, back));
    CHECK(!sign_key_from_hex("12", back));
    CHECK(!sign_key_from_hex("", back));
}

static void test_damage(void)
{
    struct error err = {0};
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    CLEANUP(buffer_clear) struct buffer file = {0}, again = {0};
    CHECK_OK(sign_key_load(true, &key, &err), err);
    CHECK_OK(sign_file(key, PAYLOAD, sizeof(PAYLOAD), &file, &err), err);
    CHECK_OK(sign_file(key, PAYLOAD, sizeof(PAYLOAD), &again, &err), err);
    CHECK(file.size == again.size && memcmp(file.data, again.data, file.size) == 0);
    CHECK_INT(file.size, HEADER_SIZE + sizeof(PAYLOAD));

    const void *payload = NULL;
    size_t size = 0;
    uint8_t signer[SIGN_KEY_SIZE], own[SIGN_KEY_SIZE];
    CHECK_OK(sign_verify(file.data, file.size, &payload, &size, signer, &err), err);
    CHECK(size == sizeof(PAYLOAD) && payload && memcmp(payload, PAYLOAD, size) == 0);
    sign_key_public(key, own);
    CHECK(memcmp(own, signer, sizeof(own)) == 0);

    for (size_t i = 0; i < file.size; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            file.data[i] ^= (char)(1 << bit);
            CHECK_INT(verify(&file, &err), -EBADMSG);
            file.data[i] ^= (char)(1 << bit);
        }
    }
    for (size_t n = 0; n < again.size; n++) {
        struct buffer cut = {.data = again.data, .size = n};
        CHECK_INT(verify(&cut, &err), -EBADMSG);
    }
    buffer_add_char(&again, 'x');
    CHECK_INT(verify(&again, &err), -EBADMSG);
    CHECK_INT(verify(&file, &err), 0);
}

/* Makes the key in another folder, signs with it, and looks at it from the first folder.
 */
static void test_other_key(void)
{
    struct error err = {0};
    CLEANUP(freep) char *keys = in_folder(""), *others = must_format("%s/others", folder);
    CLEANUP(freep) char *list = in_folder("trusted.txt");
    CLEANUP(sign_key_freep) struct sign_key *other = NULL;
    CLEANUP(buffer_clear) struct buffer file = {0};
    setenv("ACHAR_KEYS", others, 1);
    CHECK_OK(sign_key_load(true, &other, &err), err);
    CHECK_OK(sign_file(other, PAYLOAD, sizeof(PAYLOAD), &file, &err), err);
    setenv("ACHAR_KEYS", keys, 1);

    uint8_t signer[SIGN_KEY_SIZE];
    char hex[SIGN_HEX_SIZE];
    const void *payload = NULL;
    size_t size = 0;
    CHECK_INT(sign_verify(file.data, file.size, &payload, &size, signer, &err), -EACCES);
    sign_key_to_hex(signer, hex);
    CHECK(strstr(err.text, hex) && strstr(err.text, "--trust"));
    err = (struct error){0};
    CHECK_OK(sign_open(file.data, file.size, &payload, &size, signer, &err), err);

    CHECK_INT(sign_trust(signer, "two\nlines", &err), -EINVAL);
    err = (struct error){0};
    CHECK_OK(sign_trust(signer, "a friend", &err), err);
    CHECK_OK(sign_trust(signer, "a good friend", &err), err);
    CHECK_INT(verify(&file, &err), 0);
    CLEANUP(freep) char *name = NULL;
    CHECK_INT(sign_is_trusted(signer, &name, &err), 1);
    CHECK_STRING(name, "a good friend");

    chmod(list, 0666);
    CHECK_INT(verify(&file, &err), -EPERM);
    chmod(list, 0600);
    FILE *text = fopen(list, "w");
    fputs("# comment\n\nnot a key\n", text);
    fclose(text);
    CHECK_INT(verify(&file, &err), -EBADMSG);
    CHECK(strstr(err.text, "line 3"));
    unlink(list);
    CHECK_INT(verify(&file, &err), -EACCES);
}

static void test_save(void)
{
    struct error err = {0};
    CLEANUP(freep) char *path = must_format("%s/f.achar", folder);
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    CLEANUP(buffer_clear) struct buffer file = {0};
    CHECK_INT(sign_read(path, &file, &err), -ENOENT);
    err = (struct error){0};
    CHECK_OK(sign_key_load(false, &key, &err), err);
    CHECK_OK(sign_save(key, path, "old", 3, &err), err);
    CHECK_OK(sign_save(key, path, PAYLOAD, sizeof(PAYLOAD), &err), err);
    CHECK_OK(sign_read(path, &file, &err), err);
    CHECK_INT(verify(&file, &err), 0);
    err = (struct error){0};
    CHECK_INT(sign_read(folder, &file, &err), -EINVAL);
}

/* The private key of RFC 8032, section 7.1, test 1, as FORMAT.md has it. */
static void test_example(const char *format)
{
    struct error err = {0};
    CLEANUP(freep) char *path = in_folder("key.pem");
    CLEANUP(freep) char *kept = in_folder("kept.pem");
    CLEANUP(sign_key_freep) struct sign_key *key = NULL;
    CLEANUP(buffer_clear) struct buffer payload = example_read(format, "Example payload");
    CLEANUP(buffer_clear) struct buffer header = example_read(format, "Example file");
    CLEANUP(buffer_clear) struct buffer file = {0};
    CHECK_INT(rename(path, kept), 0);
    FILE *pem = fopen(path, "w");
    fputs("-----BEGIN PRIVATE KEY-----\n"
          "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
          "-----END PRIVATE KEY-----\n",
          pem);
    fclose(pem);
    chmod(path, 0600);
    CHECK_OK(sign_key_load(false, &key, &err), err);
    CHECK_OK(sign_file(key, payload.data, payload.size, &file, &err), err);
    CHECK_INT(header.size, HEADER_SIZE);
    CHECK(header.size == HEADER_SIZE && memcmp(file.data, header.data, HEADER_SIZE) == 0);
    for (size_t i = 0; header.size != HEADER_SIZE && i < HEADER_SIZE; i++)
        fprintf(stderr, "%02x ", (unsigned char)file.data[i]);
    CHECK_INT(verify(&file, &err), 0);
    CHECK_INT(rename(kept, path), 0);
}

int main(int argc, char **argv)
{
    CHECK_INT(argc, 2);
    CHECK(mkdtemp(folder) != NULL);
    CLEANUP(freep) char *keys = in_folder("");
    setenv("ACHAR_KEYS", keys, 1);
    test_key_files();
    test_hex();
    test_damage();
    test_example(argv[1]);
    test_other_key();
    test_save();
    CLEANUP(freep) char *command = must_format("rm -r '%s'", folder);
    CHECK_INT(system(command), 0);
    return check_status();
}
