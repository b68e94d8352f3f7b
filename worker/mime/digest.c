#include "worker/mime/digest.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "common/auto.h"

struct mime_digest {
    EVP_MD *md5;
    EVP_MD_CTX *context;
    uint64_t slice_bytes, in_slice;
    unsigned char (*done)[MIME_MD5_SIZE];
    size_t count, room;
};

int mime_digest_new(uint64_t slice_bytes, struct mime_digest **ret_digest)
{
    struct mime_digest *digest = calloc(1, sizeof(*digest));
    int err = 0;

    if (digest == NULL)
        return -ENOMEM;
    digest->slice_bytes = slice_bytes;
    digest->context = EVP_MD_CTX_new();
    digest->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    if (digest->context == NULL)
        err = -ENOMEM;
    else if (digest->md5 == NULL || EVP_DigestInit_ex2(digest->context, digest->md5, NULL) != 1)
        err = -ENOTSUP;
    if (err < 0)
        mime_digest_free(&digest);
    *ret_digest = digest;
    return err;
}

void mime_digest_free(struct mime_digest **digest)
{
    if (*digest == NULL)
        return;
    EVP_MD_CTX_free((*digest)->context);
    EVP_MD_free((*digest)->md5);
    free((*digest)->done);
    free(*digest);
    *digest = NULL;
}

static int end_slice(struct mime_digest *digest)
{
    if (digest->count == digest->room) {
        const size_t room = digest->room == 0 ? 1 : digest->room * 2;
        unsigned char(*grown)[MIME_MD5_SIZE] = realloc(digest->done, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        digest->done = grown;
        digest->room = room;
    }
    if (EVP_DigestFinal_ex(digest->context, digest->done[digest->count], NULL) != 1 ||
        EVP_DigestInit_ex2(digest->context, digest->md5, NULL) != 1)
        return -ENOMEM;
    digest->count++;
    digest->in_slice = 0;
    return 0;
}

int mime_digest_add(struct mime_digest *digest, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes > 0) {
        const uint64_t left = digest->slice_bytes - digest->in_slice;
        const size_t now = bytes < left ? bytes : (size_t)left;

        if (EVP_DigestUpdate(digest->context, at, now) != 1)
            return -ENOMEM;
        digest->in_slice += now;
        at += now;
        bytes -= now;
        if (digest->in_slice == digest->slice_bytes && end_slice(digest) < 0)
            return -ENOMEM;
    }
    return 0;
}

int mime_digest_take(struct mime_digest *digest, unsigned char (**ret_md5)[MIME_MD5_SIZE],
                     size_t *ret_count)
{
    if (digest->in_slice > 0 && end_slice(digest) < 0)
        return -ENOMEM;
    *ret_md5 = TAKE_PTR(digest->done);
    *ret_count = digest->count;
    digest->count = digest->room = 0;
    return 0;
}
