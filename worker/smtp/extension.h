/* worker/smtp/extension.h: what a server said it can do, from the lines of its EHLO reply. Pure. */
#ifndef WORKER_SMTP_EXTENSION_H
#define WORKER_SMTP_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

enum smtp_extension {
    SMTP_HAS_PIPELINING = 1 << 0,
    SMTP_HAS_SIZE = 1 << 1,
    SMTP_HAS_8BITMIME = 1 << 2,
    SMTP_HAS_ENHANCED_CODES = 1 << 3,
    SMTP_HAS_CHUNKING = 1 << 4,
    SMTP_HAS_SMTPUTF8 = 1 << 5,
    SMTP_HAS_STARTTLS = 1 << 6,
    SMTP_HAS_LIMITS = 1 << 7, /* RFC 9422 */
    SMTP_HAS_AUTH = 1 << 8,
};

struct smtp_extensions {
    unsigned flags;    /* enum smtp_extension */
    uint64_t size_max; /* bytes of a message, 0: not said */
    uint32_t mail_max; /* transactions per connection, 0: not said */
    uint32_t rcpt_max; /* recipients per transaction, 0: not said */
    unsigned auth;     /* mechanisms that we know (bit = enum smtp_mechanism) */
};

/* One line after the first, without its code. Unknown ones are passed over. */
void smtp_extension_add(struct smtp_extensions *extensions, const char *line, size_t bytes);

/* "PIPELINING SIZE AUTH(PLAIN,LOGIN)", for people. */
#define SMTP_EXTENSIONS_TEXT_SIZE 200
const char *smtp_extension_text(const struct smtp_extensions *extensions,
                                char out[SMTP_EXTENSIONS_TEXT_SIZE]);

#endif
