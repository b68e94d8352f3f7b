#include "common/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static bool end_of(const X509 *certificate, int64_t *ret_end_s)
{
    struct tm parts;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return false;
    *ret_end_s = (int64_t)timegm(&parts);
    return true;
}

int certificate_end(const char *path, int64_t *ret_end_s)
{
    FILE *file = fopen(path, "re");
    int err = -EBADMSG;
    X509 *certificate;
    int64_t end_s;

    if (file == NULL)
        return -errno;
    while ((certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        if (end_of(certificate, &end_s) && (err < 0 || end_s < *ret_end_s)) {
            *ret_end_s = end_s;
            err = 0;
        }
        X509_free(certificate);
    }
    ERR_clear_error(); /* the end of the file is one */
    fclose(file);
    return err;
}
