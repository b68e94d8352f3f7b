#include "common/profile_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "common/auto.h"
#include "common/names.h"

#define SMTP  PROFILE_TYPE_BIT(PROFILE_SMTP)
#define CORE  PROFILE_TYPE_BIT(PROFILE_CORE)
#define VAULT PROFILE_TYPE_BIT(PROFILE_VAULT)
#define ALL   (SMTP | CORE | VAULT)

#define CA_BYTES   (256 * 1024)
#define TEXT_BYTES 512

/* ---- checks of single texts ---- */

static int replace(char **text, const char *normal)
{
    char *copy = strdup(normal);

    if (copy == NULL)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static int check_pem_body(const char *body, const char *end, struct reason *reterr_why)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/=\r\n \t";

    if (body + strspn(body, base64) < end)
        return reason_set(reterr_why, -EINVAL, "a certificate's content is not base64");
    /* DER begins with a SEQUENCE of more than 127 bytes: 30 8x. */
    body += strspn(body, "\r\n \t");
    if (body[0] != 'M' || body[1] != 'I')
        return reason_set(reterr_why, -EINVAL, "a certificate's content is not DER");
    return 0;
}

/* The shape only: whether OpenSSL likes the certificates shows in the connection test. */
static int check_ca(char **text, struct reason *reterr_why)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const char *at = *text;
    unsigned count = 0;

    if (strstr(*text, "PRIVATE KEY") != NULL)
        return reason_set(reterr_why, -EINVAL, "holds a private key, which does not belong here");
    while ((at = strstr(at, begin)) != NULL) {
        const char *stop = strstr(at, end);
        int err;

        at += strlen(begin);
        if (stop == NULL)
            return reason_set(reterr_why, -EINVAL, "a certificate's end is missing");
        err = check_pem_body(at, stop, reterr_why);
        if (err < 0)
            return err;
        at = stop;
        count++;
    }
    return count > 0 ? 0 : reason_set(reterr_why, -EINVAL, "has no certificate");
}

static int check_address(char **text, struct reason *reterr_why)
{
    unsigned char address[sizeof(struct in6_addr)];
    char normal[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, *text, address) == 1)
        (void)inet_ntop(AF_INET, address, normal, sizeof(normal));
    else if (inet_pton(AF_INET6, *text, address) == 1)
        (void)inet_ntop(AF_INET6, address, normal, sizeof(normal));
    else
        return reason_set(reterr_why, -EINVAL, "is not an IP address");
    return replace(text, normal);
}

/* RFC 5321 4.1.3: [10.0.0.1] or [IPv6:2001:db8::1]. */
static int check_literal(const char *text, struct reason *reterr_why)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = strlen(text);
    char inner[64];
    bool is_v6 = strncasecmp(text, "[IPv6:", 6) == 0;
    size_t skip = is_v6 ? 6 : 1;

    if (length > skip + 1 && length - skip - 1 < sizeof(inner) && text[length - 1] == ']') {
        memcpy(inner, text + skip, length - skip - 1);
        inner[length - skip - 1] = '\0';
        if (inet_pton(is_v6 ? AF_INET6 : AF_INET, inner, address) == 1)
            return 0;
    }
    return reason_set(reterr_why, -EINVAL, "is not an address literal");
}

static int check_ehlo_name(char **text, struct reason *reterr_why)
{
    char host[NAMES_HOST_SIZE];
    int err;

    if ((*text)[0] == '[')
        return check_literal(*text, reterr_why);
    err = names_host(*text, host, reterr_why);
    return err < 0 ? err : replace(text, host);
}

static int check_link_base(char **text, struct reason *reterr_why)
{
    int err = server_uri_check_web(*text, false, false, reterr_why);

    for (size_t n = strlen(*text); err == 0 && (*text)[n - 1] == '/'; n--)
        (*text)[n - 1] = '\0'; /* "/#/public/..." is put behind it */
    return err;
}

static int check_token_url(char **text, struct reason *reterr_why)
{
    return server_uri_check_web(*text, true, true, reterr_why);
}

static int explain_encryption(char **word, struct reason *reterr_why)
{
    if (strcmp(*word, "tls") == 0)
        return reason_set(reterr_why, -EINVAL,
                          "is no value any more: write smtps:// in the server's URI instead");
    return 0;
}

