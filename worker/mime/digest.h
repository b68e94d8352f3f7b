/* worker/mime/digest.h: MD5 of each slice of a stream of bytes, as uploads want it. The door to
 * OpenSSL's hashes in a worker. */
#ifndef WORKER_MIME_DIGEST_H
#define WORKER_MIME_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "worker/mime/part.h"

struct mime_digest;

/* 0; -ENOMEM; -ENOTSUP: this OpenSSL has no MD5 (a FIPS provider). */
int mime_digest_new(uint64_t slice_bytes, struct mime_digest **ret_digest);
void mime_digest_free(struct mime_digest **digest); /* NULL inside is allowed */

/* 0 or -ENOMEM, after which only free is of use. */
int mime_digest_add(struct mime_digest *digest, const void *data, size_t bytes);

/* Ends the stream and begins another. NULL and 0 if there was nothing in it; else free(). */
int mime_digest_take(struct mime_digest *digest, unsigned char (**ret_md5)[MIME_MD5_SIZE],
                     size_t *ret_count);

#endif
