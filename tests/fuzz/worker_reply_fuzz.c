/* Replies and the extensions in them, from a server that nobody vouches for. The first byte says
 * in what pieces the rest arrives. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "worker/smtp/extension.h"
#include "worker/smtp/outcome.h"
#include "worker/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(const char *text, size_t bytes, unsigned number, void *arg)
{
    if (number > 0)
        smtp_extension_add(arg, text, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct evbuffer *input = evbuffer_new();
    struct smtp_extensions extensions = { 0 };
    struct smtp_reply reply;
    size_t piece = size > 0 ? 1U + data[0] : 1;
    char text[SMTP_EXTENSIONS_TEXT_SIZE], enhanced[SMTP_ENHANCED_SIZE];
    int got = 0;

    smtp_reply_clear(&reply);
    for (size_t at = 1; at < size && got >= 0; at += piece) {
        evbuffer_add(input, data + at, size - at < piece ? size - at : piece);
        while ((got = smtp_reply_take(input, &reply, on_line, &extensions)) == 1) {
            struct smtp_situation situation = { .is_too_many = smtp_reply_is_crowding(&reply) };

            if (reply.code < 200 || reply.code > 599 || strlen(reply.text) != reply.text_bytes)
                abort();
            (void)smtp_reply_enhanced(&reply, enhanced);
            for (unsigned point = 0; point < SMTP_POINT_COUNT; point++) {
                if (smtp_judge(point, smtp_event_of(&reply), &situation) >= SMTP_VERDICT_COUNT)
                    abort();
            }
        }
    }
    (void)smtp_extension_text(&extensions, text);
    evbuffer_free(input);
    return 0;
}