/* ---- the table ---- */

static const char *const type_names[] = { "smtp", "core", "vault" };
static const char *const preferences[] = { "failover", "round_robin", NULL };
static const char *const encryptions[] = { "none", "starttls_optional", "starttls_required", NULL };
static const char *const grants[] = { "", "client_credentials", "refresh_token", NULL };

#define AT(member) offsetof(struct profile, member)
#define NONE       FEATURE_COUNT

#define OWN(name, types)                                              \
    {                                                                 \
        name, types, PROPERTY_OWN, NONE, 0, 0, 0, 0, NULL, NULL, NULL \
    }
#define READ_ONLY(name)                                                   \
    {                                                                     \
        name, ALL, PROPERTY_READ_ONLY, NONE, 0, 0, 0, 0, NULL, NULL, NULL \
    }
#define GROUP(name, types)                                              \
    {                                                                   \
        name, types, PROPERTY_GROUP, NONE, 0, 0, 0, 0, NULL, NULL, NULL \
    }
#define FLAG(name, types, feature, member, fallback)                                      \
    {                                                                                     \
        name, types, PROPERTY_FLAG, feature, AT(member), fallback, 0, 1, NULL, NULL, NULL \
    }
#define NUMBER(name, types, feature, member, fallback, min, max)                                  \
    {                                                                                             \
        name, types, PROPERTY_UNSIGNED, feature, AT(member), fallback, min, max, NULL, NULL, NULL \
    }
#define REAL(name, types, member, fallback, min, max)                                      \
    {                                                                                      \
        name, types, PROPERTY_REAL, NONE, AT(member), fallback, min, max, NULL, NULL, NULL \
    }
#define WORD(name, types, feature, member, words)                                   \
    {                                                                               \
        name, types, PROPERTY_WORD, feature, AT(member), 0, 0, 0, words, NULL, NULL \
    }
#define TEXT(name, types, feature, member, check, allowed)                                      \
    {                                                                                           \
        name, types, PROPERTY_TEXT, feature, AT(member), 0, 1, TEXT_BYTES, NULL, check, allowed \
    }
#define SECRET(name, types, index)                                                                 \
    {                                                                                              \
        name, types, PROPERTY_SECRET, NONE, AT(secrets[index]), 0, 1, TEXT_BYTES, NULL, NULL, NULL \
    }
#define SECONDS(name, types, member, fallback) NUMBER(name, types, NONE, member, fallback, 1, 3600)

