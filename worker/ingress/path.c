/* worker/ingress/path.c: strict where a lax reading could send mail somewhere else, lax about dots
 * in local parts, which are the business of the domain they belong to. */
#include "worker/ingress/path.h"

#include <string.h>
#include <strings.h>

#include "common/envelope.h"

#define LABEL_MAX  63
#define DOMAIN_MAX 255

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_local_char(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* `"..."`: the closing quote's successor, or NULL. */
static const char *skip_quoted(const char *p)
{
    for (p++; *p >= ' ' && *p < 0x7f; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\' && (p[1] < ' ' || p[1] >= 0x7f))
            return NULL;
        if (*p == '\\')
            p++;
    }
    return NULL;
}

/* A domain name; its successor or NULL. An underscore is no host name's, but seen in the wild. */
static const char *skip_domain(const char *p)
{
    const char *begin = p, *label = p;

    for (;; p++) {
        if (is_letter_or_digit(*p) || *p == '-' || *p == '_')
            continue;
        if (p == label || p - label > LABEL_MAX)
            return NULL;
        if (*p != '.')
            break;
        label = p + 1;
    }
    return p - begin <= DOMAIN_MAX ? p : NULL;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "[tag:text]". */
static const char *skip_literal(const char *p)
{
    const char *begin = p;

    for (p++; is_letter_or_digit(*p) || (*p != '\0' && strchr(".:-", *p) != NULL); p++)
        ;
    return *p == ']' && p - begin > 1 && p - begin <= DOMAIN_MAX ? p + 1 : NULL;
}

static const char *skip_host(const char *p)
{
    return *p == '[' ? skip_literal(p) : skip_domain(p);
}

/* "@a.example,@b.example:": tells where it would have been sent, and is not followed (RFC 5321,
 * appendix C). */
static const char *skip_source_route(const char *p)
{
    while (p != NULL && *p == '@') {
        p = skip_host(p + 1);
        if (p == NULL || (*p != ',' && *p != ':'))
            return NULL;
        if (*p++ == ':')
            return p;
    }
    return NULL;
}

/* The local part and, if there is one, "@" and what follows it. Another "@" in between belongs to
 * the local part then, and the last one counts. */
static enum path_verdict parse_mailbox(const char *p, struct path *ret_path, const char **ret_end)
{
    const char *begin = p;
    bool is_routed = false, is_twice = false;

    ret_path->mailbox = begin;
    ret_path->has_domain = false;
    if (*p == '"') {
        p = skip_quoted(p);
    } else {
        for (; is_local_char(*p); p++)
            is_routed = is_routed || *p == '%' || *p == '!';
    }
    if (p == NULL || p == begin)
        return PATH_BAD;
    while (*p == '@') {
        is_twice = is_twice || ret_path->has_domain;
        ret_path->has_domain = true;
        p = skip_host(p + 1);
        if (p == NULL)
            return PATH_BAD;
    }
    ret_path->bytes = (size_t)(p - begin);
    *ret_end = p;
    if (ret_path->bytes >= ENVELOPE_MAX_ADDRESS)
        return PATH_TOO_LONG;
    if (is_twice)
        return PATH_TWICE;
    return is_routed ? PATH_ROUTED : PATH_OK;
}

static bool has_8bit(const char *text)
{
    for (; *text != '\0' && *text != '>'; text++) {
        if ((unsigned char)*text > 0x7f)
            return true;
    }
    return false;
}

enum path_verdict path_parse(const char *text, struct path *ret_path, const char **ret_rest)
{
    const char *p = text + strspn(text, " "); /* "MAIL FROM: <a@b>" is common */
    bool is_bracketed = *p == '<';
    enum path_verdict verdict;

    if (has_8bit(p))
        return PATH_NOT_ASCII;
    if (is_bracketed && p[1] == '>') {
        *ret_path = (struct path){ .mailbox = "", .bytes = 0 };
        *ret_rest = p + 2;
        return **ret_rest == '\0' || **ret_rest == ' ' ? PATH_OK : PATH_BAD;
    }
    if (is_bracketed)
        p++;
    if (is_bracketed && *p == '@')
        p = skip_source_route(p);
    if (p == NULL)
        return PATH_BAD;
    verdict = parse_mailbox(p, ret_path, &p);
    if (verdict == PATH_BAD || (is_bracketed && *p++ != '>') || (*p != '\0' && *p != ' '))
        return PATH_BAD;
    *ret_rest = p;
    return verdict;
}

void path_copy(const struct path *path, char *out)
{
    memcpy(out, path->mailbox, path->bytes);
    out[path->bytes] = '\0';
}

/* ---- parameters ---- */

static bool is_value_char(char c)
{
    return c > ' ' && c != '=' && c != 0x7f;
}

enum parameter_verdict parameter_next(const char **rest, struct parameter *ret_parameter)
{
    const char *p = *rest + strspn(*rest, " ");

    *ret_parameter = (struct parameter){ .name = p };
    *rest = p;
    if (*p == '\0')
        return PARAMETER_NONE;
    if (!is_letter_or_digit(*p))
        return PARAMETER_BAD;
    while (is_letter_or_digit(*p) || *p == '-')
        p++;
    ret_parameter->name_bytes = (size_t)(p - ret_parameter->name);
    if (*p == '=') {
        ret_parameter->value = ++p;
        while (is_value_char(*p))
            p++;
        ret_parameter->value_bytes = (size_t)(p - ret_parameter->value);
        if (ret_parameter->value_bytes == 0)
            return PARAMETER_BAD;
    }
    if (*p != '\0' && *p != ' ')
        return PARAMETER_BAD;
    *rest = p;
    return PARAMETER_OK;
}

bool parameter_is(const struct parameter *parameter, const char *name)
{
    return strlen(name) == parameter->name_bytes &&
           strncasecmp(name, parameter->name, parameter->name_bytes) == 0;
}

bool parameter_value_is(const struct parameter *parameter, const char *value)
{
    return parameter->value != NULL && strlen(value) == parameter->value_bytes &&
           strncasecmp(value, parameter->value, parameter->value_bytes) == 0;
}
