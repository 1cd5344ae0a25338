/* SPDX-License-Identifier: BSD-3-Clause
 *
 * OpenSSL reads and writes our own buffers: one system call moves many records, and
 * nothing that was decrypted stays where poll() cannot see it. */
#include "kernel/peer/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#define KEEP_CAPACITY (1u << 20)  /* a larger empty buffer is given back */
#define CERTIFICATE_SECONDS 86400 /* nobody looks at it, but it must have an end */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"

struct tls_key {
    EVP_PKEY *key;
    X509 *certificate;
    uint8_t hash[TLS_HASH_SIZE];
};

/* Bytes before `taken` were used. */
struct queue {
    struct buffer bytes;
    size_t taken;
};

struct tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *method;
    struct queue in, out;
    uint8_t peer[TLS_HASH_SIZE];
    bool is_stranger; /* the peer has shown another key */
    bool is_dry;      /* nothing whole is left of what was fed */
};

/* ---- buffers as OpenSSL sees them ---- */

static size_t queue_size(const struct queue *queue)
{
    return queue->bytes.size - queue->taken;
}

static void queue_take(struct queue *queue, size_t size)
{
    queue->taken += size;
    if (queue_size(queue))
        return;
    queue->taken = queue->bytes.size = 0;
    if (queue->bytes.capacity > KEEP_CAPACITY)
        buffer_clear(&queue->bytes);
}

static int bio_read(BIO *bio, char *to, size_t size, size_t *ret)
{
    struct tls *tls = BIO_get_data(bio);
    size_t here = queue_size(&tls->in);
    BIO_clear_retry_flags(bio);
    if (!here) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *ret = size < here ? size : here;
    memcpy(to, tls->in.bytes.data + tls->in.taken, *ret);
    queue_take(&tls->in, *ret);
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *ret)
{
    struct tls *tls = BIO_get_data(bio);
    buffer_add(&tls->out.bytes, data, size);
    *ret = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

/* ---- keys ---- */

/* OpenSSL's own words for what failed last; its queue is empty afterwards. */
static int fail(struct error *err, int code, const char *what)
{
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, code, "%s: %s", what, text);
}

static bool hash_key(const X509 *certificate, uint8_t ret[TLS_HASH_SIZE])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool is_done =
        size > 0 && EVP_Digest(der, (size_t)size, ret, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return is_done;
}

static bool sign_self(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -CERTIFICATE_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), CERTIFICATE_SECONDS) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"achar", -1, -1, 0) &&
           X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
           X509_sign(certificate, key, NULL) > 0;
}

int tls_key_new(struct tls_key **ret, struct error *err)
{
    CLEANUP(tls_key_freep) struct tls_key *key = must_alloc(sizeof(*key));
    key->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    key->certificate = X509_new();
    if (!key->key || !key->certificate || !sign_self(key->certificate, key->key) ||
        !hash_key(key->certificate, key->hash))
        return fail(err, -EIO, "cannot make a key for a connection");
    *ret = TAKE(key);
    return 0;
}

void tls_key_free(struct tls_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    X509_free(key->certificate);
    free(key);
}

void tls_key_hash(const struct tls_key *key, uint8_t ret[TLS_HASH_SIZE])
{
    memcpy(ret, key->hash, TLS_HASH_SIZE);
}

int tls_hash_read(const char *text, uint8_t ret[TLS_HASH_SIZE])
{
    if (strlen(text) != 2 * TLS_HASH_SIZE ||
        strspn(text, "0123456789abcdef") != 2 * TLS_HASH_SIZE)
        return -EINVAL;
    for (size_t i = 0; i < TLS_HASH_SIZE; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1]};
        ret[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return 0;
}

void tls_hash_write(const uint8_t hash[TLS_HASH_SIZE], struct buffer *out)
{
    for (size_t i = 0; i < TLS_HASH_SIZE; i++)
        buffer_format(out, "%02x", hash[i]);
}

/* ---- connections ---- */

/* Instead of OpenSSL's rules for certificates: the peer's key is the expected one. That
 * it holds the private key, the handshake itself proves. */