static const struct property rows[] = {
    READ_ONLY("id"),
    READ_ONLY("version"),
    READ_ONLY("incomplete"),
    READ_ONLY("not_in_effect"),
    OWN("name", ALL),
    OWN("type", ALL),
    OWN("servers", ALL),
    WORD("preference", SMTP | CORE, NONE, preference, preferences),
    { "encryption", SMTP, PROPERTY_WORD, FEATURE_STARTTLS, AT(encryption), 0, 0, 0, encryptions,
      explain_encryption, NULL },
    TEXT("username", SMTP, FEATURE_CREDENTIALS, username, NULL, NULL),
    SECRET("password", SMTP, SECRET_PASSWORD),
    READ_ONLY("password_set"),
    SECRET("api_key", CORE | VAULT, SECRET_API_KEY),
    READ_ONLY("api_key_set"),
    GROUP("oauth", SMTP),
    WORD("oauth.grant", SMTP, FEATURE_OAUTH, oauth.grant, grants),
    TEXT("oauth.client_id", SMTP, NONE, oauth.client_id, NULL, NULL),
    SECRET("oauth.client_secret", SMTP, SECRET_OAUTH_CLIENT_SECRET),
    READ_ONLY("oauth.client_secret_set"),
    SECRET("oauth.refresh_token", SMTP, SECRET_OAUTH_REFRESH_TOKEN),
    READ_ONLY("oauth.refresh_token_set"),
    TEXT("oauth.token_url", SMTP, NONE, oauth.token_url, check_token_url,
         "an https URI of at most 512 bytes without user info and fragment"),
    TEXT("oauth.scope", SMTP, NONE, oauth.scope, NULL, NULL),
    TEXT("oauth.user", SMTP, NONE, oauth.user, NULL, NULL),
    FLAG("client_certificate", SMTP | CORE, FEATURE_CLIENT_CERTIFICATE, client_certificate, false),
    FLAG("verify_certificate", ALL, NONE, verify_certificate, true),
    { "ca", ALL, PROPERTY_TEXT, FEATURE_STARTTLS, AT(ca), 0, 1, CA_BYTES, NULL, check_ca,
      "certificates in PEM form, at most 262144 bytes" },
    GROUP("pool", SMTP),
    FLAG("pool.enabled", SMTP, FEATURE_POOL, pool.enabled, false),
    NUMBER("pool.size", SMTP, FEATURE_POOL, pool.size, 20, 1, 999),
    NUMBER("pool.expiry", SMTP, FEATURE_POOL, pool.expiry_s, 180, 1, 60000),
    NUMBER("max_connections", SMTP | CORE, FEATURE_MAX_CONNECTIONS, max_connections, 20, 0, 9999),
    NUMBER("max_lifetime", SMTP, FEATURE_MAX_LIFETIME, max_lifetime_s, 0, 0, 86400),
    NUMBER("max_messages", SMTP, FEATURE_MAX_MESSAGES, max_messages, 0, 0, 100000),
    NUMBER("max_recipients", SMTP, NONE, max_recipients, 100, 1, 1000),
    NUMBER("max_in_flight", SMTP, NONE, max_in_flight, 0, 1, 10000), /* 0: 20 x servers */
    GROUP("timeouts", ALL),
    SECONDS("timeouts.connect", ALL, timeouts.connect_s, 30),
    SECONDS("timeouts.greeting", SMTP, timeouts.greeting_s, 60),
    SECONDS("timeouts.handshake", ALL, timeouts.handshake_s, 60),
    SECONDS("timeouts.command", SMTP, timeouts.command_s, 300),
    SECONDS("timeouts.data_block", SMTP, timeouts.data_block_s, 180),
    SECONDS("timeouts.end_of_data", SMTP, timeouts.end_of_data_s, 600),
    SECONDS("timeouts.transfer", CORE | VAULT, timeouts.transfer_s, 300),
    SECONDS("timeouts.result", CORE | VAULT, timeouts.result_s, 1800),
    GROUP("retry", SMTP),
    NUMBER("retry.first", SMTP, NONE, retry.first_s, 60, 1, 86400),
    REAL("retry.factor", SMTP, retry.factor, 2, 1, 10),
    NUMBER("retry.max", SMTP, NONE, retry.max_s, 3600, 1, 86400), /* and not below first */
    NUMBER("retry.lifetime", SMTP, NONE, retry.lifetime_s, 432000, 60, 2592000),
    NUMBER("retry.warn", SMTP, FEATURE_RETRY_WARN, retry.warn_s, 14400, 0, 2592000),
    TEXT("source_address", SMTP, NONE, source_address, check_address, "an IPv4 or IPv6 address"),
    TEXT("ehlo_name", SMTP, NONE, ehlo_name, check_ehlo_name, "a host name or an address literal"),
    TEXT("link_base", CORE, NONE, link_base, check_link_base,
         "an http or https URI of at most 512 bytes without user info, query and fragment"),
};

const struct property_table profile_properties = {
    .rows = rows,
    .count = ARRAY_LEN(rows),
    .type_names = type_names,
    .type_count = PROFILE_TYPE_COUNT,
};

const char *profile_type_name(enum profile_type type)
{
    return type_names[type];
}

int profile_type_parse(const char *text)
{
    for (int i = 0; text != NULL && i < PROFILE_TYPE_COUNT; i++) {
        if (strcmp(text, type_names[i]) == 0)
            return i;
    }
    return text != NULL && strcmp(text, "mft") == 0 ? PROFILE_VAULT : -1;
}

int profile_secret_index(const struct property *row)
{
    if (row->kind != PROPERTY_SECRET)
        return -1;
    return (int)((row->offset - AT(secrets)) / sizeof(char *));
}

const char *profile_secret_name(enum profile_secret secret)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (profile_secret_index(&rows[i]) == (int)secret)
            return rows[i].name;
    }
    return "";
}
