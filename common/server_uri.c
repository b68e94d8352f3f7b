#include "common/server_uri.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <uriparser/Uri.h>
#include <xxhash.h>

#include "common/names.h"

#define TYPE_BIT(type) (1U << (type))

static const struct scheme_row {
    const char *name;
    unsigned types; /* TYPE_BIT */
    bool is_tls;
} schemes[SERVER_SCHEME_COUNT] = {
    [SERVER_SMTP] = { "smtp", TYPE_BIT(PROFILE_SMTP), false },
    [SERVER_SMTPS] = { "smtps", TYPE_BIT(PROFILE_SMTP), true },
    [SERVER_HTTP] = { "http", TYPE_BIT(PROFILE_CORE) | TYPE_BIT(PROFILE_VAULT), false },
    [SERVER_HTTPS] = { "https", TYPE_BIT(PROFILE_CORE) | TYPE_BIT(PROFILE_VAULT), true },
};

/* SP14. The secure port differs for SMTP only. */
static const struct type_row {
    enum server_scheme scheme;
    uint16_t port, tls_port;
    const char *path;
    const char *schemes;
} types[PROFILE_TYPE_COUNT] = {
    [PROFILE_SMTP] = { SERVER_SMTP, 25, 465, "", "smtp:// or smtps://" },
    [PROFILE_CORE] = { SERVER_HTTP, 8008, 8008, "", "http:// or https://" },
    [PROFILE_VAULT] = { SERVER_HTTP, 8010, 8010, "/vault_rest", "http:// or https://" },
};

const char *server_scheme_name(enum server_scheme scheme)
{
    return schemes[scheme].name;
}

bool server_uri_is_tls(const struct server_uri *uri)
{
    return schemes[uri->scheme].is_tls;
}

/* ---- before the parser: what RFC 3986 would read differently than people mean it ---- */

/* Where the authority begins: behind "scheme://", which may be left out. NULL for a "://" without
 * a scheme's name in front of it. */
static const char *skip_scheme(const char *text, size_t *ret_scheme_length)
{
    size_t end = strcspn(text, "/?#");

    *ret_scheme_length = 0;
    if (strncmp(text + end, "//", 2) != 0 || (end > 0 && text[end - 1] != ':'))
        return text;
    if (end < 2)
        return NULL;
    *ret_scheme_length = end - 1;
    return text + end + 2;
}

static int find_scheme(const char *text, size_t length, enum profile_type type,
                       enum server_scheme *ret_scheme, struct reason *reterr_why)
{
    for (unsigned i = 0; i < SERVER_SCHEME_COUNT; i++) {
        if (strlen(schemes[i].name) != length || strncasecmp(schemes[i].name, text, length) != 0 ||
            (schemes[i].types & TYPE_BIT(type)) == 0)
            continue;
        *ret_scheme = (enum server_scheme)i;
        return 0;
    }
    return reason_set(reterr_why, -EINVAL, "the scheme must be %s", types[type].schemes);
}

/* uriparser refuses these as "syntax"; a person is better served with the component's name. */
static int check_authority(const char *authority, const char **reterr_component,
                           struct reason *reterr_why)
{
    size_t length = strcspn(authority, "/?#");
    const char *end = authority + length, *port = memchr(authority, ':', length);

    if (memchr(authority, '@', length) != NULL) {
        *reterr_component = "user info";
        return reason_set(reterr_why, -EINVAL,
                          "user info cannot be given here: write host and port only");
    }
    *reterr_component = "host";
    if (*authority == '[') {
        const char *bracket = memchr(authority, ']', length);

        if (bracket == NULL)
            return reason_set(reterr_why, -EINVAL, "the closing ] is missing");
        if (memchr(authority, '%', (size_t)(bracket - authority)) != NULL)
            return reason_set(reterr_why, -EINVAL, "a zone id cannot be given");
        port = bracket + 1 < end ? bracket + 1 : NULL;
        if (port != NULL && *port != ':')
            return reason_set(reterr_why, -EINVAL, "only a port may follow the ]");
    } else if (port != NULL && memchr(port + 1, ':', (size_t)(end - port - 1)) != NULL) {
        return reason_set(reterr_why, -EINVAL, "an IPv6 address is written in brackets: [::1]:25");
    }
    if (port != NULL && (size_t)(end - port - 1) != strspn(port + 1, "0123456789")) {
        *reterr_component = "port";
        return reason_set(reterr_why, -EINVAL, "the port must be a number from 1 to 65535");
    }
    return 0;
}

/* RFC 3987 3.1: what is not ASCII is percent-encoded before the URI's parser sees it. */
static int encode(const char *scheme, const char *rest, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    int n = snprintf(out, size, "%s://", scheme);
    size_t used = (size_t)n;

    for (; *rest != '\0'; rest++) {
        unsigned char c = (unsigned char)*rest;

        if (used + 4 > size)
            return -EINVAL;
        if (c < 0x80) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = hex[c >> 4];
            out[used++] = hex[c & 15];
        }
    }
    out[used] = '\0';
    return 0;
}