static int is_expected(X509_STORE_CTX *store, void *argument)
{
    struct tls *tls = argument;
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    uint8_t hash[TLS_HASH_SIZE];
    if (certificate && hash_key(certificate, hash) &&
        CRYPTO_memcmp(hash, tls->peer, TLS_HASH_SIZE) == 0)
        return 1;
    tls->is_stranger = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static bool set_up(struct tls *tls, const struct tls_key *key)
{
    SSL_CTX *context = tls->context = SSL_CTX_new(TLS_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, CIPHERS) ||
        !SSL_CTX_set_num_tickets(context, 0) ||
        SSL_CTX_use_certificate(context, key->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, key->key) != 1)
        return false;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, is_expected, tls);
    tls->ssl = SSL_new(context);
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "achar");
    return tls->ssl && tls->method && BIO_meth_set_read_ex(tls->method, bio_read) &&
           BIO_meth_set_write_ex(tls->method, bio_write) &&
           BIO_meth_set_ctrl(tls->method, bio_control);
}

int tls_new(const struct tls_key *key, const uint8_t peer[TLS_HASH_SIZE], bool is_client,
            struct tls **ret, struct error *err)
{
    CLEANUP(tls_freep) struct tls *tls = must_alloc(sizeof(*tls));
    memcpy(tls->peer, peer, TLS_HASH_SIZE);
    BIO *bio = set_up(tls, key) ? BIO_new(tls->method) : NULL;
    if (!bio)
        return fail(err, -EIO, "cannot prepare a TLS connection");
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    if (is_client)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    *ret = TAKE(tls);
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    buffer_clear(&tls->in.bytes);
    buffer_clear(&tls->out.bytes);
    free(tls);
}

int tls_shake(struct tls *tls, struct error *err)
{
    int r = SSL_do_handshake(tls->ssl);
    if (r == 1)
        return 1;
    if (SSL_get_error(tls->ssl, r) == SSL_ERROR_WANT_READ)
        return 0;
    if (!tls->is_stranger)
        return fail(err, -EBADMSG, "the TLS handshake failed");
    ERR_clear_error();
    return error_set(err, -EACCES, "the peer of a TLS connection has another key");
}

char *tls_room(struct tls *tls, size_t size)
{
    struct queue *in = &tls->in;
    size_t left = queue_size(in);
    if (in->taken > left) { /* at most one move a byte */
        memmove(in->bytes.data, in->bytes.data + in->taken, left);
        in->bytes.size = left;
        in->taken = 0;
    }
    buffer_reserve(&in->bytes, size);
    return in->bytes.data + in->bytes.size;
}

void tls_fed(struct tls *tls, size_t size)
{
    tls->in.bytes.size += size;
    tls->is_dry = false;
}

bool tls_has_more(const struct tls *tls)
{
    return !tls->is_dry;
}

int tls_open(struct tls *tls, void *to, size_t size, size_t *ret_size, struct error *err)
{
    size_t done = 0, n;
    int r = 1;
    while (!tls->is_dry && done < size &&
           (r = SSL_read_ex(tls->ssl, (char *)to + done, size - done, &n)) == 1)
        done += n;
    int why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, r);
    tls->is_dry |= why == SSL_ERROR_WANT_READ;
    if (done) { /* what is wrong behind it stays so */
        ERR_clear_error();
        *ret_size = done;
        return 1;
    }
    if (tls->is_dry)
        return 0;
    if (why == SSL_ERROR_ZERO_RETURN)
        return error_set(err, -EPIPE, "the peer has closed the connection");
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (reason > SSL_AD_REASON_OFFSET && reason != SSL_R_SSLV3_ALERT_BAD_RECORD_MAC)
        return fail(err, -EPIPE, "the peer has ended the connection"); /* by an alert */
    return fail(err, -EBADMSG, "what came over TLS cannot be read");
}

int tls_seal(struct tls *tls, const void *data, size_t size, struct error *err)
{
    size_t n;
    if (size && SSL_write_ex(tls->ssl, data, size, &n) != 1)
        return fail(err, -EIO, "cannot seal what is to be sent");
    assert(!size || n == size); /* our buffer takes all */
    return 0;
}

void tls_close(struct tls *tls)
{
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

const char *tls_unsent(const struct tls *tls, size_t *ret_size)
{
    *ret_size = queue_size(&tls->out);
    return *ret_size ? tls->out.bytes.data + tls->out.taken : NULL;
}

void tls_sent(struct tls *tls, size_t size)
{
    queue_take(&tls->out, size);
}
