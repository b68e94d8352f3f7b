#include "common/server_uri.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

/* The rules of a vault's URI (http or https, a host, perhaps a path, no user info) are the right
 * ones here too; only the scheme is not optional, and a query may follow. */
int server_uri_check_web(const char *text, bool https_only, bool allow_query,
                         struct reason *reterr_why)
{
    char head[SERVER_URI_MAX];
    struct server_uri uri;
    const char *query = strchr(text, '?'), *component;
    size_t length = query != NULL ? (size_t)(query - text) : strlen(text);
    struct reason why;

    if (strncasecmp(text, "https://", 8) != 0 &&
        (https_only || strncasecmp(text, "http://", 7) != 0))
        return reason_set(reterr_why, -EINVAL, "it must begin with %s",
                          https_only ? "https://" : "http:// or https://");
    if (strchr(text, '#') != NULL)
        return reason_set(reterr_why, -EINVAL, "a fragment cannot be given");
    if (query != NULL && !allow_query)
        return reason_set(reterr_why, -EINVAL, "a query cannot be given");
    if (length >= sizeof(head))
        return reason_set(reterr_why, -EINVAL, "is too long");
    memcpy(head, text, length);
    head[length] = '\0';
    if (server_uri_parse(head, PROFILE_VAULT, &uri, &component, &why) < 0)
        return reason_set(reterr_why, -EINVAL, "%s: %s", component, why.text);
    for (; query != NULL && *query != '\0'; query++) {
        if (*query <= ' ' || *query >= 0x7f || strchr("\"<>\\^`{|}", *query) != NULL)
            return reason_set(reterr_why, -EINVAL, "the query must be percent-encoded");
    }
    return 0;
}

static bool is_local_ipv4(const unsigned char *a)
{
    return a[0] == 127 || a[0] == 0 || (a[0] == 169 && a[1] == 254);
}

static bool is_local_ipv6(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_UNSPECIFIED(a) ||
           (IN6_IS_ADDR_V4MAPPED(a) && is_local_ipv4(a->s6_addr + 12));
}

bool server_uri_is_local(const struct server_uri *uri)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = strlen(uri->host);

    switch (uri->host_kind) {
    case SERVER_HOST_IPV4:
        return inet_pton(AF_INET, uri->host, address) == 1 && is_local_ipv4(address);
    case SERVER_HOST_IPV6: {
        struct in6_addr v6;

        return inet_pton(AF_INET6, uri->host, &v6) == 1 && is_local_ipv6(&v6);
    }
    case SERVER_HOST_NAME: break;
    }
    return strcmp(uri->host, "localhost") == 0 ||
           (length > 10 && strcmp(uri->host + length - 10, ".localhost") == 0);
}
