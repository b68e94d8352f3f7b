#include "worker/mime/content.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "worker/mime/reader.h"

enum { STEP = 64 << 10 };

static bool is_set(const atomic_bool *flag)
{
    return flag != NULL && atomic_load_explicit(flag, memory_order_relaxed);
}

/* What is not encoded is hashed where it lies, or not even looked at. */
static int measure_identity(struct mime_part *part, const char *body, struct mime_digest *digest,
                            const atomic_bool *cancelled)
{
    int err = 0;

    part->decoded_bytes = part->bytes;
    for (uint64_t at = 0; digest != NULL && at < part->bytes && err == 0; at += STEP) {
        const uint64_t left = part->bytes - at;

        if (is_set(cancelled))
            return -ECANCELED;
        err = mime_digest_add(digest, body + part->offset + at, left < STEP ? left : STEP);
    }
    return err;
}

static int measure_decoded(struct mime_part *part, const char *body, struct mime_digest *digest,
                           const atomic_bool *cancelled, struct reason *reterr_why)
{
    char step[STEP];
    struct mime_reader reader;
    size_t bytes;
    int err = 0;

    mime_reader_init(&reader, part, body);
    reader.stops_at_noise = true;
    part->decoded_bytes = 0;
    while (err == 0 && (bytes = mime_reader_read(&reader, step, STEP)) > 0) {
        if (is_set(cancelled))
            return -ECANCELED;
        part->decoded_bytes += bytes;
        if (digest != NULL)
            err = mime_digest_add(digest, step, bytes);
    }
    if (reader.is_noise)
        return reason_set(reterr_why, -E2BIG, "more than %u KiB of noise in an encoded part",
                          MIME_NOISE_MAX >> 10);
    return err;
}

int mime_content_measure(struct mime_part *part, const char *body, struct mime_digest *digest,
                         const atomic_bool *cancelled, struct reason *reterr_why)
{
    int err = part->encoding == MIME_IDENTITY
                  ? measure_identity(part, body, digest, cancelled)
                  : measure_decoded(part, body, digest, cancelled, reterr_why);

    if (err == 0 && digest != NULL)
        err = mime_digest_take(digest, &part->md5, &part->md5_count);
    return err;
}
