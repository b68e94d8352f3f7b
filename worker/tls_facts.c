/* worker/tls_facts.c: who the peer has shown to be, in words. */
#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "worker/tls_private.h"

#define NAMES_MAX 5 /* of a certificate, in a text */

static void add_name(char out[TLS_WHY_SIZE], const char *name, size_t bytes)
{
    size_t used = strlen(out);

    (void)snprintf(out + used, TLS_WHY_SIZE - used, "%s%.*s", used > 0 ? ", " : "", (int)bytes,
                   name);
    for (char *c = out + used; *c != '\0'; c++)
        *c = *c >= ' ' && *c < 0x7f ? *c : '?'; /* whoever made the certificate chose them */
}

static void add_address(char out[TLS_WHY_SIZE], const ASN1_OCTET_STRING *address)
{
    ASN1_OCTET_STRING *copy = ASN1_OCTET_STRING_dup(address);
    char *text = copy != NULL ? i2s_ASN1_OCTET_STRING(NULL, copy) : NULL;
    const unsigned char *byte = ASN1_STRING_get0_data(address);
    char plain[32];

    if (ASN1_STRING_length(address) == 4) {
        (void)snprintf(plain, sizeof(plain), "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);
        add_name(out, plain, strlen(plain));
    } else if (text != NULL) {
        add_name(out, text, strlen(text));
    }
    OPENSSL_free(text);
    ASN1_OCTET_STRING_free(copy);
}

void tls_read_subject(const X509 *certificate, char out[TLS_WHY_SIZE])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;

    for (int i = 0; i < count && i < NAMES_MAX; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            add_name(out, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
        else if (name->type == GEN_IPADD)
            add_address(out, name->d.iPAddress);
    }
    if (count > NAMES_MAX)
        add_name(out, "...", 3);
    GENERAL_NAMES_free(names);
    if (out[0] == '\0') {
        char common[TLS_WHY_SIZE] = "";

        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common,
                                        sizeof(common));
        add_name(out, common, strlen(common));
    }
}

int64_t tls_certificate_ends_s(const X509 *certificate)
{
    struct tm tm = { 0 };

    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

enum tls_fault tls_error_fault(unsigned long code)
{
    switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG: return TLS_NOT_SPOKEN;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return TLS_WANTS_CLIENT_CERTIFICATE;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
    case SSL_R_UNSUPPORTED_PROTOCOL: return TLS_NO_COMMON_WAY;
    default: return TLS_NO_FAULT;
    }
}

static enum tls_fault fault_of(long result)
{
    switch (result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return TLS_SELF_SIGNED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return TLS_UNKNOWN_ISSUER;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TLS_WRONG_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED: return TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_NOT_YET_VALID;
    default: return TLS_NO_FAULT;
    }
}

void tls_write_fault(long result, const char *host, struct tls_facts *facts)
{
    facts->fault = fault_of(result);
    if (facts->fault == TLS_WRONG_NAME)
        (void)snprintf(facts->why_not, sizeof(facts->why_not),
                       "the certificate is for %.90s, not for %.90s",
                       facts->subject[0] != '\0' ? facts->subject : "nobody", host);
    else
        (void)snprintf(facts->why_not, sizeof(facts->why_not), "%s",
                       X509_verify_cert_error_string(result));
}

void tls_read_facts(const SSL *ssl, const struct tls_server *server, struct tls_facts *facts)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    long result = SSL_get_verify_result(ssl);

    *facts = (struct tls_facts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .is_resumed = SSL_session_reused(ssl) == 1,
        .is_verified = certificate != NULL && result == X509_V_OK,
    };
    if (certificate != NULL) {
        tls_read_subject(certificate, facts->subject);
        facts->ends_s = tls_certificate_ends_s(certificate);
        X509_free(certificate);
    }
    if (server == NULL || facts->is_verified)
        return;
    if (certificate == NULL)
        (void)snprintf(facts->why_not, sizeof(facts->why_not), "the server has no certificate");
    else
        tls_write_fault(result, server->host, facts);
}
