/* common/address.h: IP addresses with ports, as text and as sockaddr. No names, no look-ups. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>
#include <sys/socket.h>

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    };
    socklen_t bytes;
};

#define ADDRESS_TEXT_SIZE 64

/* "10.0.0.1:25", "[::1]:25"; without a port `default_port` is taken, 0 there makes it required.
 * 0 or -EINVAL. */
int address_parse(const char *text, uint16_t default_port, struct address *ret_address);

/* "10.0.0.1:25", "[::1]:25". IPv4-mapped is written as IPv4. */
const char *address_text(const struct sockaddr *sa, char *out);
/* The same without port and brackets. */
const char *address_host_text(const struct sockaddr *sa, char *out);

#endif
