#include "common/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, uint16_t *ret_port)
{
    unsigned long port = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return -EINVAL;
    port = strtoul(text, NULL, 10);
    if (port == 0 || port > 65535)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

int address_parse(const char *text, uint16_t default_port, struct address *ret_address)
{
    char host[ADDRESS_TEXT_SIZE];
    const char *begin = text, *end, *rest;
    uint16_t port = default_port;

    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        rest = end != NULL ? end + 1 : NULL;
    } else {
        end = strchr(text, ':');
        if (end == NULL || strchr(end + 1, ':') != NULL) /* none, or a bare IPv6 address */
            end = text + strlen(text);
        rest = end;
    }
    if (end == NULL || (size_t)(end - begin) >= sizeof(host))
        return -EINVAL;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    if (*rest == ':' ? parse_port(rest + 1, &port) < 0 : (*rest != '\0' || port == 0))
        return -EINVAL;

    memset(ret_address, 0, sizeof(*ret_address));
    if (*text != '[' && inet_pton(AF_INET, host, &ret_address->in.sin_addr) == 1) {
        ret_address->in.sin_family = AF_INET;
        ret_address->in.sin_port = htons(port);
        ret_address->bytes = sizeof(ret_address->in);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &ret_address->in6.sin6_addr) != 1)
        return -EINVAL;
    ret_address->in6.sin6_family = AF_INET6;
    ret_address->in6.sin6_port = htons(port);
    ret_address->bytes = sizeof(ret_address->in6);
    return 0;
}

static const char *write_text(const struct sockaddr *sa, char *out, bool with_port)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool is_ipv6 = false;
    unsigned port = 0;

    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        port = ntohs(in->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        port = ntohs(in6->sin6_port);
        is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        if (is_ipv6)
            (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        else
            (void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, host, sizeof(host));
    } else {
        (void)snprintf(host, sizeof(host), "local");
    }
    if (!with_port)
        (void)snprintf(out, ADDRESS_TEXT_SIZE, "%s", host);
    else
        (void)snprintf(out, ADDRESS_TEXT_SIZE, is_ipv6 ? "[%s]:%u" : "%s:%u", host, port);
    return out;
}

const char *address_text(const struct sockaddr *sa, char *out)
{
    return write_text(sa, out, true);
}

const char *address_host_text(const struct sockaddr *sa, char *out)
{
    return write_text(sa, out, false);
}
