#include "master/console_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/auto.h"
#include "common/certificate.h"
#include "common/log.h"
#include "common/secret.h"

#define MAX_PEM   262144
#define DAYS      3650
#define AN_HOUR_S 3600

/* ---- making one ---- */

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool is_added;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool set_serial(X509 *certificate)
{
    unsigned char octets[16];
    BIGNUM *number;
    bool is_set;

    if (RAND_bytes(octets, sizeof(octets)) != 1)
        return false;
    octets[0] &= 0x7f;
    number = BN_bin2bn(octets, sizeof(octets), NULL);
    is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return is_set;
}

/* A common name has at most 64 characters; the name that counts is among the alternatives. */
static bool set_name(X509 *certificate, const char *hostname)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    int bytes = (int)strnlen(hostname, 64);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)hostname,
                                      bytes, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static X509 *make_certificate(EVP_PKEY *key, const char *hostname)
{
    X509 *certificate = X509_new();
    char names[512];

    snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) && set_name(certificate, hostname) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -AN_HOUR_S) &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), DAYS, 0, NULL) &&
        X509_set_pubkey(certificate, key) == 1 &&
        add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
        add_extension(certificate, NID_subject_alt_name, names) &&
        X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* Both in one file, so that they are never of two makings; never open to others. */
static int write_pem(const char *path, EVP_PKEY *key, X509 *certificate, struct reason *reterr_why)
{
    AUTO(free) char *fresh = NULL;
    FILE *file = NULL;
    int fd, err = 0;

    if (asprintf(&fresh, "%s.new", path) < 0)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    (void)unlink(fresh);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        file = fdopen(fd, "w");
    if (!file) {
        err = -errno;
        if (fd >= 0)
            close(fd);
        return reason_set(reterr_why, err, "%s: %s", fresh, strerror(-err));
    }
    errno = EIO;
    if (PEM_write_X509(file, certificate) != 1 ||
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 || fflush(file) != 0 ||
        fsync(fd) != 0)
        err = -errno;
    if (fclose(file) != 0 && err == 0)
        err = -errno;
    if (err == 0 && rename(fresh, path) != 0)
        err = -errno;
    return err < 0 ? reason_set(reterr_why, err, "%s: %s", path, strerror(-err)) : 0;
}

static int make(const char *path, const char *hostname, struct reason *reterr_why)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? make_certificate(key, hostname) : NULL;
    int err = certificate ? write_pem(path, key, certificate, reterr_why)
                          : reason_set(reterr_why, -EIO, "%s: OpenSSL makes no certificate", path);

    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (err == 0)
        log_info("console", "a self-signed certificate was made", LOG_STR("file", path));
    return err;
}

/* ---- reading one ---- */

static int read_file(const char *path, char **ret_text, struct reason *reterr_why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *text = NULL;
    ssize_t bytes = -1;

    errno = fd < 0 ? errno : EIO;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size <= MAX_PEM)
        text = malloc((size_t)info.st_size + 1);
    if (text)
        bytes = read(fd, text, (size_t)info.st_size);
    if (bytes < 0) {
        int err = -errno;

        free(text);
        if (fd >= 0)
            close(fd);
        return reason_set(reterr_why, err, "%s: %s", path, strerror(-err));
    }
    text[bytes] = '\0';
    close(fd);
    *ret_text = text;
    return 0;
}

/* "AB:CD:...", of the first certificate. */
static int take_fingerprint(const char *pem, char *out, size_t size)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    size_t used = 0;

    if (certificate && X509_digest(certificate, EVP_sha256(), digest, &bytes) != 1)
        bytes = 0;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    for (unsigned i = 0; i < bytes && used + 4 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%02X", i ? ":" : "", digest[i]);
    return bytes > 0 ? 0 : -EBADMSG;
}

/* With an empty passphrase, as the console will: nobody is there to type one. */
static int check_key(const char *certificate_pem, const char *key_pem)
{
    BIO *certificate_bio = BIO_new_mem_buf(certificate_pem, -1);
    BIO *key_bio = BIO_new_mem_buf(key_pem, -1);
    X509 *certificate =
        certificate_bio ? PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, (void *)"") : NULL;
    int err = !certificate || !key                            ? -EBADMSG
              : X509_check_private_key(certificate, key) == 1 ? 0
                                                              : -EKEYREJECTED;

    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(key_bio);
    BIO_free(certificate_bio);
    ERR_clear_error();
    return err;
}

static int take_key(const struct console_identity *identity, const char *certificate,
                    const char *key, struct reason *reterr_why)
{
    int err = check_key(identity->certificate, identity->key);

    if (err == -EBADMSG)
        return reason_set(reterr_why, err,
                          "%s: no private key in it can be read without a passphrase", key);
    if (err < 0)
        return reason_set(reterr_why, err, "%s: it is not the key of the certificate in %s", key,
                          certificate);
    return 0;
}

int console_identity_check(const struct conf *conf, struct reason *reterr_why)
{
    bool has_certificate = *conf->console_certificate, has_key = *conf->console_key;

    if (has_certificate == has_key)
        return 0;
    return reason_set(reterr_why, -EINVAL, "console.%s is set, console.%s is not: both or neither",
                      has_certificate ? "certificate" : "key",
                      has_certificate ? "key" : "certificate");
}

int console_identity_load(const struct conf *conf, struct console_identity *identity,
                          struct reason *reterr_why)
{
    AUTO(free) char *own = NULL;
    const char *certificate = conf->console_certificate, *key = conf->console_key;
    int err = 0;

    *identity = (struct console_identity){ .is_own = *certificate };
    if (!identity->is_own) {
        if (asprintf(&own, "%s/console.pem", conf->top_state_dir) < 0) {
            own = NULL;
            return reason_set(reterr_why, -ENOMEM, "out of memory");
        }
        certificate = key = own;
        if (access(own, F_OK) != 0)
            err = make(own, conf->top_hostname, reterr_why);
    }
    if (err == 0)
        err = read_file(certificate, &identity->certificate, reterr_why);
    if (err == 0)
        err = read_file(key, &identity->key, reterr_why);
    if (err == 0 && take_fingerprint(identity->certificate, identity->fingerprint,
                                     sizeof(identity->fingerprint)) < 0)
        err = reason_set(reterr_why, -EBADMSG, "%s: there is no certificate in it", certificate);
    if (err == 0)
        err = take_key(identity, certificate, key, reterr_why);
    if (err == 0 && certificate_end(certificate, &identity->end_s) < 0)
        identity->end_s = 0; /* not to be read just now: it is only shown */
    if (err < 0)
        console_identity_clear(identity);
    return err;
}

void console_identity_clear(struct console_identity *identity)
{
    if (identity->certificate) /* a file may hold both */
        secret_free(&identity->certificate);
    if (identity->key)
        secret_free(&identity->key);
    *identity = (struct console_identity){ 0 };
}
