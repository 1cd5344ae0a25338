/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The own key: where it is kept, how it is made and loaded. */
#include "pickler/payload/key.h"

#include <errno.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <string.h>

#include "pickler/payload/store.h"

#define KEY_FILE "key.pem"
#define KEY_FILE_SIZE_MAX 16384
#define OPEN_TO_OTHERS 0077

char *sign_folder(void)
{
    const char *folder = getenv("ACHAR_KEYS");
    if (folder && *folder)
        return must_strdup(folder);
    folder = getenv("XDG_CONFIG_HOME");
    if (folder && *folder == '/')
        return must_format("%s/achar", folder);
    const char *home = getenv("HOME");
    const struct passwd *user = home && *home ? NULL : getpwuid(geteuid());
    if (user)
        home = user->pw_dir;
    return must_format("%s/.config/achar", home && *home ? home : "");
}

char *key_file_path(const char *name, struct error *err)
{
    CLEANUP(freep) char *folder = sign_folder();
    if (*folder != '/') {
        error_set(err, -EINVAL, "the key folder '%s' is not an absolute path", folder);
        return NULL;
    }
    return must_format("%s/%s", folder, name);
}

void sign_key_free(struct sign_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pair);
    free(key);
}

void sign_key_public(const struct sign_key *key, uint8_t ret[SIGN_KEY_SIZE])
{
    memcpy(ret, key->public, SIGN_KEY_SIZE);
}

static int encode(EVP_PKEY *pair, const char *path, struct error *err)
{
    BIO *memory = BIO_new(BIO_s_mem());
    int r = -ENOMEM;
    char *data = NULL;
    if (memory &&
        PEM_write_bio_PKCS8PrivateKey(memory, pair, NULL, NULL, 0, NULL, NULL)) {
        long size = BIO_get_mem_data(memory, &data);
        r = store_write(path, data, (size_t)size, 0600, true, err);
        OPENSSL_cleanse(data, (size_t)size);
    }
    BIO_free(memory);
    return r;
}

int sign_key_make(struct error *err)
{
    CLEANUP(freep) char *folder = sign_folder();
    CLEANUP(freep) char *path = key_file_path(KEY_FILE, err);
    if (!path)
        return -EINVAL;
    if (access(path, F_OK) == 0)
        return error_set(err, -EEXIST, "a key exists already: '%s'", path);
    int r = store_make_folder(folder, err);
    if (r < 0)
        return r;
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    r = pair ? encode(pair, path, err) : -EIO;
    EVP_PKEY_free(pair);
    return r < 0 ? error_set(err, r, "cannot make a key") : 0;
}

static int no_password(char *text, int size, int is_writing, void *context)
{
    return -1; /* never ask on a terminal */
}

static int decode(const struct buffer *pem, const char *path, struct sign_key **ret,
                  struct error *err)
{
    CLEANUP(sign_key_freep) struct sign_key *key = must_alloc(sizeof(*key));
    BIO *memory = BIO_new_mem_buf(buffer_string(pem), (int)pem->size);
    if (memory)
        key->pair = PEM_read_bio_PrivateKey(memory, NULL, no_password, NULL);
    BIO_free(memory);
    size_t size = SIGN_KEY_SIZE;
    if (!key->pair || EVP_PKEY_get_id(key->pair) != EVP_PKEY_ED25519 ||
        !EVP_PKEY_get_raw_public_key(key->pair, key->public, &size) ||
        size != SIGN_KEY_SIZE)
        return error_set(err, -EBADMSG,
                         "'%s' does not hold an Ed25519 private key: move it away and "
                         "make a new one with 'achar key'",
                         path);
    *ret = TAKE(key);
    return 0;
}

int sign_key_load(bool make, struct sign_key **ret, struct error *err)
{
    CLEANUP(freep) char *path = key_file_path(KEY_FILE, err);
    if (!path)
        return -EINVAL;
    if (make && access(path, F_OK) < 0 && errno == ENOENT) {
        struct error made = {0};
        int r = sign_key_make(&made);
        if (r < 0 && r != -EEXIST)
            return error_set(err, r, "%s", made.text);
    }
    CLEANUP(buffer_clear) struct buffer pem = {0};
    struct error failed = {0};
    int r = store_read(path, KEY_FILE_SIZE_MAX, OPEN_TO_OTHERS, &pem, &failed);
    if (r == -ENOENT)
        return error_set(err, r, "there is no key '%s': make one with 'achar key'", path);
    if (r < 0)
        return error_set(err, r, "%s", failed.text);
    r = decode(&pem, path, ret, err);
    OPENSSL_cleanse(pem.data, pem.size);
    return r;
}
