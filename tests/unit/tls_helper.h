/* tests/unit/tls_helper.h: a CA and certificates for one test, in files. */
#ifndef TESTS_UNIT_TLS_HELPER_H
#define TESTS_UNIT_TLS_HELPER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define TLS_DAY_S 86400

struct tls_paper { /* a certificate with its key */
    X509 *certificate;
    EVP_PKEY *key;
    char certificate_file[64], key_file[64];
};

static char tls_folder[40];

static inline void tls_write(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    if (certificate != NULL)
        PEM_write_X509(file, certificate);
    if (key != NULL)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static inline void tls_extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert_not_null(extension, "%s", value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `names`: "DNS:a.test, IP:127.0.0.1"; `issuer` NULL: it signs itself; it ends in `days`. */
static inline struct tls_paper *tls_issue(const char *file, const char *names,
                                          const struct tls_paper *issuer, bool is_ca, int days)
{
    struct tls_paper *paper = calloc(1, sizeof(*paper));
    X509_NAME *subject;
    uint32_t serial;

    if (tls_folder[0] == '\0')
        cr_assert_not_null(mkdtemp(strcpy(tls_folder, "/tmp/postern-tls-XXXXXX")));
    snprintf(paper->certificate_file, sizeof(paper->certificate_file), "%s/%s.pem", tls_folder,
             file);
    snprintf(paper->key_file, sizeof(paper->key_file), "%s/%s.key", tls_folder, file);
    paper->key = EVP_EC_gen("P-256");
    paper->certificate = X509_new();
    RAND_bytes((unsigned char *)&serial, sizeof(serial));
    X509_set_version(paper->certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(paper->certificate), serial >> 2);
    X509_gmtime_adj(X509_getm_notBefore(paper->certificate), -30 * TLS_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(paper->certificate), (long)days * TLS_DAY_S);
    X509_set_pubkey(paper->certificate, paper->key);
    subject = X509_get_subject_name(paper->certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)file, -1, -1, 0);
    X509_set_issuer_name(paper->certificate,
                         issuer != NULL ? X509_get_subject_name(issuer->certificate) : subject);
    tls_extend(paper->certificate, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (names != NULL)
        tls_extend(paper->certificate, NID_subject_alt_name, names);
    X509_sign(paper->certificate, issuer != NULL ? issuer->key : paper->key, EVP_sha256());
    tls_write(paper->certificate_file, paper->certificate, NULL);
    tls_write(paper->key_file, NULL, paper->key);
    return paper;
}

static inline void tls_paper_free(struct tls_paper **paper)
{
    if (*paper == NULL)
        return;
    unlink((*paper)->certificate_file);
    unlink((*paper)->key_file);
    X509_free((*paper)->certificate);
    EVP_PKEY_free((*paper)->key);
    free(*paper);
    *paper = NULL;
    if (rmdir(tls_folder) == 0)
        tls_folder[0] = '\0';
}

/* free(). */
static inline char *tls_pem_of(const struct tls_paper *paper)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long bytes;

    PEM_write_bio_X509(bio, paper->certificate);
    bytes = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)bytes);
    BIO_free(bio);
    return text;
}

#endif