/* ---- components ---- */

static size_t range_length(const UriTextRangeA *range)
{
    return range->first == NULL ? 0 : (size_t)(range->afterLast - range->first);
}

static unsigned hex_value(char c)
{
    return c >= 'a'   ? (unsigned)(c - 'a') + 10
           : c >= 'A' ? (unsigned)(c - 'A') + 10
                      : (unsigned)(c - '0');
}

/* Percent-decodes; -EINVAL for a control character or when it does not fit. */
static int decode(const UriTextRangeA *range, char *out, size_t size)
{
    size_t used = 0;

    for (const char *p = range->first; p != NULL && p < range->afterLast; p++) {
        unsigned char c = (unsigned char)*p;

        if (*p == '%') { /* uriparser has checked the two digits */
            c = (unsigned char)(hex_value(p[1]) << 4 | hex_value(p[2]));
            p += 2;
        }
        if (c < 0x20 || c == 0x7f || used + 1 >= size)
            return -EINVAL;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return 0;
}

static int take_host(const UriUriA *parsed, struct server_uri *uri, struct reason *reterr_why)
{
    char typed[NAMES_SHOWN_SIZE];
    bool is_ascii = true;
    int err;

    if (parsed->hostData.ip4 != NULL) {
        uri->host_kind = SERVER_HOST_IPV4;
        (void)inet_ntop(AF_INET, parsed->hostData.ip4->data, uri->host, sizeof(uri->host));
    } else if (parsed->hostData.ip6 != NULL) {
        uri->host_kind = SERVER_HOST_IPV6;
        (void)inet_ntop(AF_INET6, parsed->hostData.ip6->data, uri->host, sizeof(uri->host));
    } else if (parsed->hostData.ipFuture.first != NULL) {
        return reason_set(reterr_why, -EINVAL, "only an IPv6 address may stand in brackets");
    } else {
        uri->host_kind = SERVER_HOST_NAME;
        if (decode(&parsed->hostText, typed, sizeof(typed)) < 0)
            return reason_set(reterr_why, -EINVAL,
                              "the host name is too long or has a control "
                              "character");
        err = names_host(typed, uri->host, reterr_why);
        if (err < 0)
            return err;
        for (const char *p = typed; *p != '\0'; p++)
            is_ascii = is_ascii && (unsigned char)*p < 0x80;
        if (!is_ascii) {
            names_host_shown(uri->host, uri->host_shown);
            return 0;
        }
    }
    memcpy(uri->host_shown, uri->host, strlen(uri->host) + 1);
    return 0;
}

static int take_port(const UriUriA *parsed, enum profile_type type, struct server_uri *uri,
                     struct reason *reterr_why)
{
    unsigned port = 0;

    if (range_length(&parsed->portText) == 0) { /* "host:" is "host" (RFC 3986 3.2.3) */
        uri->port_assumed = true;
        uri->port = schemes[uri->scheme].is_tls ? types[type].tls_port : types[type].port;
        return 0;
    }
    for (const char *p = parsed->portText.first; p < parsed->portText.afterLast; p++) {
        port = port * 10 + (unsigned)(*p - '0');
        if (port > UINT16_MAX)
            break;
    }
    if (port == 0 || port > UINT16_MAX)
        return reason_set(reterr_why, -EINVAL, "the port must be a number from 1 to 65535");
    uri->port = (uint16_t)port;
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

/* Appends a segment in RFC 3986 6.2.2's form: upper-case digits, nothing encoded without need. */
static int add_segment(const UriTextRangeA *segment, char *path, size_t size)
{
    size_t used = strlen(path);

    if (used + range_length(segment) + 2 > size)
        return -EINVAL;
    path[used++] = '/';
    for (const char *p = segment->first; p < segment->afterLast; p++) {
        char plain = '\0';

        if (*p == '%')
            plain = (char)(hex_value(p[1]) << 4 | hex_value(p[2]));
        if (*p != '%' || is_unreserved(plain)) {
            path[used++] = *p == '%' ? plain : *p;
        } else {
            (void)snprintf(path + used, 4, "%%%02X", (unsigned)(unsigned char)plain);
            used += 3;
        }
        p += *p == '%' ? 2 : 0;
    }
    path[used] = '\0';
    return 0;
}

static int take_path(const UriUriA *parsed, enum profile_type type, struct server_uri *uri,
                     struct reason *reterr_why)
{
    for (const UriPathSegmentA *s = parsed->pathHead; s != NULL; s = s->next) {
        char plain[sizeof(uri->path)];

        if (s->next == NULL && range_length(&s->text) == 0)
            break; /* the final slash */
        if (type != PROFILE_VAULT)
            return reason_set(reterr_why, -EINVAL, "a path cannot be given for this type");
        if (decode(&s->text, plain, sizeof(plain)) < 0 ||
            add_segment(&s->text, uri->path, sizeof(uri->path)) < 0)
            return reason_set(reterr_why, -EINVAL,
                              "the path is longer than %zu bytes or has a control character",
                              sizeof(uri->path) - 1);
        if (strcmp(plain, ".") == 0 || strcmp(plain, "..") == 0)
            return reason_set(reterr_why, -EINVAL, "the path has a dot segment");
        if (plain[0] == '\0')
            return reason_set(reterr_why, -EINVAL, "the path has an empty segment");
    }
    if (uri->path[0] == '\0')
        memcpy(uri->path, types[type].path, strlen(types[type].path) + 1);
    return 0;
}

static int write_text(const struct server_uri *uri, const char *host, char *out)
{
    bool is_v6 = uri->host_kind == SERVER_HOST_IPV6;
    int n = snprintf(out, SERVER_URI_MAX, "%s://%s%s%s:%u%s", schemes[uri->scheme].name,
                     is_v6 ? "[" : "", host, is_v6 ? "]" : "", uri->port, uri->path);

    return n >= 0 && n < (int)SERVER_URI_MAX ? 0 : -EINVAL;
}

/* ---- the whole ---- */

/* The first component that offends is the one that is told. */
static int take_components(const UriUriA *parsed, enum profile_type type, struct server_uri *uri,
                           const char **reterr_component, struct reason *reterr_why)
{
    int err;

    *reterr_component = "host";
    err = take_host(parsed, uri, reterr_why);
    if (err == 0) {
        *reterr_component = "port";
        err = take_port(parsed, type, uri, reterr_why);
    }
    if (err == 0) {
        *reterr_component = "path";
        err = take_path(parsed, type, uri, reterr_why);
    }
    if (err == 0 && parsed->query.first != NULL) {
        *reterr_component = "query";
        err = reason_set(reterr_why, -EINVAL, "a query cannot be given");
    }
    if (err == 0 && parsed->fragment.first != NULL) {
        *reterr_component = "fragment";
        err = reason_set(reterr_why, -EINVAL, "a fragment cannot be given");
    }
    if (err == 0 && write_text(uri, uri->host, uri->text) < 0) {
        *reterr_component = "uri";
        err = reason_set(reterr_why, -EINVAL, "is too long");
    }
    return err;
}

int server_uri_parse(const char *text, enum profile_type type, struct server_uri *ret_uri,
                     const char **reterr_component, struct reason *reterr_why)
{
    char encoded[3 * SERVER_URI_MAX + 16];
    struct server_uri uri = { .scheme = types[type].scheme };
    size_t scheme_length;
    const char *authority, *unused;
    UriUriA parsed;
    int err;

    if (reterr_component == NULL)
        reterr_component = &unused;
    *reterr_component = "uri";
    if (strlen(text) >= SERVER_URI_MAX)
        return reason_set(reterr_why, -EINVAL, "is longer than %u bytes", SERVER_URI_MAX - 1);
    if (text[0] == '\0')
        return reason_set(reterr_why, -EINVAL, "is empty");
    if (!names_is_clean_text(text) || strchr(text, ' ') != NULL)
        return reason_set(reterr_why, -EINVAL, "has a blank or a control character");
    *reterr_component = "scheme";
    authority = skip_scheme(text, &scheme_length);
    if (authority == NULL)
        return reason_set(reterr_why, -EINVAL, "the scheme must be %s", types[type].schemes);
    if (scheme_length > 0) {
        err = find_scheme(text, scheme_length, type, &uri.scheme, reterr_why);
        if (err < 0)
            return err;
    }
    err = check_authority(authority, reterr_component, reterr_why);
    if (err < 0)
        return err;
    *reterr_component = "uri";
    if (encode(schemes[uri.scheme].name, authority, encoded, sizeof(encoded)) < 0 ||
        uriParseSingleUriA(&parsed, encoded, NULL) != URI_SUCCESS)
        return reason_set(reterr_why, -EINVAL, "is not a URI (RFC 3986): scheme://host:port");
    err = take_components(&parsed, type, &uri, reterr_component, reterr_why);
    uriFreeUriMembersA(&parsed);
    if (err == 0)
        *ret_uri = uri;
    return err;
}

const char *server_uri_shown(const struct server_uri *uri, char ret_shown[SERVER_URI_MAX])
{
    if (write_text(uri, uri->host_shown, ret_shown) < 0)
        memcpy(ret_shown, uri->text, strlen(uri->text) + 1);
    return ret_shown;
}

uint64_t server_uri_identity(const char *text)
{
    uint64_t identity = XXH3_64bits(text, strlen(text));

    return identity != 0 ? identity : 1;
}
