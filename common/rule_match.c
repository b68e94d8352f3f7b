/* Runs at every RCPT: nothing is allocated unless a domain is not ASCII. */
#include <string.h>
#include <strings.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/names.h"
#include "common/rule_private.h"

#define LOCAL_SIZE 1024

struct client {
    unsigned char address[16];
    bool is_ipv4;
    bool is_known; /* an IP address at all */
};

struct address {
    const char *local, *domain; /* domain NULL: it has none */
    size_t local_length, domain_length;
    bool is_null;
    char unquoted[LOCAL_SIZE];
    char host[NAMES_HOST_SIZE];
};

static void take_client(const struct sockaddr *sa, struct client *client)
{
    static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    client->is_known = true;
    client->is_ipv4 = true;
    if (sa != NULL && sa->sa_family == AF_INET) {
        memcpy(client->address, mapped, sizeof(mapped));
        memcpy(client->address + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa != NULL && sa->sa_family == AF_INET6) {
        memcpy(client->address, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        client->is_ipv4 = memcmp(client->address, mapped, sizeof(mapped)) == 0;
    } else {
        client->is_known = false;
    }
}

/* Folded once here, so that the patterns, which are in lower case, are compared byte by byte. */
static void take_domain(const char *domain, struct address *a)
{
    size_t length = strlen(domain);
    char host[NAMES_HOST_SIZE];
    bool is_ascii = true;

    a->domain = domain;
    a->domain_length = length;
    if (length >= sizeof(a->host))
        return; /* no pattern is as long */
    for (size_t i = 0; i < length; i++) {
        is_ascii = is_ascii && (unsigned char)domain[i] < 0x80;
        a->host[i] = domain[i] >= 'A' && domain[i] <= 'Z' ? (char)(domain[i] + 32) : domain[i];
    }
    a->host[length] = '\0';
    if (!is_ascii && names_host(domain, host, NULL) == 0) {
        length = strlen(host);
        memcpy(a->host, host, length + 1);
    }
    if (length > 1 && a->host[length - 1] == '.')
        length--;
    a->domain = a->host;
    a->domain_length = length;
}

static void take_address(const char *text, struct address *a)
{
    size_t length = strlen(text);
    /* The last @ divides, unless all of it is one quoted local part. */
    const char *at = length > 0 && text[length - 1] == '"' ? NULL : strrchr(text, '@');
    int unquoted;

    a->is_null = length == 0;
    a->domain = NULL;
    a->domain_length = 0;
    a->local = text;
    a->local_length = at != NULL ? (size_t)(at - text) : length;
    if (at != NULL)
        take_domain(at + 1, a);
    if (text[0] != '"')
        return;
    unquoted = rule_unquote(text, a->local_length, a->unquoted, sizeof(a->unquoted));
    if (unquoted >= 0) {
        a->local = a->unquoted;
        a->local_length = (size_t)unquoted;
    }
}

static bool is_local(const char *pattern, const struct address *a)
{
    return strncasecmp(pattern, a->local, a->local_length) == 0 && pattern[a->local_length] == '\0';
}

static bool is_domain(const char *pattern, const struct address *a)
{
    return a->domain != NULL && strncmp(pattern, a->domain, a->domain_length) == 0 &&
           pattern[a->domain_length] == '\0';
}

static bool fits(const struct rule_pattern *p, const struct address *a)
{
    if (p->is_null_sender || a->is_null)
        return a->is_null && (p->is_null_sender || (p->local == NULL && p->domain == NULL));
    return (p->domain == NULL || is_domain(p->domain, a)) &&
           (p->local == NULL || is_local(p->local, a));
}

static bool any_fits(const struct rule_pattern *patterns, size_t count, const struct address *a)
{
    for (size_t i = 0; i < count; i++) {
        if (fits(&patterns[i], a))
            return true;
    }
    return false;
}

static bool has_client(const struct rule *rule, const struct client *client)
{
    for (size_t i = 0; client->is_known && i < rule->client_count; i++) {
        if (rule_network_has(&rule->clients[i], client->address, client->is_ipv4))
            return true;
    }
    return false;
}

static const struct rule *find(const struct rule_set *set, const struct client *client,
                               const struct address *sender, const struct address *recipient)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct rule *rule = set->rules[i];

        if (rule->enabled && !rule->hidden &&
            any_fits(rule->recipients, rule->recipient_count, recipient) &&
            has_client(rule, client) && any_fits(rule->senders, rule->sender_count, sender))
            return rule;
    }
    return NULL;
}

static bool is_our_domain(const struct rule_set *set, const struct address *a)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct rule *rule = set->rules[i];

        for (size_t k = 0; rule->enabled && !rule->hidden && k < rule->recipient_count; k++) {
            if (rule->recipients[k].domain != NULL && is_domain(rule->recipients[k].domain, a))
                return true;
        }
    }
    return false;
}

enum rule_verdict rule_set_match(const struct rule_set *set, const struct sockaddr *client,
                                 const char *sender, const char *recipient,
                                 const struct rule **ret_rule)
{
    struct client from;
    struct address by, to;
    const struct rule *rule;

    take_client(client, &from);
    take_address(sender, &by);
    take_address(recipient, &to);
    rule = find(set, &from, &by, &to);
    if (is_local("postmaster", &to) &&
        (to.domain == NULL || rule == NULL || is_our_domain(set, &to)))
        return set->postmaster != NULL ? RULE_POSTMASTER : RULE_NO_POSTMASTER;
    if (rule != NULL) {
        *ret_rule = rule;
        return RULE_MATCH;
    }
    return set->enabled_count == 0 ? RULE_NONE_ENABLED : RULE_NO_MATCH;
}
