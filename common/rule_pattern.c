#include "common/rule_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "common/names.h"

#define LOCAL_MAX 512U

/* RFC 5321 atext and the dot, and whatever is not ASCII (RFC 6531). */
static bool is_plain(char c)
{
    return (unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

int rule_unquote(const char *local, size_t length, char *out, size_t size)
{
    size_t used = 0;

    if (length < 2 || local[0] != '"' || local[length - 1] != '"')
        return -EINVAL;
    for (size_t i = 1; i < length - 1; i++) {
        if (local[i] == '"')
            return -EINVAL;
        if (local[i] == '\\' && ++i == length - 1)
            return -EINVAL;
        if (used + 1 >= size)
            return -EINVAL;
        out[used++] = local[i];
    }
    out[used] = '\0';
    return (int)used;
}

static int parse_local(const char *text, size_t length, char **ret_local, struct reason *reterr_why)
{
    char plain[LOCAL_MAX + 1];

    if (length == 1 && text[0] == '*')
        return 0; /* any */
    if (length == 0 || length > LOCAL_MAX)
        return reason_set(reterr_why, -EINVAL, "the local part must have 1 to %u bytes", LOCAL_MAX);
    if (text[0] == '"') {
        if (rule_unquote(text, length, plain, sizeof(plain)) <= 0)
            return reason_set(reterr_why, -EINVAL, "the quoted local part is not well formed");
    } else {
        for (size_t i = 0; i < length; i++) {
            if (text[i] == '*')
                return reason_set(reterr_why, -EINVAL,
                                  "* stands for the whole local part or the whole domain only");
            if (!is_plain(text[i]))
                return reason_set(reterr_why, -EINVAL,
                                  "the local part has a character that needs quotes");
        }
        memcpy(plain, text, length);
        plain[length] = '\0';
    }
    *ret_local = strdup(plain);
    return *ret_local != NULL ? 0 : -ENOMEM;
}

static bool is_literal(const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool is_v6 = strncasecmp(text, "[IPv6:", 6) == 0;
    const char *start = text + (is_v6 ? 6 : 1);
    size_t length = strlen(start);
    char inner[64];

    if (length < 2 || length >= sizeof(inner) || start[length - 1] != ']')
        return false;
    memcpy(inner, start, length - 1);
    inner[length - 1] = '\0';
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, inner, address) == 1;
}

static int parse_domain(const char *text, char **ret_domain, struct reason *reterr_why)
{
    char host[NAMES_HOST_SIZE];
    int err = 0;

    if (strcmp(text, "*") == 0)
        return 0; /* any */
    if (strchr(text, '*') != NULL)
        return reason_set(reterr_why, -EINVAL,
                          "* stands for the whole local part or the whole domain only");
    if (text[0] == '[') {
        if (!is_literal(text))
            return reason_set(reterr_why, -EINVAL, "the address literal is not well formed");
        (void)snprintf(host, sizeof(host), "%s", text);
        for (char *p = host; *p != '\0'; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    } else {
        err = names_host(text, host, reterr_why);
    }
    if (err < 0)
        return err;
    *ret_domain = strdup(host);
    return *ret_domain != NULL ? 0 : -ENOMEM;
}

int rule_pattern_parse(const char *text, bool for_senders, struct rule_pattern *ret_pattern,
                       struct reason *reterr_why)
{
    const char *at = strrchr(text, '@');
    struct rule_pattern pattern = { 0 };
    int err;

    if (!names_is_clean_text(text))
        return reason_set(reterr_why, -EINVAL, "has a control character");
    if (for_senders && strcmp(text, "<>") == 0) {
        *ret_pattern = (struct rule_pattern){ .is_null_sender = true };
        return 0;
    }
    if (strcmp(text, "*") == 0) {
        *ret_pattern = pattern;
        return 0;
    }
    if (at == NULL)
        return reason_set(reterr_why, -EINVAL, "has no @");
    if (strcmp(text, "*@*") == 0)
        return reason_set(reterr_why, -EINVAL, "is written *");
    err = parse_local(text, (size_t)(at - text), &pattern.local, reterr_why);
    if (err == 0)
        err = parse_domain(at + 1, &pattern.domain, reterr_why);
    if (err < 0)
        rule_pattern_done(&pattern);
    else
        *ret_pattern = pattern;
    return err;
}

void rule_pattern_done(struct rule_pattern *pattern)
{
    free(pattern->local);
    free(pattern->domain);
    *pattern = (struct rule_pattern){ 0 };
}

static void write_local(const char *local, char out[RULE_TEXT_SIZE])
{
    bool needs_quotes = local[0] == '*' || local[0] == '\0';
    size_t used = 0;

    for (const char *p = local; *p != '\0'; p++)
        needs_quotes = needs_quotes || !is_plain(*p) || *p == '*';
    if (needs_quotes)
        out[used++] = '"';
    for (const char *p = local; *p != '\0' && used + 4 < RULE_TEXT_SIZE; p++) {
        if (*p == '"' || *p == '\\')
            out[used++] = '\\';
        out[used++] = *p;
    }
    if (needs_quotes)
        out[used++] = '"';
    out[used] = '\0';
}

const char *rule_pattern_text(const struct rule_pattern *pattern, char out[RULE_TEXT_SIZE])
{
    size_t used;

    if (pattern->is_null_sender) {
        (void)snprintf(out, RULE_TEXT_SIZE, "<>");
        return out;
    }
    if (pattern->local != NULL)
        write_local(pattern->local, out);
    else
        (void)snprintf(out, RULE_TEXT_SIZE, "*");
    used = strlen(out);
    if (pattern->local != NULL || pattern->domain != NULL)
        (void)snprintf(out + used, RULE_TEXT_SIZE - used, "@%s",
                       pattern->domain != NULL ? pattern->domain : "*");
    return out;
}

int rule_mailbox_check(const char *text, struct reason *reterr_why)
{
    struct rule_pattern pattern;
    int err = rule_pattern_parse(text, false, &pattern, reterr_why);

    if (err < 0)
        return err;
    if (pattern.local == NULL || pattern.domain == NULL)
        err = reason_set(reterr_why, -EINVAL, "must be one mailbox, without *");
    rule_pattern_done(&pattern);
    return err;
}
